"""The settings of a postback profile: the one description of its form, its document and its limits."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

import re2
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
    field_validator,
)  # fmt: skip
from pydantic.alias_generators import to_camel

from exporters.base import Settings
from exporters.errors import BadAddress
from exporters.fields import Mark
from exporters.guard import Ports
from exporters.json_path import parse_path
from exporters.transfer import origin, parse_certificates, parse_url

Scalar = StrictStr | StrictBool | StrictInt | StrictFloat | Decimal | None


class _Rule(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )


class Contains(_Rule):
    """The answer holds this text."""

    contains: str = Field(title="Text", description="The answer must hold this text; case counts.", min_length=1)


class Regex(_Rule):
    """The answer matches somewhere."""

    regex: str = Field(
        title="Regular expression", description="RE2 syntax: no look-around, no back references.", min_length=1
    )

    @field_validator("regex")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        compile_pattern(pattern)
        return pattern


class JsonEquals(_Rule):
    """The answer is JSON and holds this value at this path."""

    json_path: str = Field(title="JSON path", description="Such as result.ok or items[0].id.")
    equals: Scalar = Field(title="Equals", description="Text, number, true, false or null; the type counts.")

    @field_validator("json_path")
    @classmethod
    def _is_path(cls, path: str) -> str:
        parse_path(path)
        return path


def _which(rule: Any) -> str:
    """Name the kind of rule by the key it has, so that one message tells what is wrong with it."""
    keys = rule if isinstance(rule, dict) else vars(rule) if isinstance(rule, _Rule) else {}
    if "contains" in keys:
        return "contains"
    return "regex" if "regex" in keys else "jsonPath"


SuccessBody = Annotated[
    Annotated[Contains, Tag("contains")] | Annotated[Regex, Tag("regex")] | Annotated[JsonEquals, Tag("jsonPath")],
    Discriminator(_which),
]


class PostbackSettings(Settings):
    """What a postback profile sets, beside its mappings."""

    url: Annotated[str, Mark.FORGETS_SECRETS, Mark.DIALLED] = Field(
        title="Postback URL", description="Where the request goes. Its own query stays as it is.", max_length=8000
    )
    timeout_seconds: int = Field(
        default=30, title="Time limit (seconds)", description="For the whole request and answer.", ge=1, le=120
    )
    max_in_flight: int = Field(
        default=32,
        title="At most at once",
        description="Requests under way at the same time, over all workers.",
        ge=1,
        le=1000,
    )
    rate_per_second: float | None = Field(
        default=None, title="At most per second", description="Empty: no limit.", ge=0.1, le=10000, allow_inf_nan=False
    )
    success_body: SuccessBody | None = Field(
        default=None,
        title="Success needs",
        description="For receivers that answer 2xx and say no in the body: what it must hold.",
    )
    retry_first_seconds: int = Field(
        default=15, title="First retry after (seconds)", description="About; it doubles from try to try.", ge=1, le=3600
    )
    retry_cap_seconds: int = Field(
        default=3600, title="Longest wait between tries (seconds)", description="There is no last try.", ge=1, le=86400
    )
    signing_secret: SecretStr | None = Field(
        default=None,
        title="Signing secret",
        description="whsec_ and base64 of 24 to 64 bytes: signs each request (Standard Webhooks). While you change it,"
        " give both, with a space between.",
    )
    idempotency_key: bool = Field(
        default=False, title="Send Idempotency-Key", description="The same value as webhook-id, the same in every try."
    )
    ca_certificate: Annotated[str | None, Mark.TEXT_AREA] = Field(
        default=None,
        title="CA certificate",
        description="PEM, for receivers whose certificate no public authority has signed. It is then the only one trusted here.",
        max_length=65536,
    )

    @classmethod
    def origin_of(cls, given: Mapping[str, object]) -> str:
        """Return scheme, host and port of the URL."""
        url = given.get("url")
        if not isinstance(url, str):
            raise BadAddress("Give the URL as a text.")
        return origin(url)

    @classmethod
    def dialled(cls, given: Mapping[str, object]) -> tuple[str, int, Ports] | None:
        """Return host and port of the URL."""
        try:
            host, _, port = cls.origin_of(given).partition("://")[2].rpartition(":")
        except BadAddress:
            return None  # told when the settings are read
        return host, int(port), Ports.WEB

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        return parse_url(url)

    @field_validator("signing_secret")
    @classmethod
    def _is_signing_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            signing_keys(secret)
        return secret

    @field_validator("ca_certificate")
    @classmethod
    def _is_certificate(cls, pem: str | None) -> str | None:
        return None if pem is None or not pem.strip() else parse_certificates(pem)


def compile_pattern(pattern: str) -> Any:
    """Compile with RE2, whose time is bounded whatever the pattern. Raises ValueError with a sentence."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"This is no RE2 regular expression (no look-around, no back references): {reason}") from error


def signing_keys(secret: SecretStr) -> tuple[bytes, ...]:
    """Return the one or two keys of a signing secret. Raises ValueError with a sentence that does not repeat it."""
    words = secret.get_secret_value().split(" ")
    if len(words) > 2:
        raise ValueError("Give one signing secret, or two with one space between.")
    return tuple(_key(word) for word in words)


def _key(word: str) -> bytes:
    try:
        key = b64decode(word.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not re.match("whsec_", word) or not 24 <= len(key) <= 64:
        raise ValueError("A signing secret is whsec_ followed by base64 of 24 to 64 bytes.")
    return key
