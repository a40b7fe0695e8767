"""Who may come in: people with a role, and API keys with scopes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Role(StrEnum):
    """What a person may do; each may do what the ones before may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    EDITOR = "editor"
    ADMIN = "admin"

    def covers(self, other: Role) -> bool:
        """Say whether this role may do what the other may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Scope(StrEnum):
    """What an API key may do."""

    EVENTS_WRITE = "events:write"
    READ = "read"
    OPERATE = "operate"
    PROFILES_WRITE = "profiles:write"


class User(Base):
    """A person who signs in. password is an argon2id hash; fs_uniquifier ends all sessions when it changes.

    totp_sealed: the secret of the second factor; totp_last: the time step of the last code, which none before it may
    follow. link_digest: SHA-256 of a one-time link that lets this person choose a password until link_until. time_zone:
    in which this person reads times; None: the account's.
    """

    __tablename__ = "users"
    __table_args__ = (
        sa.CheckConstraint("role IN ('viewer', 'operator', 'editor', 'admin')", name="role_known"),
        sa.Index("uq_users_email", sa.text("lower(email)"), unique=True),
        sa.Index("uq_users_link_digest", "link_digest", unique=True),
    )
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    email: Mapped[str]
    password: Mapped[str | None]
    role: Mapped[str] = mapped_column(default=Role.VIEWER, server_default="viewer")
    active: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    fs_uniquifier: Mapped[str] = mapped_column(unique=True, default=lambda: secrets.token_hex(32))
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    last_login_at: Mapped[datetime | None]
    totp_sealed: Mapped[str | None]
    totp_last: Mapped[int | None]
    link_digest: Mapped[bytes | None]
    link_until: Mapped[datetime | None]
    time_zone: Mapped[str | None]

    def __str__(self) -> str:
        return self.email


class ApiKey(Base):
    """A bearer key for programs. Only the SHA-256 is kept: 256 random bits need no slow hash."""

    __tablename__ = "api_keys"
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    prefix: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[bytes]
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    @classmethod
    def issue(cls, name: str, scopes: Iterable[Scope]) -> tuple[ApiKey, str]:
        """Make a key. Returns the row and the text of the key, which is shown once and kept nowhere."""
        prefix, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        text = f"wb_{prefix}_{secret}"
        return cls(name=name, prefix=prefix, digest=_digest(text), scopes=[str(scope) for scope in scopes]), text

    def opens_with(self, text: str, now: datetime) -> bool:
        """Say whether the text is this key, still in force."""
        return opens(text, now, digest=self.digest, expires_at=self.expires_at, revoked_at=self.revoked_at)

    def __str__(self) -> str:
        return self.name


def opens(text: str, now: datetime, *, digest: bytes, expires_at: datetime | None, revoked_at: datetime | None) -> bool:
    """Say whether a text is the key that is stored so, and in force."""
    in_force = revoked_at is None and (expires_at is None or now < expires_at)
    return hmac.compare_digest(digest, _digest(text)) and in_force


def key_prefix(text: str) -> str | None:
    """Give the public part of a key's text, by which its row is found; None when it is no key of ours."""
    parts = text.split("_", 2)
    return parts[1] if len(parts) == 3 and parts[0] == "wb" else None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
