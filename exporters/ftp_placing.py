"""How a file comes to stand at its place, once and whole."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from exporters.base import Folder, Phase, Receipt, RunFile, Sending
from exporters.errors import NameTaken, Refused, SizeUnknown, TryAgain
from exporters.ftp_settings import FtpSettings

MOST_EARLIER = 200
"""How many earlier tries may have left something behind; older ones are not looked for."""

MOST_NAMES = 1000


class Placing:
    """One try to bring a file to its place. Every step may be the last: the next try reads what it finds.

    Order: temporary files of earlier tries go; the file is sent under its temporary name; its size (or content) is
    compared; the final name is looked at; rename; another look; companions.
    """

    def __init__(self, settings: FtpSettings, file: RunFile, sending: Sending, folder: Folder) -> None:
        self._settings = settings
        self._file = file
        self._sending = sending
        self._folder = folder
        self._progress = sending.progress
        self._wanted = self._path(file.name)

    def bring(self) -> Receipt:
        """Do what is left to do. Raises TryAgain or NeedsPerson."""
        came_to, name = self._sending.came_to, self._sending.name
        if name and came_to is Phase.DONE:
            return self._receipt(name, "it had arrived before")
        if name and came_to is Phase.RENAMING:
            return self._go_on(name)
        return self._send()

    # ---- the way of a file -----------------------------------------------------------------------------------------

    def _send(self, remark: str = "") -> Receipt:
        if self._settings.create_folder and self._sending.folder.strip("/"):
            self._folder.make_folder(self._sending.folder)
        for temp in self._earlier_temps():
            self._folder.remove(temp)
        if self._settings.temp_name == "none":
            return self._send_straight(remark)
        if self._stands_already():  # asked before a long way is gone for nothing
            return self._finish(self._wanted, "these very bytes were there already")
        temp = self._temp(self._file.name, f"{self._sending.run_id}-{self._sending.number}")
        self._put(temp, known_as=self._wanted)
        return self._give_name(temp, remark)

    def _send_straight(self, remark: str) -> Receipt:
        """Send under the final name at once. What an earlier try of ours left there is written over."""
        name = self._sending.name if self._sending.came_to is not None else None
        if name is None:
            if self._stands_already():
                return self._finish(self._wanted, "these very bytes were there already")
            name = self._free_name()
        self._put(name, known_as=name)
        return self._finish(name, remark)

    def _give_name(self, temp: str, remark: str) -> Receipt:
        try:
            name = self._free_name()
        except NameTaken:
            self._folder.remove(temp)
            raise
        self._progress.begin(Phase.RENAMING, name)
        self._rename(temp, name)
        self._look_again(name)
        return self._finish(name, remark)

    def _go_on(self, name: str) -> Receipt:
        """Read what a try that broke off while renaming has left: its answer may have been lost on the way."""
        for temp in self._earlier_temps():
            if self._is_whole(temp):
                return self._give_name(temp, "")
        if self._is_whole(name):
            return self._finish(name, "the answer to the rename was lost")
        return self._send("sent again: neither the file nor its temporary name was there any more")

    def _finish(self, name: str, remark: str) -> Receipt:
        self._send_companions(name)
        self._progress.begin(Phase.DONE, name)
        return self._receipt(name, remark)

    def _send_companions(self, name: str) -> None:
        """Send what says that the file is there. They are small, and ours by their name: they replace what is there."""
        ours, theirs = self._file.name, name.rpartition("/")[2]
        for companion, content in self._file.companions:
            renamed = theirs + companion.removeprefix(ours) if companion.startswith(ours) else companion
            whole = content.replace(ours.encode(), theirs.encode())  # a checksum names its file
            target = self._path(renamed)
            if self._settings.temp_name == "none":
                self._folder.put(target, len(whole), iter((whole,)), _silent)
                continue
            temp = self._temp(renamed, f"{self._sending.run_id}")  # one for all tries: any may have left it
            self._folder.remove(temp)
            self._folder.put(temp, len(whole), iter((whole,)), _silent)
            self._folder.remove(target)
            self._folder.rename(temp, target)

    # ---- steps -----------------------------------------------------------------------------------------------------

    def _put(self, name: str, *, known_as: str) -> None:
        """Send the file under a name, and compare what arrived."""
        self._progress.begin(Phase.SENDING, known_as)
        self._folder.put(name, self._file.size, self._file.chunks(), self._progress.sent)
        self._progress.begin(Phase.SENT, known_as)
        if self._settings.verify == "size":
            self._compare_size(name)
        elif self._settings.verify == "readback" and self._hash(name) != self._file.sha256:
            raise _not_whole(f"{name} reads back otherwise than it was sent")

    def _compare_size(self, name: str) -> None:
        """Compare sizes: the server's word that all went well proves nothing."""
        found = self._folder.size(name)
        if found is None:
            raise _not_whole(f"{name} is not there after it was sent")
        if found != self._file.size:
            raise _not_whole(f"{name} has {found:,} bytes on the server, {self._file.size:,} were sent")

    def _look_again(self, name: str) -> None:
        """Look at the file after its rename. Where sizes are hidden its content was read before."""
        if self._settings.verify == "none":
            return
        try:
            self._compare_size(name)
        except SizeUnknown:
            if self._settings.verify == "size":
                raise

    def _rename(self, temp: str, name: str) -> None:
        try:
            self._folder.rename(temp, name)
        except Refused:
            if self._settings.overwrite != "replace" or not self._is_there(name):
                raise
            self._folder.remove(name)  # many servers rename onto no file; for a moment there is none
            self._folder.rename(temp, name)

    # ---- what is there ---------------------------------------------------------------------------------------------

    def _stands_already(self) -> bool:
        """Say whether our very bytes stand there, from an upload before or a try that was forgotten: all is well then.

        Raises NameTaken for other bytes, which must not be touched.
        """
        if self._settings.overwrite != "refuse" or not self._is_there(self._wanted):
            return False
        if not self._is_whole(self._wanted) or self._hash(self._wanted) != self._file.sha256:
            raise self._taken()
        return True

    def _is_there(self, name: str) -> bool:
        """Say whether there is a file. A box that shows nothing of what is in it has none for us."""
        try:
            return self._folder.size(name) is not None
        except SizeUnknown:
            if self._settings.verify == "size":
                raise
            return self._settings.verify == "readback" and self._can_be_read(name)

    def _is_whole(self, name: str) -> bool:
        """Say whether our whole file stands under this name."""
        try:
            if self._folder.size(name) != self._file.size:
                return False
        except SizeUnknown:
            if self._settings.verify != "readback":
                return False
        return self._settings.verify != "readback" or self._hash(name) == self._file.sha256

    def _can_be_read(self, name: str) -> bool:
        try:
            next(self._folder.read(name), None)
        except Refused:
            return False
        return True

    def _hash(self, name: str) -> str | None:
        """Give the SHA-256 of a file on the server; None: it cannot be read."""
        digest = hashlib.sha256()
        try:
            for chunk in self._folder.read(name):
                digest.update(chunk)
        except Refused:
            return None
        return digest.hexdigest()

    # ---- names -----------------------------------------------------------------------------------------------------

    def _free_name(self) -> str:
        """Give the final name with its folder. Raises NameTaken."""
        if self._settings.overwrite == "replace":
            return self._wanted
        if self._settings.overwrite == "refuse":
            if self._is_there(self._wanted):
                raise self._taken()
            return self._wanted
        for number in range(1, MOST_NAMES):
            candidate = self._path(numbered(self._file.name, number))
            if not self._is_there(candidate):
                return candidate
        raise NameTaken(f"{self._wanted} and {MOST_NAMES - 2} names after it are there already")

    def _taken(self) -> NameTaken:
        return NameTaken(f"{self._wanted} is there already, and is another file: it was not touched")

    def _earlier_temps(self) -> Iterator[str]:
        """Name what earlier tries may have left, the latest first."""
        if self._settings.temp_name == "none":
            return
        first = max(1, self._sending.number - MOST_EARLIER)
        for number in range(self._sending.number - 1, first - 1, -1):
            yield self._temp(self._file.name, f"{self._sending.run_id}-{number}")

    def _temp(self, name: str, mark: str) -> str:
        dot = "." if self._settings.temp_name == "dot" else ""
        return self._path(f"{dot}{name}.{mark}.part")

    def _path(self, name: str) -> str:
        folder = self._sending.folder
        if not folder.strip("/"):
            return f"/{name}" if folder else name
        return f"{folder.rstrip('/')}/{name}"

    def _receipt(self, name: str, remark: str) -> Receipt:
        how = {"size": "size checked", "readback": "read back", "none": "unverified"}[self._settings.verify]
        return Receipt(f"{name}, {self._file.size:,} bytes, {how}" + (f"; {remark}" if remark else ""))


def numbered(name: str, number: int) -> str:
    """Return "orders-2.csv.gz" for number 2, the name itself for 1."""
    if number == 1:
        return name
    match = _ENDINGS.search(name)
    end = match.start() if match else len(name)
    return f"{name[:end]}-{number}{name[end:]}"


_ENDINGS = re.compile(r"(?:\.(?:csv|txt|tsv))?(?:\.(?:gz|zst|zip))?$")


def _not_whole(message: str) -> TryAgain:
    error = TryAgain(message)
    error.stage = "size"
    return error


def _silent(_total: int) -> None:
    """Companions are too small to tell of."""
