"""Every setting, typed and frozen, read from the environment once at start. `.env.example` lists the same names."""

from __future__ import annotations

import os
import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.fernet import Fernet

from exporters.guard import parse_allowances


class ConfigError(Exception):
    """A setting is missing or cannot be used. Says which one and what to do."""


def _database_url(text: str) -> str:
    """Give SQLAlchemy's form of a Postgres URL; hosts still hand out `postgres://`."""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise ValueError("must begin with postgresql://")
    return f"postgresql+psycopg://{rest}"


def _redis_url(text: str) -> str:
    if not text.startswith(("redis://", "rediss://")):
        raise ValueError("must begin with redis:// or rediss://")
    return text


def _secret_key(text: str) -> str:
    if len(text) < 32:
        raise ValueError("must have at least 32 characters; make one with `openssl rand -hex 32`")
    return text


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _encryption_keys(text: str) -> tuple[str, ...]:
    keys = _listed(text)
    if not keys:
        raise ValueError("must hold at least one Fernet key")
    for key in keys:
        try:
            Fernet(key)
        except ValueError as error:
            raise ValueError("each key must be a Fernet key: 32 bytes in URL-safe base64") from error
    return keys


def _time_zone(text: str) -> str:
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("is no IANA time zone, such as Europe/Berlin") from error
    return text


def _egress_allow(text: str) -> str:
    try:
        parse_allowances(text)
    except ValueError as error:
        raise ValueError(str(error).removeprefix("EGRESS_ALLOW: ")) from error
    return text


_HOST = re.compile(r"\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*")


def _hosts(text: str) -> tuple[str, ...]:
    names = tuple(name.lower() for name in _listed(text))
    for name in names:
        if not _HOST.fullmatch(name):
            raise ValueError(f'"{name}" is no host name: give it as in export.example.com, without scheme and port')
    return names


_FIELD = re.compile(r"order(\.[^.\[\],*]+(\[\])?)+")


def _order_fields(text: str) -> frozenset[str]:
    """Read paths as a refusal names them, `order` left out: that is how the scan names them."""
    paths = _listed(text)
    for path in paths:
        if not _FIELD.fullmatch(path):
            raise ValueError(f'"{path}" is no field: name it as order.trackingNumber or order.items[].serial')
    return frozenset(path.removeprefix("order.") for path in paths)


def _count(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return read


def _yes_or_no(text: str) -> bool:
    if text.lower() not in {"yes", "no"}:
        raise ValueError("must be yes or no")
    return text.lower() == "yes"


def _setting(sentence: str, read: Callable[[str], Any], default: str | None = None) -> Any:
    return field(metadata={"sentence": sentence, "read": read, "default": default})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings. `from_env` raises ConfigError with one sentence that names the variable."""

    database_url: str = _setting("Postgres 17 or newer; postgres:// works, too.", _database_url)
    redis_url: str = _setting("Redis or Valkey: the doorbell; it may lose anything.", _redis_url)
    secret_key: str = _setting("Signs sessions and forms; 32 characters or more.", _secret_key)
    encryption_keys: tuple[str, ...] = _setting(
        "Fernet keys, comma-separated: the first seals stored secrets, all open them.", _encryption_keys
    )
    port: int = _setting("The port the web process listens on.", _count(1, 65535), "5000")
    web_concurrency: int = _setting("How many web processes.", _count(1, 64), "2")
    worker_processes: int = _setting("How many processes send postbacks at once.", _count(1, 64), "2")
    database_pooled: bool = _setting(
        "yes: between Waybill and Postgres stands PgBouncer, or one like it, that lends connections by the transaction.",
        _yes_or_no,
        "no",
    )
    account_time_zone: str = _setting("The zone of times that come without an offset.", _time_zone, "UTC")
    egress_allow: str = _setting(
        "Private targets that may be dialled: comma-separated CIDR or CIDR:port, e.g. 10.1.2.0/24:443.",
        _egress_allow,
        "",
    )
    proxy_hops: int = _setting(
        "How many proxies of yours stand before the web process: so many entries of X-Forwarded-For are believed.",
        _count(0, 9),
        "0",
    )
    trusted_hosts: tuple[str, ...] = _setting(
        "Names under which Waybill is called, comma-separated; other hosts are refused. Empty: any.", _hosts, ""
    )
    card_scan_exempt: frozenset[str] = _setting(
        "Fields that may look like a card number by chance, comma-separated, e.g. order.trackingNumber.",
        _order_fields,
        "",
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Config:
        """Read every setting. Raises ConfigError at the first that is missing or wrong."""
        if environ.get("FLASK_DEBUG", "0").lower() not in {"", "0", "false", "no"}:
            # Its console runs what a browser sends it, and the web process listens on all addresses.
            raise ConfigError("FLASK_DEBUG is on. Waybill does not start with it: errors would show their insides.")
        values: dict[str, Any] = {}
        for name, spec in cls.__dataclass_fields__.items():
            variable = name.upper()
            text = environ.get(variable) or spec.metadata["default"]
            if text is None:
                raise ConfigError(f"{variable} is not set. {spec.metadata['sentence']}")
            try:
                values[name] = spec.metadata["read"](text)
            except ValueError as error:
                raise ConfigError(f"{variable} {error}") from error
        return cls(**values)
