"""The console that commands print to: what a user wrote, or a folder is called, is shown as it is."""

from rich import console


class Console(console.Console):
    """rich's, that makes no picture of `:car:`. stderr: print to standard error."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, emoji=False)
