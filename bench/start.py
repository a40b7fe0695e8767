"""How long `make run` takes until Waybill is ready, once everything is installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import requests

from bench.api import Api
from bench.rows import Row, at_most
from bench.stage import ROOT, Stage
from dev.files import kept_port

OURS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENCRYPTION_KEYS", "EGRESS_ALLOW", "GUNICORN_CMD_ARGS")
TIMES = 3


def rows(stage: Stage, _api: Api) -> list[Row]:
    """Measure the very first start, which makes the database, and the best of later ones."""
    folder = stage.folder / "home"
    port = kept_port(stage.folder / "home.port")
    first, *later = (_start(folder, port) for _ in range(1 + TIMES))
    return [
        Row(
            "start: make run, when installed, to ready",
            f"{min(later):.1f} s",
            must="5 s",
            note=f"the very first one, which makes the database: {first:.1f} s",
            share=at_most(min(later), 5),
            figures={"seconds": min(later), "first_seconds": first},
        )
    ]


def _start(folder: Path, port: int) -> float:
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    environment |= {"DATA_DIR": str(folder), "PORT": str(port)}
    began = time.monotonic()
    with (folder.parent / "home.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "dev.run"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        while time.monotonic() - began < 60:
            with suppress(requests.RequestException):
                if requests.get(f"http://127.0.0.1:{port}/readyz", timeout=2).ok:
                    return time.monotonic() - began
            time.sleep(0.02)
        raise RuntimeError(f"not ready within a minute: {(folder.parent / 'home.log').read_text()[-2000:]}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
