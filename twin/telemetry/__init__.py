"""What the twin tells about itself: the event log, QEC metrics, the controller's cadence, service metrics."""
