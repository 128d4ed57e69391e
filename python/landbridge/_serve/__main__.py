"""A worker, as its supervisor starts it."""

import os
import signal
import sys

if __name__ == "__main__":
    # A terminal interrupts workers, too; they wait for what the supervisor says.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # By this it is hurried, which before it serves means to end.
    signal.signal(signal.SIGQUIT, lambda *_: os._exit(1))

    from landbridge._serve.command import serve

    sys.exit(serve(sys.argv[1:]))
