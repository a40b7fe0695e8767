"""FTP, FTPS and SFTP: a file goes under a temporary name, is checked, and gets its own name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from exporters.base import AnySettings, Column, Door, Fault, Receipt, RunFile, Sending, Step
from exporters.csv_file import faults_in
from exporters.errors import BadSettings
from exporters.ftp_placing import Placing
from exporters.ftp_probe import probe
from exporters.ftp_settings import FtpSettings

_LABELS = {"sftp": "SFTP", "ftps": "FTPS", "ftps-implicit": "FTPS", "ftp": "FTP"}


class Ftp:
    """Brings files to a folder of somebody's server."""

    kind: ClassVar[str] = "ftp"
    label: ClassVar[str] = "FTP"
    Settings: ClassVar[AnySettings] = FtpSettings
    uploads: ClassVar[bool] = True

    def __init__(self, settings: FtpSettings, columns: Sequence[Column]) -> None:
        self.settings = settings
        self._columns = tuple(columns)

    @staticmethod
    def in_clear_text(settings: Mapping[str, Any]) -> bool:
        """Say whether these settings send password and data readable for everybody on the way."""
        return settings.get("protocol") == "ftp"

    def target(self) -> str:
        """Return "SFTP files.example.com/in"."""
        return f"{_LABELS[self.settings.protocol]} {self.settings.host}{_below(self.settings.folder)}"

    def faults(self) -> Iterator[Fault]:
        """Yield the columns that cannot stand in a file."""
        yield from faults_in(self._columns)

    def destination(self) -> str:
        """Return protocol, user, host and port: "sftp://user@files.example.com:22"."""
        settings = self.settings
        return f"{settings.protocol}://{quote(settings.user, safe='')}@{settings.host}:{settings.port}"

    def place(self, file: RunFile, sending: Sending, door: Door) -> Receipt:
        """Bring the file to its place, whatever came of the tries before. Raises TryAgain or NeedsPerson."""
        self._refuse_unknown_server()
        with door.folder(self.settings.place) as folder:
            return Placing(self.settings, file, sending, folder).bring()

    def look(self, door: Door) -> Receipt:
        """Log in and leave. Raises TryAgain or NeedsPerson."""
        self._refuse_unknown_server()
        with door.folder(self.settings.place):
            return Receipt("logged in; there is no file to send")

    def probe(self, door: Door) -> Iterator[Step]:
        """Test the connection with a small file, which goes again."""
        yield from probe(self.settings, door)

    def _refuse_unknown_server(self) -> None:
        for lack in self.settings.lacks():
            raise BadSettings(f"settings.{lack.key}: {lack.message}")


def _below(folder: str) -> str:
    return "" if folder in {"", "/"} else f"/{folder.strip('/')}"
