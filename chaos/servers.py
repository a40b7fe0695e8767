"""Two file servers, FTP and SFTP, behind lines that break; and somebody who takes a file the moment it has its name."""

from __future__ import annotations

import hashlib
import random
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.bad_ftp import BadFtp
from tests.cutter import Cutter
from tests.file_servers import OpenSsh

LOOK_SECONDS = 0.01
WHIM_SECONDS = 2.0
FTP_BUDGET = 250
SFTP_BUDGET = 6000


class FileServers:
    """The servers. `profiles` names those that run here: OpenSSH is not on every machine."""

    def __init__(self, folder: Path, *, seed: int) -> None:
        self.taken: dict[tuple[str, str], str] = {}
        self.changed: list[str] = []
        self._folder = folder
        self._seed = seed
        self._luck = random.Random(seed)
        self._stack = ExitStack()
        self._is_over = threading.Event()
        self._is_healed = False
        self.roots: dict[str, Path] = {}
        self.profiles: dict[str, dict[str, Any]] = {}
        self.cutters: list[Cutter] = []

    def __enter__(self) -> Self:
        self.ftp = self._stack.enter_context(BadFtp(self._folder / "ftp"))
        self._add("ftp", self.ftp, FTP_BUDGET)
        try:
            ssh = self._stack.enter_context(OpenSsh(self._folder / "sftp"))
        except pytest.skip.Exception as reason:
            print(f"left out: SFTP, for {reason}", flush=True)
        else:
            self._add("sftp", ssh, SFTP_BUDGET)
        for task in (self._watch, self._be_whimsical):
            threading.Thread(target=task, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._stack.close()

    def heal(self) -> None:
        """Behave from now on."""
        self._is_healed = True
        self.ftp.whims.cuts_files = self.ftp.whims.drops_after_rename = self.ftp.whims.drops_before_rename = 0
        for cutter in self.cutters:
            cutter.heal()

    def half_names(self) -> list[str]:
        """Give what was sent straight to a final name: that is half, for a moment."""
        return [name for name in self.ftp.asked("STOR") if not Path(name).name.startswith(".")]

    def contents(self, profile: str) -> dict[str, bytes]:
        """Give the files that stand there under final names."""
        return {path.name: path.read_bytes() for path in _final(self.roots[profile])}

    def _add(self, name: str, server: BadFtp | OpenSsh, budget: int) -> None:
        cutter = self._stack.enter_context(Cutter(server.port, seed=self._seed, budget=budget))
        self.cutters.append(cutter)
        self.roots[name] = server.root / "in"
        self.profiles[name] = server.document(port=cutter.port)

    def _watch(self) -> None:
        """Take each file as a partner would who waits for its name, and look whether it is another one later."""
        while not self._is_over.wait(LOOK_SECONDS):
            for profile, root in self.roots.items():
                with suppress(OSError):
                    for path in _final(root):
                        if (profile, path.name) not in self.taken:
                            self.taken[profile, path.name] = hashlib.sha256(path.read_bytes()).hexdigest()

    def _be_whimsical(self) -> None:
        while not self._is_over.wait(WHIM_SECONDS) and not self._is_healed:
            whim = self._luck.choice(["cuts_files", "drops_after_rename", "drops_before_rename", ""])
            if whim:
                setattr(self.ftp.whims, whim, 1)


def _final(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if not path.name.startswith(".")]
