"""An installation full of hostile words: in every text that producers, receivers, servers or people may write."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models import audit
from models.account import ApiKey, Scope
from models.audit import Act
from models.delivery import Attempt, Delivery
from models.intake import accept
from models.job import Job
from models.profile import Profile
from models.run import FileItem
from tests.file_rows import add_file_profile, add_run, add_try, add_upload
from web.login import create_user, give_link
from web.profile_documents import save

CANARY = "\"'><img src=x onerror=hacked()><script>hacked()<\\script>{{7*7}}"
"""Breaks out of attributes and of text. Without `/`, which no profile's name may hold."""
RAW = ("<img src=x", "<script>hacked", "49</")
"""What must never stand in a page."""


@dataclass(frozen=True, slots=True)
class World:
    """The numbers of what is in it."""

    profile: int
    route: int
    delivery: int
    file_profile: int
    file_route: int
    run: int
    job: int
    key: int
    user: int
    customer: str
    link: str


def build(session: Session) -> World:
    """Write all of it and commit."""
    campaign = CANARY[:60]
    profile = save(session, _document(campaign), actor=CANARY).profile
    session.flush()
    order = _order(campaign)
    event = {"eventId": CANARY, "customerType": "Partial", "order": order}
    taken = accept(session.connection(), [event], now=datetime.now(UTC), zone=ZoneInfo("UTC"))
    assert taken.accepted == 1, taken.errors
    session.commit()
    delivery = session.scalars(sa.select(Delivery).where(Delivery.profile_id == profile.id)).one()
    session.add(_attempt(delivery.id))
    delivery.reason, delivery.tries = CANARY, 1
    file_profile, run = _file(session)
    job = Job(kind="replay", state="paused", arguments={"profile": CANARY}, total=9, error=CANARY, created_by=CANARY)
    key, _ = ApiKey.issue(CANARY, [Scope.READ])
    user = create_user(f"<img-src=x-onerror=hacked()>@{'x' * 9}.example", "viewer", None)
    link = give_link(user)
    session.add_all([job, key])
    audit.write(
        session,
        Act.CHANGED,
        CANARY,
        actor=CANARY,
        address=CANARY,
        note=CANARY,
        before={CANARY: 1},
        after={CANARY: CANARY},
    )
    session.commit()
    return World(
        profile=profile.id,
        route=profile.routes[0].id,
        delivery=delivery.id,
        file_profile=file_profile.id,
        file_route=file_profile.routes[0].id,
        run=run,
        job=job.id,
        key=key.id,
        user=user.id,
        customer=order["customerId"],
        link=link,
    )


def _document(campaign: str) -> dict[str, Any]:
    return {
        "name": CANARY,
        "exportType": "postback",
        "paused": True,
        "settings": {"url": "https://receiver.example/?a='\"><img/src=x>", "successBody": {"contains": CANARY}},
        "mappings": [
            {"exportName": CANARY, "field": "firstName"},
            {"exportName": f"static {CANARY}", "static": CANARY},
            {"exportName": "custom", "field": "custom:<img src=x>"},
        ],
        "routes": [{"customerType": "Partial", "campaign": campaign, "product": campaign}],
    }


def _order(campaign: str) -> dict[str, Any]:
    names = (
        "clientOrderId",
        "firstName",
        "lastName",
        "emailAddress",
        "phoneNumber",
        "orderStatus",
        "orderTotal",
        "currencyCode",
    )
    return {
        **dict.fromkeys(names, CANARY),
        "customerId": CANARY,
        "campaignId": campaign,
        "campaignName": CANARY,
        "items": [{"productId": campaign, "name": CANARY, "sku": CANARY}],
        "customFields": {CANARY: CANARY},
    }


def _attempt(delivery: int) -> Attempt:
    return Attempt(
        started_at=datetime.now(UTC),
        delivery_id=delivery,
        lease_token=1,
        number=1,
        duration_ms=41,
        method=CANARY,
        url=f"javascript:hacked()//{CANARY}",
        request_headers=[[CANARY, CANARY]],
        request_body=CANARY,
        status=503,
        response_headers=[[CANARY, CANARY], ["Content-Type", "text/html"]],
        response_body=f"<html>{CANARY}</html>",
        error=CANARY,
        outcome="failed",
    )


def _file(session: Session) -> tuple[Profile, int]:
    """A file profile with a run, its upload, and what a server's banner said."""
    profile = add_file_profile(
        session, "ftp", name=f"file {CANARY}", settings={"host": "files.example", "user": CANARY}
    )
    run = add_run(session, profile, content=CANARY.encode(), error=CANARY, created_by=CANARY)
    upload = add_upload(
        session, run, state="held", error=CANARY, remote_name=CANARY, destination=CANARY, receipt=CANARY, phase="sent"
    )
    add_try(session, upload, message=f"530 {CANARY}", sent_bytes=3)
    event = session.scalar(sa.text("SELECT max(id) FROM events"))
    session.add(FileItem(route_id=profile.routes[0].id, event_id=event, ready_at=datetime.now(UTC), run_id=run.id))
    session.commit()
    return profile, run.id


def people(session: Session, password: str, roles: dict[str, Any]) -> None:
    """Make the people who try."""
    for email, role in roles.items():
        create_user(email, role, password)
    session.commit()
