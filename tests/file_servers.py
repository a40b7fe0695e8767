"""Real file servers on loopback for tests of uploads: vsftpd, ProFTPD and OpenSSH, each with a folder and a log of its own.

    with Vsftpd(folder, authority) as server:
        server.settings()           # FtpSettings that lead there
        server.root                 # what the login sees, as a folder here
        server.log()                # what the server says it saw

`tests/install_servers.sh` fetches them. Where one is missing its tests are skipped with that reason; in CI they fail.
The one that misbehaves is in tests/bad_ftp.py.
"""

from __future__ import annotations

import base64
import grp
import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from exporters.ftp_settings import FtpSettings
from exporters.transfer.place import fingerprint
from tests.unpacked import UnpackedServer

USER = "anonymous"
PASSWORD = "p4ss-of-tests"


class FileServer(UnpackedServer):
    """What all of them share besides: a folder that the login sees, and settings that lead there."""

    protocol: ClassVar[str]
    user: ClassVar[str] = USER

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.root = folder / "root"

    def __enter__(self) -> Self:
        (self.root / "in").mkdir(parents=True, exist_ok=True)
        return super().__enter__()

    def settings(self, **more: object) -> FtpSettings:
        """Give settings that lead here; keys as in the document."""
        return FtpSettings.model_validate(self.document(**more))

    def document(self, **more: object) -> dict[str, Any]:
        """Give the same as a profile document has it."""
        own = {"protocol": self.protocol, "host": "127.0.0.1", "port": self.port, "user": self.user, "folder": "in"}
        return {**own, "timeoutSeconds": 10, **self.secrets(), **more}

    def secrets(self) -> dict[str, Any]:
        """Give what logs in."""
        return {"password": PASSWORD}

    def names(self, folder: str = "in") -> list[str]:
        """List what is there, hidden names too."""
        return sorted(path.name for path in (self.root / folder).iterdir())


class Vsftpd(FileServer):
    """Vsftpd with explicit TLS, which refuses data connections that do not resume the TLS session."""

    program = "vsftpd"
    protocol = "ftps"

    def __init__(
        self, folder: Path, authority: trustme.CA, *, host: str = "127.0.0.1", more: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(folder)
        self._authority = authority
        self._host = host
        self._more = more or {}

    def set_up(self) -> list[str]:
        """Let `anonymous` in with one password, without PAM."""
        _write_certificate(self._authority, self._host, self.folder / "tls.pem")
        (self.folder / "passwords").write_text(f"{PASSWORD}\n")
        lines: dict[str, object] = {
            "listen": "YES", "listen_address": "127.0.0.1", "listen_port": self.port, "background": "NO",
            "run_as_launching_user": "YES", "anonymous_enable": "YES", "local_enable": "NO",
            "secure_email_list_enable": "YES", "email_password_file": self.folder / "passwords",
            "ftp_username": _owner().pw_name, "anon_root": self.root, "write_enable": "YES", "anon_upload_enable": "YES", "anon_mkdir_write_enable": "YES",
            "anon_other_write_enable": "YES", "anon_world_readable_only": "NO", "anon_umask": "022",
            "ssl_enable": "YES", "allow_anon_ssl": "YES", "force_anon_logins_ssl": "YES", "force_anon_data_ssl": "YES",
            "require_ssl_reuse": "YES", "ssl_ciphers": "HIGH",
            "rsa_cert_file": self.folder / "tls.pem", "vsftpd_log_file": self.folder / "server.log", "log_ftp_protocol": "YES",
            "xferlog_enable": "YES", "syslog_enable": "NO", "seccomp_sandbox": "NO", "max_login_fails": 1,
            **self._more,
        }  # fmt: skip
        (self.folder / "vsftpd.conf").write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        return [self.path, str(self.folder / "vsftpd.conf")]

    def secrets(self) -> dict[str, Any]:
        """Give the password, and the authority that the certificate needs."""
        return {"password": PASSWORD, "caCertificate": pem_of(self._authority)}


class ProFtpd(FileServer):
    """ProFTPD with mod_tls, which demands session reuse and refuses to write over files. sftp: mod_sftp instead."""

    program = "proftpd"
    protocol = "ftps"
    user = "tester"

    def __init__(self, folder: Path, authority: trustme.CA, *, sftp: bool = False, more: Sequence[str] = ()) -> None:
        super().__init__(folder)
        self._authority = authority
        self._is_sftp = sftp
        self._more = more

    def set_up(self) -> list[str]:
        """Let one user in, with a password file of its own."""
        _write_certificate(self._authority, "127.0.0.1", self.folder / "tls.pem")
        owner = _owner()
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", PASSWORD], check=True, capture_output=True, text=True
        ).stdout.strip()
        (self.folder / "passwd").write_text(
            f"{self.user}:{hashed}:{owner.pw_uid}:{owner.pw_gid}::{self.root}:/bin/false\n"
        )
        (self.folder / "passwd").chmod(0o600)
        (self.folder / "group").write_text(f"testers:x:{owner.pw_gid}:\n")
        (self.folder / "group").chmod(0o600)
        lines = [
            f"ModulePath {_modules_of(self.path)}",
            "LoadModule mod_sftp.c" if self._is_sftp else "LoadModule mod_tls.c",
            "ServerType standalone", "ServerName test", "DefaultServer on", "UseIPv6 off", "UseReverseDNS off",
            f"DefaultAddress 127.0.0.1\nPort {self.port}", f"User {owner.pw_name}\nGroup {grp.getgrgid(owner.pw_gid).gr_name}", "WtmpLog off",
            f"PidFile {self.folder}/pid", f"ScoreboardFile {self.folder}/scoreboard", "DelayEngine off",
            f"SystemLog {self.folder}/server.log", "AuthOrder mod_auth_file.c", f"AuthUserFile {self.folder}/passwd",
            f"AuthGroupFile {self.folder}/group", "RequireValidShell off", "AllowStoreRestart off", "MaxLoginAttempts 1",
            f"ExtendedLog {self.folder}/commands.log ALL", "SocketBindTight on", *self._protocol(), *self._more,
        ]  # fmt: skip
        (self.folder / "proftpd.conf").write_text("\n".join(lines) + "\n")
        return [self.path, "-n", "-c", str(self.folder / "proftpd.conf")]

    def _protocol(self) -> list[str]:
        if self._is_sftp:
            key = write_key(self.folder / "host_key", rsa.generate_private_key(65537, 2048), form="openssh")
            return [
                "SFTPEngine on",
                f"SFTPHostKey {key}",
                f"SFTPLog {self.folder}/sftp.log",
                "SFTPAuthMethods password",
            ]
        tls = self.folder / "tls.pem"
        return ["TLSEngine on", "TLSRequired on", "TLSProtocol TLSv1.2 TLSv1.3", "TLSVerifyClient off",
                f"TLSRSACertificateFile {tls}", f"TLSRSACertificateKeyFile {tls}", f"TLSLog {self.folder}/tls.log"]  # fmt: skip

    def document(self, **more: object) -> dict[str, Any]:
        """Give the settings' keys; over SFTP with the host's key."""
        if not self._is_sftp:
            return super().document(**more)
        pinned = {"protocol": "sftp", "hostKeys": fingerprint_of(self.folder / "host_key.pub")}
        return super().document(**pinned, **more)

    def secrets(self) -> dict[str, Any]:
        """Give the password, and the authority that the certificate needs."""
        return {"password": PASSWORD} | ({} if self._is_sftp else {"caCertificate": pem_of(self._authority)})

    def log(self) -> str:
        """Give the commands too."""
        commands = self.folder / "commands.log"
        return super().log() + (commands.read_text(errors="replace") if commands.exists() else "")


