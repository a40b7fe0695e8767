"""`secrets rotate`: seal every stored secret with the first key of ENCRYPTION_KEYS."""

from __future__ import annotations

import sys
from typing import Any

import click
import sqlalchemy as sa
from flask.cli import AppGroup

from models.account import User
from models.base import db
from models.profile import Profile
from models.sealed import CannotOpen, Seal
from models.secret_places import SEALED, is_sealed
from web import audit, installed
from web.audit import Act
from web.cli.terminal import ACTOR, bar

secrets = AppGroup("secrets", help="Stored secrets.")


@secrets.command("rotate")
def rotate() -> None:
    """Seal all secrets with the first key, so that the others can be taken away. Safe to repeat."""
    seal = installed.seal()
    lost: list[str] = []
    sealed = 0
    ids = db.session.scalars(sa.select(Profile.id).order_by(Profile.id)).all()
    db.session.rollback()
    sealed += _second_factors(seal, lost)
    with bar() as progress:
        for profile_id in progress.track(ids, description="profiles"):
            profile = db.session.get_one(Profile, profile_id, with_for_update={"key_share": True})
            sealed += _settings(profile, seal, lost) + _mappings(profile, seal, lost)
            db.session.commit()
    audit.note(Act.ROTATED, "all secrets", actor=ACTOR, text=f"{sealed} sealed, {len(lost)} cannot be opened")
    db.session.commit()
    click.echo(f"{sealed} secrets are sealed with the first key.")
    for place in lost:
        click.echo(f"cannot be opened with any key: {place}")
    sys.exit(1 if lost else 0)


def _second_factors(seal: Seal, lost: list[str]) -> int:
    done = 0
    for user in db.session.scalars(
        sa.select(User).where(User.totp_sealed.is_not(None)).with_for_update(key_share=True)
    ):
        try:
            user.totp_sealed = seal.rotate(user.totp_sealed or "")
            done += 1
        except CannotOpen:
            lost.append(f"second factor of {user.email}")
    db.session.commit()
    return done


def _settings(profile: Profile, seal: Seal, lost: list[str]) -> int:
    fresh: dict[str, Any] = {}
    for key, value in profile.settings.items():
        if is_sealed(value):
            try:
                fresh[key] = {SEALED: seal.rotate(value[SEALED])}
            except CannotOpen:
                lost.append(f"{profile.name}: settings.{key}")
    profile.settings = {**profile.settings, **fresh}
    return len(fresh)


def _mappings(profile: Profile, seal: Seal, lost: list[str]) -> int:
    done = 0
    for row in profile.mappings:
        if row.sealed is None:
            continue
        try:
            row.sealed = seal.rotate(row.sealed)
            done += 1
        except CannotOpen:
            lost.append(f"{profile.name}: mapping {row.export_name}")
    return done
