"""Where the `qtwin` command begins: Ctrl-C is taken in hand before anything large is imported."""

from qtwin.interrupts import run_interruptible


def main() -> None:
    """Entry point."""
    run_interruptible(_command)


def _command() -> None:
    from qtwin.cli import main as run

    run()