class OpenSsh(FileServer):
    """OpenSSH with internal-sftp; lets its own user in with a key."""

    program = "sshd"
    protocol = "sftp"

    def __init__(self, folder: Path, *, host_keys: Sequence[str] = ("ed25519",), more: Sequence[str] = ()) -> None:
        super().__init__(folder)
        self.host_keys = host_keys
        self._more = more

    @property
    def user(self) -> str:  # type: ignore[override]
        """The user that the server runs as: without root it can let nobody else in."""
        return _owner().pw_name

    def set_up(self) -> list[str]:
        """Make host keys and a user's key."""
        for kind in self.host_keys:
            if not (self.folder / f"host_{kind}").exists():
                write_key(self.folder / f"host_{kind}", MAKE_KEY[kind](), form="openssh")
        if not (self.folder / "user_key").exists():
            write_key(self.folder / "user_key", ed25519.Ed25519PrivateKey.generate(), form="openssh")
        shutil.copy(self.folder / "user_key.pub", self.folder / "authorized_keys")
        lines = [
            f"Port {self.port}", "ListenAddress 127.0.0.1", *(f"HostKey {self.folder}/host_{kind}" for kind in self.host_keys),
            f"AuthorizedKeysFile {self.folder}/authorized_keys", "StrictModes no", "UsePAM no", "PasswordAuthentication no",
            f"Subsystem sftp internal-sftp -d {self.root} -l INFO", "ForceCommand internal-sftp -d " + str(self.root),
            f"PidFile {self.folder}/pid", "LogLevel VERBOSE", "UseDNS no", "MaxStartups 100", *self._more,
        ]  # fmt: skip
        (self.folder / "sshd_config").write_text("\n".join(lines) + "\n")
        return [self.path, "-D", "-e", "-f", str(self.folder / "sshd_config")]

    def secrets(self) -> dict[str, Any]:
        """Give the user's key and the host's fingerprints."""
        prints = [fingerprint_of(self.folder / f"host_{kind}.pub") for kind in self.host_keys]
        return {"privateKey": (self.folder / "user_key").read_text(), "hostKeys": "\n".join(prints)}


def pem_of(authority: trustme.CA) -> str:
    """Give the authority's certificate."""
    return authority.cert_pem.bytes().decode()


def fingerprint_of(public_key: Path) -> str:
    """Give "SHA256:..." of a .pub file."""
    return fingerprint(base64.b64decode(public_key.read_text().split()[1]))


def write_key(path: Path, key: Any, *, form: str = "openssh", passphrase: str | None = None) -> Path:
    """Write a private key, and its public half beside it."""
    forms = {"openssh": serialization.PrivateFormat.OpenSSH, "pem": serialization.PrivateFormat.TraditionalOpenSSL,
             "pkcs8": serialization.PrivateFormat.PKCS8}  # fmt: skip
    lock = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, forms[form], lock))
    path.chmod(0o600)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    path.with_name(path.name + ".pub").write_bytes(public + b" test\n")
    return path


MAKE_KEY: dict[str, Any] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 3072),
}


def _modules_of(proftpd: str) -> Path:
    return Path(proftpd).parent.parent / "lib" / "proftpd"


def _owner() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def _write_certificate(authority: trustme.CA, host: str, path: Path) -> None:
    issued = authority.issue_cert(host)
    path.write_bytes(b"".join(blob.bytes() for blob in (issued.private_key_pem, *issued.cert_chain_pems)))
