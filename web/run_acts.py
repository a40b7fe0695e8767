"""What a person or program does to runs, for pages, API and command line alike: the move, and its line in the record.

The caller commits, then rings. All raise `NotPossible` with one sentence.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from models import run_moves, run_plans
from models.profile import Profile
from models.run import Run
from models.run_moves import NotPossible
from web import audit, installed
from web.audit import Act

__all__ = ["NotPossible", "cancel", "give_back", "make_again", "make_now", "resume", "send_again"]

MOST_REASON = 500


def make_now(session: Session, profile: Profile, *, actor: str) -> list[int]:
    """Have the files of all routes made now. Returns the runs."""
    if not profile.live_routes:
        raise NotPossible("This profile has no route: there is nothing to make a file of.")
    if not profile.enabled or profile.paused:
        raise NotPossible(f"This profile is {'paused' if profile.enabled else 'disabled'}: it makes no files.")
    zone = installed.config().account_time_zone
    made = run_plans.run_now(session, profile, actor=actor, account_time_zone=zone)
    numbers = ", ".join(map(str, made))
    audit.note(Act.RUN, f"profile {profile.name}", actor=actor, text=f"runs {numbers}")
    return made


def send_again(session: Session, run: Run, *, actor: str) -> None:
    """Upload the same bytes once more."""
    run_moves.send_again(session, run, actor=actor)
    audit.note(Act.SENT_AGAIN, target(run), actor=actor)


def make_again(session: Session, run: Run, *, actor: str) -> Run:
    """Make a new file of the same rows with today's settings."""
    made = run_moves.make_again(session, run, actor=actor)
    audit.note(Act.MADE_AGAIN, target(run), actor=actor, text=f"as run {made.id}")
    return made


def give_back(session: Session, run: Run, *, actor: str) -> int:
    """Let a run's rows go into the next one. Returns how many."""
    count = run_moves.give_back(session, run, actor=actor)
    audit.note(Act.GAVE_BACK, target(run), actor=actor, text=f"{count} orders")
    return count


def cancel(session: Session, run: Run, *, actor: str, reason: str) -> None:
    """Give up what is open of a run."""
    reason = reason.replace("\x00", "").strip()[:MOST_REASON]
    if not reason:
        raise NotPossible("Say why you cancel it.")
    run_moves.cancel(session, run, actor=actor, reason=reason)
    audit.note(Act.CANCELLED, target(run), actor=actor, text=reason)


def resume(session: Session, profile: Profile, *, actor: str) -> None:
    """Let a profile go on: its pause and gate end, what waits for a person is tried afresh."""
    run_moves.resume(session, profile, actor=actor)
    audit.note(Act.RESUMED, f"profile {profile.name}", actor=actor)


def target(run: Run) -> str:
    """Name a run in the record."""
    return f"run {run.id}"
