"""`python -m chaos.run [BUG]`: `make run` with a second worker beside the first, as if it were another machine."""

from __future__ import annotations

import sys

from dev import procfile
from dev.run import ROOT, keep_running

SECOND = "worker2"


def main() -> None:
    """Run the Procfile's lines, the worker's twice; with a planted bug in each, if one is named."""
    lines = procfile.read(ROOT / "Procfile")
    lines[SECOND] = lines["worker"]
    for bug in sys.argv[1:]:
        for name in lines.keys() - {"release"}:
            lines[name] = f"{sys.executable} -m chaos.planted {bug} {lines[name]}"
    keep_running(lines)


if __name__ == "__main__":
    main()
