"""`python -m qtwin` is the `qtwin` command."""

from qtwin.cli import main

if __name__ == "__main__":
    main()
