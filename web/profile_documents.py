"""Profile documents and the rows they stand for: the one way to change a profile, for PUT, import and admin form.

The caller owns the transaction: commit, then ring; after Refused or Busy, roll back.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from exporters.errors import UnknownKind
from exporters.registry import AnyExporter, exporter_of
from models import audit, ledger, routing, run_moves
from models.audit import Act
from models.base import utc_now
from models.by_hand import cancel_where
from models.delivery import Delivery
from models.profile import Gate, Profile
from models.rules.mapping import Fault
from web import installed
from web.audit import address
from web.profiles.faults import Busy, Refused, is_storable, readable
from web.profiles.files import file_faults, file_warnings
from web.profiles.head import Head, read_head
from web.profiles.mappings import (
    GivenMappings,
    exporter_faults,
    read_mappings,
    sensitive_faults,
    stored_rows,
)
from web.profiles.pci import pci_warnings
from web.profiles.routes import GivenRoutes, read_routes, store_routes, switches_on
from web.profiles.settings import GivenSettings, address_faults, lacking, read_settings, secret_keys, stored_form
from web.profiles.shown import document_of
from web.profiles.switching import lock_alone

__all__ = ["Busy", "Fault", "Refused", "Saved", "delete", "document_of", "draft", "find", "save"]

log = logging.getLogger(__name__)

NAME_LOCK = 5_714_013


@dataclass(frozen=True, slots=True)
class Saved:
    """A stored profile, or a draft. warnings never stop a save."""

    profile: Profile
    created: bool
    warnings: Sequence[Fault] = ()


@dataclass(frozen=True, slots=True)
class _Given:
    """A whole document, read."""

    head: Head
    settings: GivenSettings
    mappings: GivenMappings
    routes: GivenRoutes


def save(
    session: Session,
    document: object,
    *,
    actor: str,
    name: str | None = None,
    profile: Profile | None = None,
    must_be_new: bool = False,
) -> Saved:
    """Store a document. Raises Refused with every fault and its place, Busy when switching on must wait.

    name is what the caller calls the profile: a document that says otherwise is refused. profile is the one to change,
    which may get another name by this. Without both, the document's own name decides: a profile of that name, in any
    case, is changed, unless it must be new.
    """
    target, given = _accepted(session, document, name=name, profile=profile, must_be_new=must_be_new)
    if given.head.enabled and (lacks := lacking(given.settings)):
        raise Refused(lacks)
    before = None if target is None else document_of(target)
    saved = _store(session, given, target)
    session.expire(saved.profile, ["routes"])  # new ones know their campaign and product by number only
    audit.write(
        session,
        Act.CREATED if saved.created else Act.CHANGED,
        f"profile {saved.profile.name}",
        actor=actor,
        address=address(),
        note=_secrets_given(document, given),
        before=before,
        after=document_of(saved.profile),
    )
    log.info("profile.saved", extra={"profile_id": saved.profile.id, "is_new": saved.created, "actor": actor})
    return saved


def draft(session: Session, document: object, *, profile: Profile | None) -> Saved:
    """Write a document down to look at what it would send: nothing is switched on, retimed or let go. Raises Refused.

    The caller always rolls back.
    """
    target, given = _accepted(session, document, name=None, profile=profile, must_be_new=profile is None)
    written = _write(session, given, target)
    session.flush()  # its routes get their defaults
    return Saved(written, target is None, tuple(given.mappings.warnings))


def find(session: Session, name: str) -> Profile | None:
    """Give the living profile of this name, in any case."""
    if not is_storable(name):
        return None
    return session.scalars(
        sa.select(Profile).where(
            sa.func.lower(Profile.name) == sa.func.lower(name.strip()), Profile.deleted_at.is_(None)
        )
    ).one_or_none()


def delete(session: Session, profile: Profile, *, actor: str) -> int:
    """End a profile. What is open is cancelled in the actor's name, history and files stay, the name is free again.

    Returns how many deliveries were cancelled. Raises Busy.
    """
    reason = f"cancelled by {actor}: profile deleted"
    before = document_of(profile)
    # No FOR UPDATE, as in _target. The routes before their runs, as a claim takes them.
    session.refresh(profile, with_for_update={"key_share": True})
    for route in profile.routes:
        route.enabled = False
    session.flush()  # and with that they are locked
    run_moves.end_all(session, profile.id, reason=reason)
    ledger.close(session, profile)  # a million rows take seconds: not while the intake waits
    lock_alone(session)  # an intake that has read the routes already must not add a delivery behind our back
    ledger.close(session, profile)
    cancelled = cancel_where(session, Delivery.profile_id == profile.id, reason=reason)
    profile.deleted_at = utc_now()
    profile.version += 1
    audit.write(
        session,
        Act.DELETED,
        f"profile {profile.name}",
        actor=actor,
        address=address(),
        note=f"{cancelled} deliveries cancelled",
        before=before,
    )
    log.info("profile.deleted", extra={"profile_id": profile.id, "cancelled": cancelled, "actor": actor})
    return cancelled


def _accepted(
    session: Session, document: object, *, name: str | None, profile: Profile | None, must_be_new: bool
) -> tuple[Profile | None, _Given]:
    """Read a document, and find the profile it changes (None: a new one). Raises Refused."""
    if not isinstance(document, Mapping):
        raise Refused([Fault("", "Give a profile document: an object.")])
    head = read_head(document, name=name)
    unreachable = _unreachable(session, document, head, profile)
    target = _target(session, head, profile, must_be_new=must_be_new)
    given = _read(session, document, head, target)
    faults = [*head.faults, *unreachable, *given.settings.faults, *given.mappings.faults, *given.routes.faults]
    if faults or given.settings.origin is None:
        raise Refused(faults)
    return target, given


def _unreachable(session: Session, document: Mapping[Any, Any], head: Head, profile: Profile | None) -> Sequence[Fault]:
    """Judge the address that would be dialled, before anything is locked: its name may be slow to look up."""
    if head.export_type is None and profile is None:
        profile = find(session, head.name)
    try:
        kind = exporter_of(head.export_type or (profile.export_type if profile is not None else ""))
    except UnknownKind:
        return ()  # told when the settings are read
    return address_faults(installed.guard(), kind.Settings, document.get("settings"))


def _target(session: Session, head: Head, profile: Profile | None, *, must_be_new: bool) -> Profile | None:
    """Find the profile that the document changes, locked to the end of the transaction; None: a new one."""
    if not head.name or not is_storable(head.name):
        return profile
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(NAME_LOCK, sa.func.hashtext(sa.func.lower(head.name)))))
    named = find(session, head.name)
    if named is not None and (must_be_new or (profile is not None and named.id != profile.id)):
        head.fault("name", "There is a profile with this name already.")
    target = named if profile is None and not must_be_new else profile
    if target is not None:
        # No FOR UPDATE: that would block the intake, whose new deliveries refer to this row.
        session.refresh(target, with_for_update={"key_share": True})
    return target


def _read(session: Session, document: Mapping[Any, Any], head: Head, target: Profile | None) -> _Given:
    kind, seal = _kind(head, target), installed.seal()
    settings = GivenSettings()
    if kind is not None:
        settings = read_settings(kind.Settings, document.get("settings"), profile=target, seal=seal)
    mappings = read_mappings(document.get("mappings"), profile=target, seal=seal, origin=settings.origin)
    routes = read_routes(document.get("routes"))
    if kind is not None and settings.model is not None:
        mappings.faults += exporter_faults(mappings, kind, settings.model)
        mappings.warnings += file_warnings(settings.model, mappings.rows)
        settings.faults += file_faults(session, settings.model, routes.keys, profile=head.name)
    if head.enabled and document.get("pciDocument") is None:
        mappings.faults += sensitive_faults(mappings)
    mappings.warnings += pci_warnings(mappings, head.pci_valid_until, today=utc_now().date())
    return _Given(head, settings, mappings, routes)


def _kind(head: Head, target: Profile | None) -> AnyExporter | None:
    if any(fault.path == "exportType" for fault in head.faults):
        return None
    wanted = head.export_type or (target.export_type if target is not None else None)
    if wanted is None:
        head.fault("exportType", "Give the export type, such as postback.")
        return None
    if target is not None and wanted != target.export_type:
        head.fault("exportType", f'It cannot be changed from "{target.export_type}"; make a new profile.')
        return None
    try:
        return exporter_of(wanted)
    except UnknownKind as error:
        head.fault("exportType", readable(str(error)))
        return None


def _store(session: Session, given: _Given, target: Profile | None) -> Saved:
    head = given.head
    goes_on = head.enabled and (target is None or not target.enabled or switches_on(target, given.routes.keys))
    if goes_on:
        lock_alone(session)
    retimed = target is not None and (head.interval_minutes, head.delay_minutes) != (
        target.interval_minutes,
        target.delay_minutes,
    )
    is_rescheduled = _is_rescheduled(given, target)
    profile = _write(session, given, target)
    if is_rescheduled:
        profile.planned_until = utc_now()
    if target is not None:
        profile.version += 1
        session.flush()  # what follows is done by statements that read the rows
        routing.release_held(session, profile.id)
        run_moves.release(session, profile.id)
    if retimed:
        routing.retime(session, profile)
    if goes_on:
        routing.backfill_later(session, profile.id, utc_now())
    session.flush()  # what the database refuses is told here, not at the caller's commit
    return Saved(profile, target is None, tuple(given.mappings.warnings))


def _secrets_given(document: object, given: _Given) -> str | None:
    """Name the secrets that a document sets, since none of them stands in what it changed."""
    settings = document.get("settings") if isinstance(document, Mapping) else None
    keys = secret_keys(type(given.settings.model)) if given.settings.model is not None else ()
    names = [key for key in keys if isinstance(settings, Mapping) and settings.get(key) is not None]
    names += [row.mapping.export_name for row in given.mappings.rows if row.sets_secret]
    return f"secrets given: {', '.join(names)}" if names else None


def _is_rescheduled(given: _Given, target: Profile | None) -> bool:
    """Say whether the slots before this moment are not owed: an edit never calls up past ones, nor does an absence."""
    head = given.head
    if target is None or (head.enabled and not target.enabled):
        return True
    before = target.settings.get("schedule"), target.time_zone
    return before != (getattr(given.settings.model, "schedule", None), head.time_zone)


def _write(session: Session, given: _Given, target: Profile | None) -> Profile:
    model, origin, seal = given.settings.model, given.settings.origin, installed.seal()
    assert model is not None  # noqa: S101 -- without faults there is a model
    assert origin is not None  # noqa: S101 -- and where it sends to
    profile = target if target is not None else _new(session, given.head)
    _write_head(profile, given.head)
    if target is None:
        session.flush()  # its id is part of what seals the secrets
    profile.settings = stored_form(model, profile_id=profile.id, seal=seal, origin=origin)
    profile.mappings = stored_rows(given.mappings.rows, profile_id=profile.id, seal=seal, origin=origin)
    store_routes(session, profile, given.routes.keys)
    return profile


def _new(session: Session, head: Head) -> Profile:
    profile = Profile(name=head.name, export_type=head.export_type, settings={}, version=1, gate=Gate())
    session.add(profile)
    return profile


def _write_head(profile: Profile, head: Head) -> None:
    profile.name = head.name
    profile.enabled = head.enabled
    profile.paused = head.paused
    profile.interval_minutes = head.interval_minutes
    profile.delay_minutes = head.delay_minutes
    profile.time_zone = head.time_zone
    profile.skip_completed_partials = head.skip_completed_partials
    profile.pci_reference = head.pci_reference
    profile.pci_valid_until = head.pci_valid_until
