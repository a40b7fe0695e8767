"""FTP and FTPS over libcurl. Names go as whole paths: no change of folder that a later command could miss."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pycurl

from exporters.guard import Ports
from exporters.transfer.certificates import signer_of
from exporters.transfer.names import folders_above, ftp_path
from exporters.transfer.remote import Failed, Remote
from exporters.transfer.wire import Trouble

MOST_LISTED = 8 << 20

NOT_TOLD = "not told"
"""The size of a file whose server hides it."""

_UNIX = re.compile(r"[-l][-rwxsStTl]{9}\S*\s+\d+\s+\S+\s+\S+\s+(\d+)\s+\S+\s+\S+\s+\S+\s(.+)")
_DOS = re.compile(r"\d\d-\d\d-\d\d(?:\d\d)?\s+\d\d:\d\d(?:[AP]M)?\s+(\d+)\s(.+)")
_PASV = re.compile(r"\b(\d+,\d+,\d+,\d+),\d+,\d+")
_FACT = re.compile(r"(?:^|[ ;])size=(\d+);", re.IGNORECASE)


class FtpRemote(Remote):
    """A session over FTP."""

    ports = Ports.FTP
    protocols = pycurl.PROTO_FTP | pycurl.PROTO_FTPS

    def open(self) -> None:
        """Connect, secure the line and log in."""
        self._is_in = False
        try:
            self.run("login", *self._no_transfer())
        except Failed as failed:
            if failed.trouble.code != pycurl.E_PEER_FAILED_VERIFICATION:
                raise
            signer = signer_of(self.place, self.guard)
            raise Failed(replace(failed.trouble, issuer=signer)) from failed
        self._is_in = True

    def url(self, name: str) -> str:
        """Give the address of a file."""
        return self._server + ftp_path(name)

    def options(self) -> Iterator[tuple[int, Any]]:
        """Yield what FTP needs: whole paths, TLS for all or for nothing, passive data connections."""
        passive = self.place.passive
        yield pycurl.FTP_FILEMETHOD, pycurl.FTPMETHOD_NOCWD
        yield pycurl.FTP_USE_EPSV, int(passive == "auto")
        yield pycurl.FTP_SKIP_PASV_IP, int(passive != "pasv-address")
        if self.place.protocol != "ftp":
            yield pycurl.USE_SSL, pycurl.USESSL_ALL
            yield pycurl.FTPSSLAUTH, pycurl.FTPAUTH_TLS  # else AUTH SSL is asked first
            yield pycurl.OPT_CERTINFO, 1

    def size(self, name: str) -> int | str | None:
        """Give a file's size, None when there is none, NOT_TOLD when the server hides it."""
        code, text = self.attempt((pycurl.URL, self.url(name)), (pycurl.NOBODY, 1))
        if code == pycurl.E_REMOTE_FILE_NOT_FOUND:
            return None
        if code != pycurl.E_OK:
            raise Failed(self.trouble(code, text, "size"))
        found = int(self.info(pycurl.CONTENT_LENGTH_DOWNLOAD_T))
        return found if found >= 0 else self._listed_size(name)

    def rename(self, old: str, new: str) -> None:
        """Give a file another name."""
        self._command("rename", f"RNFR {old}", f"RNTO {new}")

    def remove(self, name: str) -> None:
        """Delete a file, if there is one."""
        self._command("delete", f"*DELE {name}")
        refusal = self.refusal()
        if refusal and self.size(name) not in {None, NOT_TOLD}:
            raise Failed(Trouble(stage="delete", code=pycurl.E_QUOTE_ERROR, text=refusal, reply=refusal))

    def make_folder(self, name: str) -> None:
        """Make a folder and those above it. That it could not be made shows when something is put there."""
        self._command("folder", *(f"*MKD {folder}" for folder in folders_above(name)))

    def has_folder(self, name: str) -> bool:
        """Say whether a folder can be entered."""
        self._command("folder", f"*CWD {name}")
        return not self.refusal()

    def stage(self, code: int, doing: str) -> str:
        """Read from the replies and from libcurl's times how far it had come."""
        if doing != "login":
            is_open = any(line.startswith(("227 ", "229 ")) for line in self.lines)
            is_moving = any(line.startswith(("150 ", "125 ", "150-", "125-")) for line in self.lines)
            # a refusal is one of the file itself: libcurl takes one to STOR for a bad answer to PASV
            return "data channel" if is_open and not is_moving and not self.refusal() else doing
        if code == pycurl.E_COULDNT_RESOLVE_HOST:
            return "DNS"
        if not self.info(pycurl.CONNECT_TIME):
            return "TCP"
        is_tls = self.place.protocol != "ftp" and not self.info(pycurl.APPCONNECT_TIME)
        if self.place.protocol == "ftps-implicit" and is_tls:
            return "TLS"
        if not self.lines:
            return "greeting"
        return "TLS" if is_tls else "login"

    def security(self) -> str:
        """Name the step that makes the line safe."""
        return "TLS"

    def security_words(self) -> str:
        """Name the certificate's issuer."""
        return f"certificate signed by {self._issuer()}"

    def data_steps(self) -> list[tuple[str, int, str]]:
        """Say where the data went, and which address the server named for it."""
        reply = next((line for line in self.lines if line.startswith(("227 ", "229 "))), "")
        named = _PASV.search(reply)
        words = "a second connection, for data, is open"
        if named and self.place.passive != "pasv-address":
            address = named[1].replace(",", ".")
            if address != self.info(pycurl.PRIMARY_IP):
                words += f"; the server names {address} for it, which is ignored"
        return [("data channel", round(self.info(pycurl.PRETRANSFER_TIME) * 1000), words)]

    def is_in(self) -> bool:
        """Say whether the login was taken."""
        return self._is_in or any(line.startswith(("230 ", "232 ")) for line in self.lines)

    def _issuer(self) -> str:
        for certificate in self.info(pycurl.INFO_CERTINFO) or ():
            for key, value in certificate:
                if key == "Issuer":
                    return str(value)
        return "a trusted authority"

    @property
    def _server(self) -> str:
        scheme = "ftps" if self.place.protocol == "ftps-implicit" else "ftp"
        return f"{scheme}://{self.place.host}:{self.place.port}"

    def _no_transfer(self) -> Iterator[tuple[int, Any]]:
        yield pycurl.URL, f"{self._server}/"
        yield pycurl.NOBODY, 1

    def _command(self, doing: str, *commands: str) -> None:
        self.run(doing, *self._no_transfer(), (pycurl.QUOTE, [command.encode() for command in commands]))

    def _listed_size(self, name: str) -> int | str | None:
        """Find a file's size without SIZE: the facts about it, else the listing of its folder."""
        self._command("size", f"*MLST {name}")
        facts = next((match for line in self.lines if (match := _FACT.search(line))), None)
        if facts:
            return int(facts[1])
        folder, _, last = name.rpartition("/")
        listing = bytearray()
        code, _ = self.attempt(
            (pycurl.URL, self.url(f"{folder}/") if folder.strip("/") else f"{self._server}/{'%2F' if folder else ''}"),
            (pycurl.WRITEFUNCTION, lambda more: listing.extend(more) if len(listing) < MOST_LISTED else None),
        )
        if code != pycurl.E_OK:
            return NOT_TOLD
        for line in listing.decode("utf-8", "replace").splitlines():
            match = _UNIX.match(line) or _DOS.match(line)
            if match and match[2].rpartition("/")[2] == last:
                return int(match[1])
        return NOT_TOLD if last.startswith(".") else None  # many servers list no hidden names
