"""Rows of file profiles as worker and tick write them: profiles, ledger, runs with bytes, uploads and their tries."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.base import utc_now
from models.campaign import Campaign
from models.event import Event
from models.profile import Gate, Mapping, Profile, Route
from models.run import FileItem, Run, RunChunk, Upload, UploadTry
from models.snapshots import take
from tests.factories import unique

CSV_SETTINGS: dict[str, Any] = {"preset": "excel", "fileName": "{profile}_{route}_{date}", "schedule": "daily 06:00"}
SFTP_SETTINGS: dict[str, Any] = {
    **CSV_SETTINGS,
    "preset": "standard",
    "protocol": "sftp",
    "host": "files.example.com",
    "port": 22,
    "user": "waybill",
    "folder": "/in",
}


def forget_everything(session: Session) -> None:
    """Take away all profiles, events and what came of them, whatever other tests left."""
    session.execute(sa.text("TRUNCATE attempts, deliveries, file_items, events, runs, profiles CASCADE"))
    session.commit()


def add_file_profile(
    session: Session, kind: str = "csv", *, customer_type: str = "partial", settings: Any = None, **columns: Any
) -> Profile:
    """Save a file profile with one route, of a campaign of its own: other tests' events pass it by."""
    campaign = Campaign(campaign_id=unique("campaign"))
    session.add(campaign)
    session.flush()
    profile = Profile(
        **{"name": unique("Daily"), "export_type": kind} | columns,
        settings=(CSV_SETTINGS if kind == "csv" else SFTP_SETTINGS) | (settings or {}),
        mappings=[Mapping(export_name="order", field="clientOrderId"), Mapping(export_name="name", field="firstName")],
        routes=[Route(customer_type=customer_type, campaign_id=campaign.campaign_id)],
        gate=Gate(),
    )
    session.add(profile)
    session.commit()
    return profile


def add_run(session: Session, profile: Profile, *, content: bytes | None = None, **columns: Any) -> Run:
    """Write a run down; with content it is written, as one raw chunk."""
    now = utc_now()
    given: dict[str, Any] = {
        "profile_id": profile.id,
        "route_id": profile.routes[0].id,
        "slot": unique("2026-11-23/"),
        "slot_at": now,
        "period": date(2026, 11, 23),
    }
    if content is not None:
        given |= {
            "state": "written",
            "file_name": f"{unique('file')}.csv",
            "rows": max(content.count(b"\n") - 1, 0),
            "orders": max(content.count(b"\n") - 1, 0),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "stored_packed": True,
            "claimed_at": now,
            "written_at": now,
            "snapshot": take(profile, profile.routes[0]),
        }
    run = Run(**given | columns)
    session.add(run)
    session.flush()
    if content is not None:
        session.add(RunChunk(run_id=run.id, n=0, data=content))
    session.commit()
    return run


def add_upload(session: Session, run: Run, **columns: Any) -> Upload:
    """Write an upload of a run down."""
    upload = Upload(run_id=run.id, profile_id=run.profile_id, **columns)
    session.add(upload)
    session.commit()
    return upload


def add_try(session: Session, upload: Upload, **columns: Any) -> UploadTry:
    """Write one try of an upload down."""
    given = {"number": upload.tries + 1, "started_at": utc_now(), "duration_ms": 1200, "outcome": "failed"}
    attempt = UploadTry(upload_id=upload.id, **given | columns)
    upload.tries += 1
    session.add(attempt)
    session.commit()
    return attempt


def fill(session: Session, run: Run, event_keys: list[str]) -> None:
    """Make the ledger's rows of these events, as rows that the run has taken."""
    events = session.scalars(sa.select(Event).where(Event.event_key.in_(event_keys)).order_by(Event.id)).all()
    session.execute(
        sa.delete(FileItem).where(
            FileItem.route_id == run.route_id, FileItem.event_id.in_([event.id for event in events])
        )
    )
    for event in events:
        session.add(FileItem(route_id=run.route_id, event_id=event.id, ready_at=event.accepted_at, run_id=run.id))
    session.commit()
