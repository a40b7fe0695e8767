"""The settings of an FTP profile: all of a CSV profile's, and the way to the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from exporters.base import SettingsFault
from exporters.csv_settings import DELIVERY, CsvSettings, Preset
from exporters.errors import BadAddress, BadSettings
from exporters.fields import Labels, Mark, OnlyWith
from exporters.guard import Ports
from exporters.headers import CONTROL
from exporters.transfer import Place, parse_certificates, parse_host, parse_host_keys
from exporters.transfer.keys import BadPassphrase, plain_key
from exporters.transfer.place import Passive, Protocol, TlsMax

PORTS: dict[str, int] = {"sftp": 22, "ftps": 21, "ftps-implicit": 990, "ftp": 21}
"""The usual port of each protocol."""

_SSH = OnlyWith("protocol", ("sftp",))
_TLS = OnlyWith("protocol", ("ftps", "ftps-implicit"))
_FTP = OnlyWith("protocol", ("ftps", "ftps-implicit", "ftp"))

TempName = Literal["dot", "suffix", "none"]
Overwrite = Literal["refuse", "suffix", "replace"]
Verify = Literal["size", "readback", "none"]


class FtpSettings(CsvSettings):
    """What an FTP profile sets, beside its mappings."""

    preset: Annotated[Preset, *CsvSettings.model_fields["preset"].metadata] = Field(
        default="standard",
        title="Preset",
        description="Fills the settings that are not given. Programs read Standard best.",
    )
    protocol: Annotated[
        Protocol,
        DELIVERY,
        Mark.FORGETS_SECRETS,
        Labels(
            {
                "sftp": "SFTP (over SSH)",
                "ftps": "FTPS (explicit TLS)",
                "ftps-implicit": "FTPS (implicit TLS)",
                "ftp": "FTP: password and data in clear text",
            }
        ),
    ] = Field(default="sftp", title="Protocol", description="FTP sends password and data in clear text.")
    host: Annotated[str, DELIVERY, Mark.FORGETS_SECRETS, Mark.DIALLED] = Field(
        title="Server", description="The name only, such as files.example.com.", min_length=1, max_length=253
    )
    port: Annotated[int, DELIVERY, Mark.FORGETS_SECRETS] = Field(
        default=None,  # type: ignore[assignment]  # filled by the protocol before it is looked at
        title="Port",
        description="Empty: 22 for SFTP, 21 for FTP and explicit FTPS, 990 for implicit FTPS.",
        ge=1,
        le=65535,
    )
    user: Annotated[str, DELIVERY, Mark.FORGETS_SECRETS] = Field(title="User", min_length=1, max_length=200)
    private_key: Annotated[SecretStr | None, DELIVERY, Mark.TEXT_AREA, _SSH] = Field(
        default=None, title="Private key", description="For SFTP: OpenSSH or PEM. This or a password.", max_length=16384
    )
    key_passphrase: Annotated[SecretStr | None, DELIVERY, _SSH] = Field(
        default=None, title="Passphrase of the key", max_length=1000
    )
    password: Annotated[SecretStr | None, DELIVERY] = Field(
        default=None, title="Password", max_length=1000, validate_default=True
    )
    host_keys: Annotated[str | None, DELIVERY, Mark.TEXT_AREA, _SSH] = Field(
        default=None,
        title="Host keys",
        description="For SFTP, one a line: SHA256:... or a line of known_hosts. Without one of them nothing is sent.",
        max_length=16384,
    )
    ca_certificate: Annotated[str | None, DELIVERY, Mark.TEXT_AREA, _TLS] = Field(
        default=None,
        title="CA certificate",
        description="For FTPS: PEM, when no public authority has signed the server's certificate. Only this one is then trusted.",
        max_length=65536,
    )
    tls_max: Annotated[TlsMax, DELIVERY, _TLS, Labels({"auto": "the newest", "1.2": "TLS 1.2, for old servers"})] = (
        Field(default="auto", title="TLS at most")
    )
    passive: Annotated[
        Passive,
        DELIVERY,
        _FTP,
        Labels(
            {"auto": "EPSV, then PASV", "pasv": "PASV only", "pasv-address": "PASV, to the address the server names"}
        ),
    ] = Field(
        default="auto",
        title="Data connections",
        description="The address in a PASV answer is ignored, as it is often a private one.",
    )
    folder: Annotated[str, DELIVERY] = Field(
        default="",
        title="Folder",
        description="/... from the root, else from the login's folder. Placeholders as in the file name.",
        max_length=500,
    )
    create_folder: Annotated[bool, DELIVERY] = Field(
        default=False, title="Make the folder", description="When it is missing, with those above it."
    )
    temp_name: Annotated[
        TempName,
        DELIVERY,
        Labels({"dot": ".NAME....part", "suffix": "NAME....part", "none": "none: half files may be picked up"}),
    ] = Field(
        default="dot",
        title="Name while it is sent",
        description="Renamed when it has arrived whole. None: half files may be picked up.",
    )
    overwrite: Annotated[
        Overwrite,
        DELIVERY,
        Labels({"refuse": "leave it, ask a person", "suffix": "send as NAME-2", "replace": "replace it"}),
    ] = Field(
        default="refuse",
        title="When the name is there already",
        description="Replace: on SFTP there is no file for a moment.",
    )
    verify: Annotated[
        Verify,
        DELIVERY,
        Labels({"size": "by its size", "readback": "by reading it back", "none": "not at all"}),
    ] = Field(
        default="size", title="Check what arrived", description="Not at all: for boxes that show nothing of what is in."
    )
    timeout_seconds: Annotated[int, DELIVERY] = Field(
        default=60,
        title="Time limit (seconds)",
        description="Without a byte moved. A whole upload may take 6 hours.",
        ge=10,
        le=600,
    )

    @classmethod
    def origin_of(cls, given: Mapping[str, object]) -> str:
        """Return protocol, user, host and port, as in "sftp://user@files.example.com:22"."""
        protocol, host, port = _target(given)
        user = given.get("user")
        if not isinstance(user, str) or not user:
            raise BadSettings("Give the user.")
        return f"{protocol}://{quote(user, safe='')}@{host}:{port}"

    @classmethod
    def dialled(cls, given: Mapping[str, object]) -> tuple[str, int, Ports] | None:
        """Return host and port of the server."""
        try:
            protocol, host, port = _target(given)
        except BadSettings:
            return None  # told when the settings are read
        return host, port, Ports.SFTP if protocol == "sftp" else Ports.FTP

    def lacks(self) -> Iterator[SettingsFault]:
        """Yield the missing host key: without one no SFTP server is logged in to."""
        if self.protocol == "sftp" and self.host_keys is None:
            message = "The server's key is not known yet: test the connection, compare the key and trust it."
            yield SettingsFault("hostKeys", message)

    def mistakes(self) -> Iterator[SettingsFault]:
        """Yield a private key that cannot be read, or a passphrase that does not open it."""
        if self.protocol != "sftp" or self.private_key is None:
            return
        try:
            plain_key(self.private_key.get_secret_value(), _opened(self.key_passphrase))
        except BadPassphrase as error:
            yield SettingsFault("keyPassphrase", f"{_sentence(error)} Give the passphrase of this very key.")
        except BadSettings as error:
            yield SettingsFault("privateKey", f"{_sentence(error)} Paste the whole file of the key.")

    @property
    def place(self) -> Place:
        """Where the files go."""
        return Place(
            protocol=self.protocol,
            host=self.host,
            port=self.port,
            user=self.user,
            password=_opened(self.password),
            private_key=_opened(self.private_key),
            key_passphrase=_opened(self.key_passphrase),
            passive=self.passive,
            ca_certificate=self.ca_certificate,
            tls_max=self.tls_max,
            host_keys=parse_host_keys(self.host_keys or ""),
            timeout_seconds=self.timeout_seconds,
        )

    @model_validator(mode="before")
    @classmethod
    def _fill_port(cls, given: Any) -> Any:
        """Take the protocol's usual port when none is given."""
        if not isinstance(given, Mapping) or given.get("port") is not None:
            return given
        protocol = given.get("protocol", "sftp")
        return {**given, "port": PORTS.get(protocol if isinstance(protocol, str) else "", 22)}

    @field_validator("port", mode="before")
    @classmethod
    def _is_number(cls, port: object) -> object:
        if isinstance(port, bool):
            raise ValueError("Give a whole number.")  # noqa: TRY004 -- pydantic hangs only a ValueError on its field
        return port

    @field_validator("host")
    @classmethod
    def _is_host(cls, host: str) -> str:
        return parse_host(host)

    @field_validator("user", "password", "key_passphrase")
    @classmethod
    def _is_one_line(cls, text: str | SecretStr | None) -> str | SecretStr | None:
        plain = text.get_secret_value() if isinstance(text, SecretStr) else text
        if plain and CONTROL.search(plain):
            raise ValueError("It must not hold line breaks or other control characters.")
        return text

    @field_validator("private_key")
    @classmethod
    def _is_private_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is None or not key.get_secret_value().strip():
            return None
        text = "\n".join(line.strip() for line in key.get_secret_value().strip().splitlines()) + "\n"
        if text.startswith("PuTTY"):
            raise ValueError("This is PuTTY's form: export it as an OpenSSH key in PuTTYgen.")
        if not text.startswith("-----BEGIN ") or "PRIVATE KEY-----\n" not in text or "\n-----END " not in text:
            raise ValueError("This is no private key (-----BEGIN ... PRIVATE KEY-----).")
        return SecretStr(text)

    @field_validator("password")
    @classmethod
    def _can_log_in(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if password is not None and not password.get_secret_value():
            password = None
        if password is not None or not {"protocol", "private_key"} <= info.data.keys():
            return password
        if info.data["protocol"] != "sftp":
            raise ValueError("Give the password.")
        if info.data["private_key"] is None:
            raise ValueError("Give a password or a private key.")
        return None

    @field_validator("host_keys")
    @classmethod
    def _are_host_keys(cls, text: str | None) -> str | None:
        return text.strip() if text and parse_host_keys(text) else None

    @field_validator("ca_certificate")
    @classmethod
    def _is_certificate(cls, pem: str | None) -> str | None:
        return None if pem is None or not pem.strip() else parse_certificates(pem)

    @field_validator("folder")
    @classmethod
    def _is_folder(cls, folder: str) -> str:
        folder = folder.strip(" ")
        if CONTROL.search(folder) or "\\" in folder:
            raise ValueError("A folder holds no control characters; write / between its parts.")
        if ".." in folder.split("/"):
            raise ValueError("A folder must not lead upwards with two dots.")
        return folder


def _target(given: Mapping[str, object]) -> tuple[str, str, int]:
    """Read protocol, host and port as the model would. Raises BadSettings."""
    protocol, host, port = given.get("protocol", "sftp"), given.get("host"), given.get("port")
    if not isinstance(protocol, str) or protocol not in PORTS:
        raise BadSettings("Give the protocol: sftp, ftps, ftps-implicit or ftp.")
    if not isinstance(host, str) or not host.strip(" "):
        raise BadAddress("Give the server.")
    if port is None:
        port = PORTS[protocol]
    elif (isinstance(port, str) and port.strip().isdecimal()) or (isinstance(port, float) and port.is_integer()):
        port = int(port)
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
        raise BadSettings("Give a port from 1 to 65535.")
    return protocol, parse_host(host), port


def _sentence(error: BadSettings) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _opened(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
