"""Uploads over loopback: 2 GB to vsftpd and to OpenSSH, beside a bare libcurl that sends as many bytes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import trustme

from bench.api import Api
from bench.rows import Row, at_least, at_most
from bench.stage import ROOT, Stage
from tests.file_servers import FileServer, OpenSsh, Vsftpd

SHORT, LONG = 200, 2_000
"""Megabytes: memory has to be the same for both."""


def rows(_stage: Stage, _api: Api) -> list[Row]:
    """Measure both protocols. The servers write to memory where the machine has such a folder."""
    lap = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="waybill-bench-", dir=lap if lap.is_dir() else None, ignore_cleanup_errors=True
    ) as folder:
        Path(folder).chmod(0o755)
        with Vsftpd(Path(folder) / "ftps", trustme.CA()) as server:
            ftps = _row("FTPS to vsftpd", server)
        with OpenSsh(Path(folder) / "sftp") as server:
            return [ftps, _row("SFTP to OpenSSH", server)]


def _row(name: str, server: FileServer) -> Row:
    short = _send("ours", server, SHORT)
    long = _send("ours", server, LONG)
    reference = _send("libcurl", server, LONG)
    ours, theirs = LONG / long["seconds"], LONG / reference["seconds"]
    return Row(
        f"upload: {LONG / 1000:.0f} GB, {name}",
        f"{ours:.0f} MB/s",
        reference=f"libcurl alone: {theirs:.0f} MB/s",
        ratio=ours / theirs,
        must="100 MB/s, memory flat",
        share=min(at_least(ours, 100), at_most(long["megabytes"], 1.1 * short["megabytes"])),
        figures={"megabytes_per_s": ours, "reference_megabytes_per_s": theirs, "megabytes": long["megabytes"]},
        note=f"both processes' memory: {short['megabytes']:.0f} MB for {SHORT} MB, {long['megabytes']:.0f} MB for {LONG} MB",
    )


def _send(way: str, server: FileServer, megabytes: int) -> dict[str, float]:
    """Send a file in a process of its own, so that its memory can be told."""
    given = {"settings": server.document(), "megabytes": megabytes}
    done = subprocess.run(
        [sys.executable, "-m", "bench.uploader", way],
        cwd=ROOT, input=json.dumps(given), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{way} failed:\n{done.stderr[-3000:]}\n{server.log()[-2000:]}")
    for path in (server.root / "in").iterdir():
        path.unlink()
    told: dict[str, Any] = json.loads(done.stdout)
    return told
