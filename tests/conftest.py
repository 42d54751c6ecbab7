"""A shell lets what runs in the background ignore Ctrl-C; the commands that tests interrupt must not inherit that."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
