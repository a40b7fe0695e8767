"""SFTP over libcurl. No key is taken that is not pinned."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pycurl

from exporters.guard import Guard, Ports
from exporters.transfer.names import folders_above, sftp_path, sftp_word
from exporters.transfer.place import Place, fingerprint
from exporters.transfer.remote import Failed, Remote
from exporters.transfer.wire import Trouble

KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
"""What a server is asked for in turn when the key it shows is not pinned: it may have several."""


class SftpRemote(Remote):
    """A session over SFTP."""

    ports = Ports.SFTP
    protocols = pycurl.PROTO_SFTP

    def __init__(self, place: Place, guard: Guard, told: Callable[[int], None]) -> None:
        super().__init__(place, guard, told)
        self._pinned = {key.fingerprint for key in place.host_keys}
        self._shown: str | None = None
        self._seen_types: set[str] = set()
        self._known_hosts = ""
        self._is_in = False
        self._key_file = _memory_file("key", place.private_key.encode()) if place.private_key else ""

    def open(self) -> None:
        """Connect, see the host key and log in. A server with several keys is asked for the pinned one."""
        types = {key.type for key in self.place.host_keys if key.type}
        if types and len(types) == len(self.place.host_keys):
            self._ask_for(*types)
        trouble = self._try_to_open()
        if trouble is not None and trouble.host_key and self._pinned:
            for kind in KEY_TYPES:
                if kind in self._seen_types:
                    continue
                self._ask_for(kind)
                again = self._try_to_open()
                if again is None:
                    return
                if again.host_key is None and again.stage == "login":
                    trouble = again  # the pinned key, but no login
                    break
        if trouble is not None:
            raise Failed(trouble)

    def url(self, name: str) -> str:
        """Give the address of a file."""
        return self._server + sftp_path(name)

    def options(self) -> Iterator[tuple[int, Any]]:
        """Yield what SFTP needs: the pinned keys, and only the ways to log in that are set."""
        yield pycurl.SSH_HOSTKEYFUNCTION, self._on_host_key
        if self._known_hosts:
            yield pycurl.SSH_KNOWNHOSTS, self._known_hosts
        ways = pycurl.SSH_AUTH_NONE
        if self._key_file:
            ways |= pycurl.SSH_AUTH_PUBLICKEY
            yield pycurl.SSH_PRIVATE_KEYFILE, self._key_file
        if self.place.password is not None:
            ways |= pycurl.SSH_AUTH_PASSWORD | pycurl.SSH_AUTH_KEYBOARD
        yield pycurl.SSH_AUTH_TYPES, ways

    def success(self, text: str) -> tuple[int, str]:
        """Disbelieve libcurl: a connection that is cut while a file is opened is a success to it, of unknown size."""
        return (int(pycurl.E_SSH), text) if text.startswith("Could not open") else (int(pycurl.E_OK), "")

    def size(self, name: str) -> int | None:
        """Give a file's size, None when there is none."""
        code, text = self.attempt((pycurl.URL, self.url(name)), (pycurl.NOBODY, 1))
        if code == pycurl.E_REMOTE_FILE_NOT_FOUND:
            return None
        if code != pycurl.E_OK:
            raise Failed(self.trouble(code, text, "size"))
        return max(0, int(self.info(pycurl.CONTENT_LENGTH_DOWNLOAD_T)))  # libcurl takes 0 for unknown

    def rename(self, old: str, new: str) -> None:
        """Give a file another name."""
        self._command("rename", f"rename {sftp_word(old)} {sftp_word(new)}")

    def remove(self, name: str) -> None:
        """Delete a file, if there is one."""
        self._command("delete", f"*rm {sftp_word(name)}")
        if self.size(name) is not None:
            raise Failed(Trouble(stage="delete", code=pycurl.E_QUOTE_ERROR, text="the server does not delete it"))

    def make_folder(self, name: str) -> None:
        """Make a folder and those above it. That it could not be made shows when something is put there."""
        self._command("folder", *(f"*mkdir {sftp_word(folder)}" for folder in folders_above(name)))

    def has_folder(self, name: str) -> bool:
        """Say whether a folder is there."""
        code, _ = self.attempt((pycurl.URL, self.url(name)), (pycurl.NOBODY, 1))
        return bool(code == pycurl.E_OK)

    def stage(self, code: int, doing: str) -> str:
        """Read from libcurl's times and from the host key how far it had come."""
        if doing != "login":
            return doing
        if code == pycurl.E_COULDNT_RESOLVE_HOST:
            return "DNS"
        if not self.info(pycurl.CONNECT_TIME):
            return "TCP"
        return "login" if self._shown in self._pinned else "host key"

    def security(self) -> str:
        """Name the step that makes the line safe."""
        return "host key"

    def security_words(self) -> str:
        """Name the key."""
        return self._shown or ""

    def is_in(self) -> bool:
        """Say whether the login was taken."""
        return self._is_in

    @property
    def _server(self) -> str:
        return f"sftp://{self.place.host}:{self.place.port}"

    def _try_to_open(self) -> Trouble | None:
        self._shown = None
        code, text = self.attempt((pycurl.URL, f"{self._server}/~/"), (pycurl.NOBODY, 1), (pycurl.QUOTE, ["pwd"]))
        if code == pycurl.E_OK:
            self._is_in = True
            return None
        return replace(self.trouble(code, text, "login"), host_key=self._strange_key())

    def _strange_key(self) -> str | None:
        return None if self._shown in self._pinned else self._shown

    def _ask_for(self, *kinds: str) -> None:
        """Have the next connection ask for host keys of these types: libcurl asks for those it finds in a list."""
        lines = "".join(
            f"[{self.place.host.strip('[]')}]:{self.place.port} {kind} {_stand_in(kind)}\n" for kind in kinds
        )
        self._known_hosts = _memory_file("hosts", lines.encode())

    def _on_host_key(self, _kind: int, key: bytes) -> int:
        """Say 0 for a pinned key, else stop before anything is sent."""
        self._shown = fingerprint(key)
        self._seen_types.add(_type_of(key))
        return int(pycurl.KHMATCH_OK if self._shown in self._pinned else pycurl.KHMATCH_MISMATCH)

    def _command(self, doing: str, *commands: str) -> None:
        self.run(
            doing,
            (pycurl.URL, f"{self._server}/~/"),
            (pycurl.NOBODY, 1),
            (pycurl.QUOTE, [command.encode() for command in commands]),
        )


def _type_of(key: bytes) -> str:
    length = int.from_bytes(key[:4], "big")
    return key[4 : 4 + length].decode("ascii", "replace")


def _stand_in(kind: str) -> str:
    """Write a key that no server has: only its type is looked at."""
    name = kind.encode()
    return b64encode(len(name).to_bytes(4, "big") + name + bytes(36)).decode()


def _memory_file(name: str, content: bytes) -> str:
    """Give the path of a file that exists in memory alone, for what libcurl takes from files only."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    os.write(fd, content)
    return f"/proc/self/fd/{fd}"
