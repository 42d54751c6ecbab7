"""Forks twins from a process that has made the imports: `forge.py`, one order a line (JSON), one process id back.

A start of Python with its imports takes seconds; this one takes none, so that servers can be killed by the hundred.
Workers are spawned as ever.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any


def main() -> None:
    import twin.app
    import twin.serve
    import twin.settings  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that are killed
    for line in sys.stdin:
        process_id = os.fork()
        if process_id == 0:
            _serve(json.loads(line))
        print(process_id, flush=True)


def _serve(order: dict[str, Any]) -> None:
    from twin.serve import run
    from twin.settings import Settings

    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        settings = Settings.model_validate(order["settings"])
        run(settings, port=order["port"], kind=order["kind"], ready_file=Path(order["ready_file"]))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
