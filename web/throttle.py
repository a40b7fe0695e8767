"""Slow down who guesses passwords. Counted in Postgres, so it holds over all processes; nobody is locked out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.sign_in import LoginFailure, digest

WINDOW = timedelta(minutes=15)
PER_ACCOUNT = 5
PER_ADDRESS = 20
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=5)


def wait_after(*, failures: int, limit: int) -> timedelta:
    """Say how long to wait after so many failures: nothing below the limit, then 5 s, 10 s, ... up to 5 minutes."""
    if failures < limit:
        return timedelta(0)
    return min(FIRST_WAIT * (1 << min(failures - limit, 10)), LONGEST_WAIT)


def begin_try(session: Session, account: str, address: str) -> tuple[int, timedelta]:
    """Write a try down as failed before the password is looked at, so that a hundred at once see each other.

    Returns its id, and how long this person has to wait still. Commits.
    """
    session.execute(sa.delete(LoginFailure).where(LoginFailure.at < sa.func.now() - WINDOW))
    row = LoginFailure(account=_key(account), address=address)
    session.add(row)
    session.commit()
    wait = max(
        _left(session, row, LoginFailure.account == row.account, PER_ACCOUNT),
        _left(session, row, LoginFailure.address == row.address, PER_ADDRESS),
    )
    if wait > timedelta(0):  # refused unseen: it proves nothing, and must not make the wait longer
        session.execute(sa.delete(LoginFailure).where(LoginFailure.id == row.id))
        session.commit()
    return row.id, wait


def forget(session: Session, account: str) -> None:
    """Forget the failures of an account: its password was right. Commits."""
    session.execute(sa.delete(LoginFailure).where(LoginFailure.account == _key(account)))
    session.commit()


def _key(account: str) -> bytes:
    return digest(account.strip().lower())


def _left(session: Session, row: LoginFailure, same: sa.ColumnElement[bool], limit: int) -> timedelta:
    earlier = (same, LoginFailure.id < row.id, LoginFailure.at > sa.func.now() - WINDOW)
    found = session.execute(
        sa.select(
            sa.func.count().label("failures"), sa.func.max(LoginFailure.at).label("last"), sa.func.now().label("now")
        ).where(*earlier)
    ).one()
    last: datetime | None = found.last
    if last is None:
        return timedelta(0)
    return last + wait_after(failures=found.failures, limit=limit) - cast("datetime", found.now)
