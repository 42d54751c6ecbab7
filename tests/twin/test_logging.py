"""What the server writes about an unexpected error: where it happened, and no values."""

import json

import pytest
import structlog

from twin.serve import configure_logging


def test_logged_error_carries_its_frames_but_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.reset_defaults()
    configure_logging("info")
    authorization = "Bearer " + "secret"
    try:
        raise ValueError(str(len(authorization)))
    except ValueError:
        structlog.get_logger().error("unexpected error", exc_info=True)
    finally:
        structlog.reset_defaults()
    line = capsys.readouterr().err
    (exception,) = json.loads(line)["exception"]
    assert exception["exc_type"] == "ValueError"
    assert exception["frames"]
    assert "Bearer secret" not in line
