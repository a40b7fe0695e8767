"""`make chaos`: five minutes of faults, or DURATION seconds. The exit status tells. `make soak` (--soak): half an hour.

SEED repeats the order of the faults; PLANT puts one of the bugs of chaos/planted.py into the product's processes.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from chaos import profiles, report, soak
from chaos.acts import Stage
from chaos.clerk import Clerk
from chaos.house import House
from chaos.receivers import Receivers
from chaos.servers import FileServers
from chaos.soak import Soak
from chaos.story import Story, Told

FIVE_MINUTES = 300


def main() -> int:
    """Run, print, say whether it was good."""
    is_soak = "--soak" in sys.argv[1:]
    seconds = float(os.environ.get("DURATION") or (soak.THIRTY_MINUTES if is_soak else FIVE_MINUTES))
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    bug = os.environ.get("PLANT") or ""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="waybill-chaos-"))
    folder.chmod(0o755)  # file servers run as nobody
    log = folder.with_suffix(".log")
    planted = f", with a bug: {bug}" if bug else ""
    print(f"chaos for {seconds:.0f} s, SEED={seed}{planted}; the processes talk to {log}", flush=True)
    house = House(folder, log, bug=bug)
    try:
        told = _tell(house, seed=seed, seconds=seconds, has_bug=bool(bug), is_soak=is_soak)
    except KeyboardInterrupt:
        print("stopped", flush=True)
        return 130
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # whoever presses Ctrl-C twice gets all of it stopped, too
        left_over = house.close()
        shutil.rmtree(folder, ignore_errors=True)
    told.add("processes left over", left_over)
    report.show(told)
    if not told.faults:
        log.unlink()
    return 1 if told.faults else 0


def _tell(house: House, *, seed: int, seconds: float, has_bug: bool, is_soak: bool) -> Told:
    with Receivers(seed) as receivers, FileServers(house.folder, seed=seed) as servers:
        house.open()
        profiles.make(house, receivers, servers)
        stage = Stage(house, receivers, servers, Clerk(house, servers))
        soaking = Soak(house, seconds=seconds) if is_soak else None
        return Story(stage, seed=seed, seconds=seconds, has_bug=has_bug, soaking=soaking).tell()


def _interrupt(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
