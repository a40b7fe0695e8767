"""The plans a pump has compiled, one for each profile, renewed when the profile's version moves on."""

from __future__ import annotations

import logging

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from exporters.errors import BadSettings
from models.heartbeat import Installation
from models.mapping_rows import UnreadableMappings
from models.profile import Gate, GateFault, Profile
from models.sealed import Seal
from worker.plan import Plan

log = logging.getLogger(__name__)


class Plans:
    """A cache by profile and version. What cannot be compiled closes its gate until the profile is saved."""

    def __init__(self, seal: Seal, account_time_zone: str) -> None:
        self._seal = seal
        self._account_time_zone = account_time_zone
        self._installation: str | None = None
        self._plans: dict[int, Plan] = {}

    def get(self, connection: sa.Connection, profile_id: int, version: int | None = None) -> Plan | None:
        """Give a profile's plan; None when it cannot be compiled. version None: whatever is stored now."""
        plan = self._plans.get(profile_id)
        if plan is not None and plan.version == version:
            return plan
        with Session(bind=connection, join_transaction_mode="create_savepoint") as session:
            plan = self._compile(session, profile_id)
        if plan is not None:
            self._plans[profile_id] = plan
        return plan

    def _compile(self, session: Session, profile_id: int) -> Plan | None:
        profile = session.get_one(
            Profile, profile_id, options=[selectinload(Profile.mappings), selectinload(Profile.routes)]
        )
        if self._installation is None:
            self._installation = session.scalars(sa.select(Installation.key)).one()
        try:
            return Plan.of(
                profile,
                seal=self._seal,
                account_time_zone=self._account_time_zone,
                installation=self._installation,
            )
        except (BadSettings, UnreadableMappings) as error:
            log.warning("profile.unusable", extra={"profile_id": profile_id, "error": str(error)})
            fault = str(error)
        except Exception as error:  # somebody wrote into the table what no check let through; the others go on
            log.exception("profile.unusable", extra={"profile_id": profile_id})
            fault = f"internal error: {type(error).__name__}"
        session.execute(
            sa.update(Gate)
            .where(Gate.profile_id == profile_id)
            .values(fault=GateFault.SETTINGS.value, fault_message=fault, fault_since=sa.func.now())
        )
        session.commit()
        return None
