"""`deliveries replay|send-again|hold|release|cancel`: what the filters match, or one."""

from __future__ import annotations

import time
from zoneinfo import ZoneInfo

import click
from flask.cli import AppGroup

from models import replay
from models.base import db
from models.by_hand import Deed
from models.delivery import Delivery
from models.job import ENDED, Job, JobState
from web import audit, delivery_acts, installed
from web.api.queries import STATES
from web.api.replay import read_filters
from web.audit import Act
from web.cli.terminal import ACTOR, bar

deliveries = AppGroup("deliveries", help="Deliveries of postback profiles.")

LOOK_EVERY_SECONDS = 0.5


@deliveries.command("replay")
@click.option("--profile", help="Only of the profile of this name.")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--customer-id", help="Only of this customer.")
@click.option("--event-id", help="Only of this event.")
@click.option("--from", "since", help="Only of events accepted at or after this time.")
@click.option("--to", "until", help="Only of events accepted before this time.")
@click.option("--per-second", type=click.FloatRange(0.1, replay.MOST_PER_SECOND), help="At most so many in a second.")
@click.option("--dry-run", is_flag=True, help="Count, and change nothing.")
def replay_deliveries(
    profile: str | None,
    state: str | None,
    customer_id: str | None,
    event_id: str | None,
    since: str | None,
    until: str | None,
    per_second: float | None,
    *,
    dry_run: bool,
) -> None:
    """Send deliveries again, under the same keys, and wait until all are due."""
    given = {
        "profile": profile,
        "state": state,
        "customerId": customer_id,
        "eventId": event_id,
        "from": since,
        "to": until,
    }
    filters, faults = read_filters(given, ZoneInfo(installed.config().account_time_zone))
    if faults:
        raise click.ClickException("; ".join(f"--{fault.path}: {fault.message}" for fault in faults))
    matched = replay.count(db.session(), filters)
    if dry_run or not matched:
        click.echo(f"{matched} deliveries match.")
        return
    job_id = replay.start(db.session(), filters, actor=ACTOR, matched=matched, per_second=per_second).id
    audit.note(Act.REPLAYED, f"job {job_id}", actor=ACTOR, text=f"{matched} deliveries")
    db.session.commit()
    installed.ring()
    _wait(job_id, matched)


@deliveries.command("send-again")
@click.argument("delivery_id", type=int)
def send_again(delivery_id: int) -> None:
    """Send one delivery once more, under the same key."""
    _do(Deed.SEND_AGAIN, delivery_id)


@deliveries.command("hold")
@click.argument("delivery_id", type=int)
@click.option("--reason", required=True, help="Why; it stands with the delivery.")
def hold(delivery_id: int, reason: str) -> None:
    """Put one delivery aside until somebody releases it."""
    _do(Deed.HOLD, delivery_id, reason)


@deliveries.command("release")
@click.argument("delivery_id", type=int)
def release(delivery_id: int) -> None:
    """Let a delivery go on that was put aside."""
    _do(Deed.RELEASE, delivery_id)


@deliveries.command("cancel")
@click.argument("delivery_id", type=int)
@click.option("--reason", required=True, help="Why; it stands with the delivery.")
def cancel(delivery_id: int, reason: str) -> None:
    """Cancel one delivery that is open."""
    _do(Deed.CANCEL, delivery_id, reason)


def _do(deed: Deed, delivery_id: int, given: str = "") -> None:
    """Do it, commit and ring; what is not possible is told."""
    reason = delivery_acts.reason_of(given)
    if reason is None or (deed.needs_reason and not reason):
        raise click.ClickException(f"Give a reason of at most {delivery_acts.MOST_REASON} characters.")
    if not 0 < delivery_id < 2**63 or db.session.get(Delivery, delivery_id) is None:
        raise click.ClickException("There is no such delivery.")
    try:
        said = delivery_acts.act_on_one(db.session(), deed, delivery_id, actor=ACTOR, reason=reason)
    except delivery_acts.NotPossible as error:
        raise click.ClickException(str(error)) from error
    db.session.commit()
    installed.ring()
    click.echo(said)


def _wait(job_id: int, total: int) -> None:
    with bar() as progress:
        task = progress.add_task("sent again", total=total)
        while True:
            job = db.session.get_one(Job, job_id)
            state, done, error = job.state, job.done, job.error
            db.session.rollback()
            progress.update(task, completed=done)
            if state in ENDED:
                break
            time.sleep(LOOK_EVERY_SECONDS)
    if state == JobState.FAILED:
        raise click.ClickException(f"The job failed: {error}")
    click.echo(f"{done} deliveries are due again.")
    if state == JobState.STOPPED:
        raise click.ClickException("Somebody stopped the job before its end.")
