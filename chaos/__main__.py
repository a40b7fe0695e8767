"""`make chaos`: five minutes of faults, or DURATION seconds. SEED repeats the order of the faults. The exit status tells."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from chaos import profiles, report
from chaos.house import House
from chaos.receivers import Receivers
from chaos.story import Story

FIVE_MINUTES = 300


def main() -> int:
    """Run, print, say whether it was good."""
    seconds = float(os.environ.get("DURATION") or FIVE_MINUTES)
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    signal.signal(signal.SIGTERM, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="waybill-chaos-"))
    log = folder.with_suffix(".log")
    house = House(folder, log)
    print(f"chaos for {seconds:.0f} s, SEED={seed}, the processes talk to {log}", flush=True)
    try:
        with Receivers(seed) as receivers:
            house.open()
            profiles.make(house, receivers.port)
            story = Story(house, receivers, seed=seed, seconds=seconds)
            told = story.tell()
    except KeyboardInterrupt:
        print("stopped", flush=True)
        return 130
    finally:
        left_over = house.close()
        shutil.rmtree(folder, ignore_errors=True)
    faults = report.faults_of(told, left_over=left_over, intake_errors=story.intake_errors)
    report.show(told, faults)
    if not faults:
        log.unlink()
    return 1 if faults else 0


def _interrupt(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
