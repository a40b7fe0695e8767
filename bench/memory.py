"""What a process of the bench says of its own memory."""

from __future__ import annotations

from pathlib import Path


def peak() -> float:
    """Give this process's peak of resident memory in MB. `ru_maxrss` would count the process that started it, too."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
