"""A receiver that never answers, drips, never ends or sends a gzip bomb, by its path: `python -m bench.bad_receiver PORT`."""

from __future__ import annotations

import sys
import threading

from tests.receivers import Receiver

if __name__ == "__main__":
    with Receiver(port=int(sys.argv[1])):
        threading.Event().wait()
