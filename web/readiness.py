"""What readiness means: events can be taken and will not be lost. What only slows their way is `degraded`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, selectinload

from exporters.errors import BadSettings
from exporters.registry import exporter_of
from models import mapping_rows
from models.base import OLDEST_POSTGRES
from models.profile import Mapping, Profile
from models.sealed import CannotOpen, Seal
from models.secret_places import open_settings

OLD_SECONDS = 60
KEYS_EVERY_SECONDS = 30
DURABLE = ("fsync", "full_page_writes", "synchronous_commit")

STATE = sa.text(
    """/* readiness: can it be written, is it durable, who is alive */
    SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool AS is_read_only,
        current_setting('server_version_num')::int / 10000 AS version, current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
        current_setting('synchronous_commit') AS synchronous_commit,
        current_setting('statement_timeout') <> '0' AND current_setting('lock_timeout') <> '0'
            AND current_setting('idle_in_transaction_session_timeout') <> '0' AS has_limits,
        (SELECT extract(epoch FROM now() - at) FROM heartbeats WHERE name = 'tick') AS tick_age,
        (SELECT extract(epoch FROM now() - max(at)) FROM heartbeats WHERE name LIKE 'deliver:%') AS worker_age,
        to_regclass('events') IS NOT NULL AS has_events"""
)

LATE_MINUTES = 15

# A file that is being made is not late, however long it takes; behind a closed gate it waits for a person.
LATE_FILES = sa.text(
    f"""/* readiness: a file that nobody has begun to make in time */
    SELECT EXISTS (SELECT FROM runs w JOIN profiles p ON p.id = w.profile_id JOIN gates g ON g.profile_id = p.id
        WHERE w.state IN ('planned', 'claimed')
          AND greatest(w.due_at, w.created_at, w.lease_until) < now() - interval '{LATE_MINUTES} minutes'
          AND p.enabled AND NOT p.paused AND p.deleted_at IS NULL AND g.fault IS DISTINCT FROM 'making')"""  # noqa: S608 -- a constant of ours
)

# A row is really written and committed, at most once a second however often somebody asks.
PROBE = sa.text(
    """/* readiness: a write that is as durable as an event's */
    INSERT INTO heartbeats AS h (name, at) VALUES ('ready', now())
    ON CONFLICT (name) DO UPDATE SET at = now() WHERE h.at < now() - interval '1 second'"""
)


class Readiness:
    """Looks at the database, Redis and the keys."""

    def __init__(self, redis: Redis, keys: Sequence[str]) -> None:
        self._redis = redis
        self._seal = Seal(keys)
        self._keys_at = float("-inf")
        self._unopened = 0

    def look(self, engine: sa.Engine) -> tuple[list[str], list[str]]:
        """Return why no event can be taken (empty: ready), and what else is wrong."""
        try:
            with engine.begin() as connection:
                state = connection.execute(STATE).one()
                refusals = list(_refusals(state))
                if not refusals:
                    connection.execute(PROBE)
                    is_late = bool(connection.scalar(LATE_FILES))
            if refusals:
                return refusals, []
            own = [name for name, is_wrong in (("files", is_late), ("limits", not state.has_limits)) if is_wrong]
            degraded = [*self._redis_faults(), *_sleepers(state), *own, *self._key_faults(engine)]
        except SQLAlchemyError:
            return ["the database cannot be written"], []
        return [], degraded

    def has_redis(self) -> bool:
        """Say whether Redis answers, within half a second."""
        return "redis" not in self._redis_faults()

    def _redis_faults(self) -> Iterator[str]:
        try:
            policy = self._redis.info("memory").get("maxmemory_policy", "noeviction")
        except (RedisError, OSError):
            yield "redis"
            return
        if policy != "noeviction":
            yield "redis eviction policy"

    def _key_faults(self, engine: sa.Engine) -> Iterator[str]:
        if time.monotonic() - self._keys_at > KEYS_EVERY_SECONDS:
            with Session(engine) as session:
                self._unopened = unopened(session, self._seal)
            self._keys_at = time.monotonic()
        if self._unopened:
            yield "keys"


def unopened(session: Session, seal: Seal) -> int:
    """Count the profiles whose secrets cannot be opened."""
    has_sealed = sa.exists().where(Mapping.profile_id == Profile.id, Mapping.sealed.is_not(None))
    profiles = session.scalars(
        sa.select(Profile)
        .where(
            Profile.deleted_at.is_(None),
            sa.or_(has_sealed, sa.cast(Profile.settings, sa.Text).contains('{"sealed": ')),
        )
        .options(selectinload(Profile.mappings))
    )
    return sum(not _opens(profile, seal) for profile in profiles)


def _opens(profile: Profile, seal: Seal) -> bool:
    try:
        target = exporter_of(profile.export_type).Settings.origin_of(profile.settings)
        open_settings(profile, seal, target)
        mapping_rows.open_statics(profile, seal, target)
    except (CannotOpen, BadSettings):
        return False
    return True


def _refusals(state: sa.Row[Any]) -> Iterator[str]:
    if state.version < OLDEST_POSTGRES:
        yield f"Postgres {OLDEST_POSTGRES} or newer is required, the server is version {state.version}"
        return
    if not state.has_events:
        yield "the database is not migrated"
        return
    if state.is_read_only:
        yield "the database is read-only"
    for name in DURABLE:
        if getattr(state, name) == "off":
            yield f"{name} is off: a crash could lose events"
    if state.tick_age is None:
        yield "no tick since the start"


def _sleepers(state: sa.Row[Any]) -> Iterator[str]:
    if state.tick_age > OLD_SECONDS:
        yield "schedule"
    if state.worker_age is None or state.worker_age > OLD_SECONDS:
        yield "workers"
