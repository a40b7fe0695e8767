"""Somebody who has just cloned Waybill, at a terminal, and what they see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from dev.files import kept_port

READY_SECONDS = 90  # a slow machine shared with other tests


class Newcomer:
    """One `make run` in a folder of its own, and calls of its API with the key it told."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.data = folder / "data"
        self.log = folder / "log"
        given = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
        self._environment = given | environment | {"DATA_DIR": str(self.data), "PORT": str(kept_port(folder / "port"))}
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "dev.run"]
            self.run = subprocess.Popen(command, env=self._environment, stdout=log, stderr=subprocess.STDOUT)

    def told(self) -> dict[str, Any]:
        """Give run.json as it is now."""
        told: dict[str, Any] = json.loads((self.data / "run.json").read_text())
        return told

    def demo(self) -> str:
        """Say `make demo`."""
        command = [sys.executable, "-m", "samples.load"]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{self.log.read_text()[-5000:]}"
        return done.stdout

    def call(self, method: str, path: str, **given: Any) -> requests.Response:
        """Call the API. Fails the test when the answer is an error."""
        told = self.told()
        headers = {"Authorization": f"Bearer {told['api_key']}", **given.pop("headers", {})}
        answer = requests.request(method, f"{told['url']}/api/v1{path}", headers=headers, timeout=30, **given)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def is_ready(self) -> bool:
        """Say whether /readyz is green."""
        try:
            return requests.get(f"{self.told()['url']}/readyz", timeout=2).ok
        except requests.RequestException:
            return False

    def until(self, is_so: Callable[[], bool], seconds: float) -> None:
        """Wait until something is so, while `make run` lives."""
        end = time.monotonic() + seconds
        while not is_so():
            told = self.log.read_text()[-5000:]
            assert self.run.poll() is None, f"make run ended\n{told}"
            assert time.monotonic() < end, f"waited {seconds} seconds\n{told}"
            time.sleep(0.1)


@contextmanager
def newcomer_in(folder: Path, **environment: str) -> Iterator[Newcomer]:
    """Say `make run`, wait until it is ready, and stop it in the end."""
    newcomer = Newcomer(folder, **environment)
    try:
        newcomer.until((newcomer.data / "run.json").exists, READY_SECONDS)
        yield newcomer
    finally:
        newcomer.run.terminate()
        newcomer.run.wait(40)
