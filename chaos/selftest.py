"""`make planted`: each bug of chaos/planted.py in a chaos run of its own. Each must turn the run red, for its own reason."""

from __future__ import annotations

import os
import subprocess
import sys

from chaos.planted import BUGS


def main() -> int:
    """Run all; say which were found."""
    missed = [bug for bug in sys.argv[1:] or BUGS if not _is_found(bug)]
    print(f"MISSED: {', '.join(missed)}" if missed else "every planted bug was found", flush=True)
    return 1 if missed else 0


def _is_found(bug: str) -> bool:
    reason = BUGS[bug][1]
    done = subprocess.run(
        [sys.executable, "-m", "chaos"],
        env={**os.environ, "PLANT": bug},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    is_found = done.returncode == 1 and f"RED  {reason}:" in done.stdout
    print(f"{bug:<20} {'found: ' + reason if is_found else 'NOT FOUND'}", flush=True)
    if not is_found:
        print(done.stdout, flush=True)
    return is_found


if __name__ == "__main__":
    sys.exit(main())
