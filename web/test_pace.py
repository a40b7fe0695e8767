"""How often one person or key may test profiles: each test dials what somebody typed, and none of them shall be a flood."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.audit import Act, AuditLine
from models.rules.mapping import Fault
from web.profiles.faults import Refused

WINDOW = timedelta(minutes=1)
MOST = 60


class TooManyTests(Refused):
    """This one waits. It has one fault, a sentence for people."""

    def __init__(self) -> None:
        super().__init__([Fault("test", f"That were {MOST} tests within a minute; wait a little.")])


def take_turn(session: Session, actor: str) -> None:
    """Count what the record says of the last minute. Raises TooManyTests."""
    tested = sa.and_(AuditLine.actor == actor, AuditLine.act == Act.TESTED.value, AuditLine.at > sa.func.now() - WINDOW)
    late = sa.select(AuditLine.id).where(tested).order_by(AuditLine.id.desc()).limit(MOST).subquery()
    if session.scalar(sa.select(sa.func.count()).select_from(late)) == MOST:
        raise TooManyTests
