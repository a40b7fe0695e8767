"""Record what an upload's try came to: its next state by (id, token), its try with the server's words, the gate.

A stale token changes nothing, not even with good news; its try is kept as "late".
"""

from __future__ import annotations

import logging
from datetime import timedelta
from time import monotonic
from typing import Any

import sqlalchemy as sa

from exporters.masking import mask_text
from worker.upload_claim import Lease
from worker.upload_verdict import ALERT_AFTER, Ended

log = logging.getLogger(__name__)

FINISH = sa.text(
    """/* uploads: the next state */
    UPDATE uploads SET state = :state, phase = CASE WHEN :state = 'delivered' THEN 'done' ELSE phase END,
        due_at = CASE WHEN CAST(:wait AS interval) IS NULL THEN due_at ELSE now() + CAST(:wait AS interval) END,
        failures = :failures, login_failures = :login_failures, sent_bytes = :sent,
        error = CASE WHEN :state = 'delivered' THEN NULL ELSE :message END,
        receipt = CASE WHEN :state = 'delivered' THEN :message ELSE receipt END,
        finished_at = CASE WHEN :state = 'delivered' THEN now() END,
        lease_token = NULL, lease_until = NULL, leased_by = NULL
    WHERE id = :id AND state = 'leased' AND lease_token = :token"""
)

END_TRY = sa.text(
    """/* uploads: a try has ended */
    UPDATE upload_tries SET outcome = :outcome, duration_ms = :duration, sent_bytes = :sent, message = :message
    WHERE id = :try_id"""
)

CLOSE_GATE = sa.text(
    """/* uploads: the server refuses for good; files are made and wait */
    UPDATE gates SET fault = 'upload', fault_message = :message, fault_since = now()
    WHERE profile_id = :profile_id AND fault IS NULL"""
)

# All uploads of a profile log in with one password: each would try it three times, and the account be locked.
SHARE_LOGIN = sa.text(
    """/* uploads: a refused login counts for all that wait with it */
    UPDATE uploads SET login_failures = :login_failures, due_at = greatest(due_at, now() + CAST(:wait AS interval))
    WHERE profile_id = :profile_id AND state = 'pending'"""
)

HEALED = sa.text(
    """/* uploads: the server takes files again: what failed meanwhile is due */
    UPDATE uploads SET login_failures = 0, due_at = now()
    WHERE profile_id = :profile_id AND state = 'pending' AND (failures > 0 OR login_failures > 0)"""
)


def record(engine: sa.Engine, lease: Lease, ended: Ended, *, sent: int, began: float) -> bool:
    """Write down the end of a try; began is on the monotonic clock. Returns False when the lease was lost before."""
    message = mask_text(ended.message, lease.way.secrets)
    values: dict[str, Any] = {
        "id": lease.upload_id,
        "token": lease.token,
        "profile_id": lease.way.profile_id,
        "state": ended.state,
        "wait": ended.wait,
        "failures": lease.failures if ended.outcome == "unknown" else ended.failures,
        "login_failures": lease.login_failures if ended.outcome == "unknown" else ended.login_failures,
        "message": message,
        "sent": sent,
    }
    with engine.begin() as connection:
        is_ours = connection.execute(FINISH, values).rowcount == 1
        if is_ours:
            _tell_others(connection, lease, ended, values)
        connection.execute(
            END_TRY,
            {
                "try_id": lease.try_id,
                "outcome": ended.outcome,
                "duration": int((monotonic() - began) * 1000),
                "sent": sent,
                "message": message if is_ours else f"{message} (late: the lease was over)",
            },
        )
    _log(lease, ended, message, sent=sent, is_late=not is_ours)
    return is_ours


def _tell_others(connection: sa.Connection, lease: Lease, ended: Ended, values: dict[str, Any]) -> None:
    if ended.closes_gate:
        connection.execute(CLOSE_GATE, values)
    elif ended.state == "delivered":
        connection.execute(HEALED, values)
    elif ended.login_failures > lease.login_failures:
        connection.execute(SHARE_LOGIN, values | {"wait": ended.wait or timedelta(0)})


def _log(lease: Lease, ended: Ended, message: str, *, sent: int, is_late: bool) -> None:
    """One line for each try; an alert is one line more, and so is its end."""
    facts = {
        "upload_id": lease.upload_id,
        "run_id": lease.run_id,
        "profile_id": lease.way.profile_id,
        "number": lease.number,
        "outcome": ended.outcome,
        "bytes": sent,
        "message_text": message,
        "late": is_late,
    }
    log.info("upload.attempted", extra=facts)
    if is_late:
        return
    if ended.alerts:
        log.warning("upload.held" if ended.closes_gate else "upload.failing", extra=facts)
    elif ended.state == "delivered" and lease.failures >= ALERT_AFTER:
        log.info("upload.recovered", extra=facts)
