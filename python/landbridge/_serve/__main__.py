"""A worker, as its supervisor starts it."""

import sys

from landbridge._serve.command import serve

if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:]))
