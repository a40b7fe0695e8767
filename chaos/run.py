"""`python -m chaos.run`: `make run` with a second worker beside the first, as if it were another machine."""

from __future__ import annotations

from dev import procfile
from dev.run import ROOT, keep_running

SECOND = "worker2"


def main() -> None:
    """Run the Procfile's lines, the worker's twice."""
    lines = procfile.read(ROOT / "Procfile")
    keep_running({**lines, SECOND: lines["worker"]})


if __name__ == "__main__":
    main()
