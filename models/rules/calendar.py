"""When a delivery is due: the interval and delay arithmetic of the CRM's export service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_DUE = """CASE WHEN {interval} = 0 THEN {accepted} + make_interval(mins => {delay})
    ELSE date_bin(make_interval(mins => {interval} + {delay}), {accepted} - interval '1 microsecond',
        timestamptz '1970-01-01 00:00Z') + make_interval(mins => {interval} + {delay}) END"""
# The same rule as `due_at`, in SQL: the multiple before the microsecond before, and one period on. Whole numbers only.

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def due_at(accepted: datetime, *, interval: int, delay: int) -> datetime:
    """Say when an event is due, given a profile's interval and delay in minutes.

    The period is interval + delay, so 15 + 5 runs every 20 minutes, on its whole multiples since 1970-01-01 00:00 UTC.
    An event is due at the first one at or after its acceptance. Interval 0 is "as it happens": the delay is all.
    """
    if interval == 0:
        return accepted + timedelta(minutes=delay)
    period = timedelta(minutes=interval + delay)
    return _EPOCH + -((_EPOCH - accepted) // period) * period


def due_sql(*, accepted: str, profile: str) -> str:
    """Give the rule as SQL over the alias of a profile row and an expression for the acceptance."""
    return _DUE.format(accepted=accepted, interval=f"{profile}.interval_minutes", delay=f"{profile}.delay_minutes")
