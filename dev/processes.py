"""Asking about and ending processes that are not our children."""

import os
import signal
import time
from contextlib import suppress

import psutil

POLL_SECONDS = 0.05


def runs_with(pid: int, word: str) -> bool:
    """Say whether the process lives and has the word in its command line.

    kill(pid, 0) is not enough: it says yes to a zombie (PID 1 of a container may never reap it) and to a stranger who was
    given the same number.
    """
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and word in " ".join(process.cmdline())
    except psutil.Error:
        return False


def wait_gone(pid: int, word: str, seconds: float) -> bool:
    """Wait until the process is gone; False when it still runs after so many seconds."""
    end = time.monotonic() + seconds
    while runs_with(pid, word):
        if time.monotonic() > end:
            return False
        time.sleep(POLL_SECONDS)
    return True


def end(pid: int, word: str, *, first: signal.Signals, patience: float, last: signal.Signals) -> None:
    """Ask a process to go and, after so many seconds of patience, make it go."""
    for sign in (first, last):
        if not runs_with(pid, word):
            return
        with suppress(ProcessLookupError):
            os.kill(pid, sign)
        if wait_gone(pid, word, patience):
            return
