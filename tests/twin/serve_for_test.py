"""Serves a twin until it is killed: `serve_for_test.py DATA_DIR [field=value ...]`, values as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from twin.serve import run
from twin.settings import Settings


def main() -> None:
    data_dir = Path(sys.argv[1])
    given = {name: json.loads(value) for name, value in (argument.split("=", 1) for argument in sys.argv[2:])}
    kind, port = given.pop("kind", "app"), given.pop("port", 0)
    settings = Settings.from_env(data_dir=data_dir, log_level="error", **given)
    run(settings, port=port, kind=kind, ready_file=data_dir / "ready")


if __name__ == "__main__":
    main()
