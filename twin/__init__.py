"""The digital-twin QPU: noisy jobs, live QEC sessions, telemetry and control over REST."""
