"""`python -m qtwin` is the `qtwin` command."""

from qtwin.start import main

if __name__ == "__main__":
    main()
