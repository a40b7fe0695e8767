"""Signing in: who is signed in now, and who failed to sign in lately."""

from __future__ import annotations

import hashlib
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class SignIn(Base):
    """One browser that is signed in. Only the SHA-256 of its token is kept; without the row its cookie opens nothing."""

    __tablename__ = "sign_ins"
    __table_args__ = (sa.Index("ix_sign_ins_user_id", "user_id"),)
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())


class LoginFailure(Base):
    """One failed login. account is the SHA-256 of the address that was typed, whether it exists or not."""

    __tablename__ = "login_failures"
    __table_args__ = (
        sa.Index("ix_login_failures_account", "account", "at"),
        sa.Index("ix_login_failures_address", "address", "at"),
        sa.Index("ix_login_failures_at", "at"),
    )
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    account: Mapped[bytes]
    address: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=sa.func.now())


def digest(text: str) -> bytes:
    """Give the SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
