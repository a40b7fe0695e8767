"""Says *Run now* at the file profiles every few seconds, as a schedule would; and counts what stands in the files."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from contextlib import suppress

import psycopg
import requests

from chaos.house import House
from chaos.servers import FileServers

EVERY_SECONDS = 3.0

# A file is open until it stands at its place. What failed before waits for a success: the next file's.
OPEN_FILES = """SELECT (SELECT count(*) FROM file_items WHERE run_id IS NULL AND skipped IS NULL)
    + (SELECT count(*) FROM runs WHERE state NOT IN ('written', 'empty', 'cancelled'))
    + (SELECT count(*) FROM uploads WHERE state NOT IN ('delivered', 'cancelled'))"""

# Only these need one more: rows that no run has taken, and uploads that failed and wait for a success.
NEEDED = """SELECT EXISTS (SELECT FROM file_items WHERE run_id IS NULL AND skipped IS NULL)
    OR EXISTS (SELECT FROM uploads WHERE state = 'pending' AND failures > 0)"""

WRITTEN = """SELECT p.name, r.file_name, r.sha256 FROM runs r JOIN profiles p ON p.id = r.profile_id
    WHERE r.state = 'written'"""


class Clerk:
    """A thread. It goes on while things heal, as a schedule does."""

    def __init__(self, house: House, servers: FileServers) -> None:
        self._house = house
        self._servers = servers
        self._is_over = threading.Event()
        self._is_resting = False
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def rest(self) -> None:
        """Say it only where it is needed from now on."""
        self._is_resting = True

    def stop(self) -> None:
        """End."""
        self._is_over.set()
        self._thread.join()

    def ask(self, profile: str) -> bool:
        """Say *Run now*. Returns whether it was heard."""
        headers = {"Authorization": f"Bearer {self._house.api_key}"}
        try:
            return requests.post(f"{self._house.url}/api/v1/profiles/{profile}/run", headers=headers, timeout=10).ok
        except requests.RequestException:
            return False

    def open_files(self) -> int:
        """Count rows in no file yet, and files that are not at their place."""
        with self._house.connect() as connection:
            row = connection.execute(OPEN_FILES).fetchone()
        return int(row[0]) if row else 0

    def faults(self, orders: set[str]) -> dict[str, list[str]]:
        """Give what must not be: rows in no file or in two, files that are not what was written."""
        rows, files = [], []
        with self._house.connect() as connection:
            written = {(name, file): sha256 for name, file, sha256 in connection.execute(WRITTEN)}
        for profile in self._servers.profiles:
            contents = self._servers.contents(profile)
            counts = Counter(line for content in contents.values() for line in content.decode().split())
            rows += [f"{profile}: {order} in {counts[order]} files" for order in orders if counts[order] != 1]
            for name, content in contents.items():
                digest = hashlib.sha256(content).hexdigest()
                if written.pop((profile, name), None) != digest:
                    files.append(f"{profile}: {name} is not the file that was written")
                if self._servers.taken.get((profile, name), digest) != digest:
                    files.append(f"{profile}: {name} was half when it first had its name")
        files += [f"{profile}: {name} is missing" for profile, name in written]
        files += [f"{name} was sent under its final name" for name in self._servers.half_names()]
        return {"rows not in exactly one file": rows, "half or foreign files": files}

    def _work(self) -> None:
        while not self._is_over.wait(EVERY_SECONDS):
            for profile in self._servers.profiles:
                if not self._is_resting or self._is_needed():
                    self.ask(profile)

    def _is_needed(self) -> bool:
        with suppress(psycopg.Error), self._house.connect() as connection:
            row = connection.execute(NEEDED).fetchone()
            return bool(row and row[0])
        return True
