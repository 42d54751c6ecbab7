"""The `qtwin` command."""
