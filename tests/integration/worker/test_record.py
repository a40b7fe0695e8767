"""Recording results: guarded by the lease's token, safe to repeat, and nothing a receiver says can break it."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from exporters.base import Failing, Reply
from exporters.errors import BadSettings, Unsendable
from models.base import utc_now
from models.by_hand import cancel
from tests.integration.worker.works import Works, reply_of
from tests.receivers import Receiver
from worker import reaper, record, verdict
from worker.lease import Lease
from worker.results import Results

JSON = [{"export_name": "header:Content-Type", "static": "application/json"}]


def leased(works: Works, count: int = 1, **profile: Any) -> list[Lease]:
    works.profile(**profile)
    works.events(count)
    return works.claim()


def cancel_all(works: Works) -> None:
    with Session(works.engine) as session, session.begin():
        cancel(session, [row.id for row in works.deliveries()], actor="olga", reason="double")


# ---- the next state ------------------------------------------------------------------------------------------------


def test_a_success_is_delivered_and_leaves_its_attempt(works: Works):
    works.finish(leased(works))
    row, (attempt,) = works.delivery(), works.attempts()
    assert (row.state, row.reason, row.tries, row.failures) == ("delivered", None, 1, 0)
    assert row.finished_at is not None
    assert (attempt.delivery_id, attempt.number, attempt.outcome, attempt.late) == (row.id, 1, "delivered", False)
    assert (attempt.method, attempt.status, attempt.response_body, attempt.error) == ("GET", 200, "ok", None)


def test_a_failure_is_due_again_later(works: Works):
    works.finish(leased(works, settings={"retryFirstSeconds": 60}), 503, luck=0.999)
    row, (attempt,) = works.delivery(), works.attempts()
    assert (row.state, row.tries, row.failures, row.retried) == ("pending", 1, 1, True)
    assert timedelta(seconds=110) < row.due_at - utc_now() <= timedelta(seconds=120)
    assert (attempt.outcome, attempt.status, attempt.error) == ("failed", 503, "503 Service Unavailable")


def test_the_wait_grows_with_each_failure_up_to_the_cap(works: Works):
    works.profile(settings={"retryFirstSeconds": 10, "retryCapSeconds": 60})
    works.events()
    waits = []
    for _ in range(5):
        works.try_all(422, luck=0.999)  # the row's own fault: no gate shuts
        waits.append(round((works.delivery().due_at - utc_now()).total_seconds()))
        works.make_due()
    assert waits == pytest.approx([20, 40, 60, 60, 60], abs=1)


def test_a_receiver_that_asks_for_a_longer_wait_gets_it(works: Works):
    works.finish(leased(works), 503, headers=[("Retry-After", "7200")])
    assert works.delivery().due_at - utc_now() > timedelta(seconds=7190)


# ---- the token -----------------------------------------------------------------------------------------------------


def test_a_stale_token_changes_nothing_and_its_attempt_is_late(works: Works):
    stale = leased(works)
    works.end_leases()
    assert reaper.reap(works.engine) == 1
    current = works.claim()
    before = works.delivery()
    assert works.finish(stale) == {before.id}
    assert works.delivery() == before
    works.finish(current, 503)
    assert [(row.outcome, row.late) for row in works.attempts()] == [
        ("unknown", False),
        ("delivered", True),
        ("failed", False),
    ]
    assert works.delivery().state == "pending"


def test_a_result_that_comes_after_its_lease_but_before_anybody_noticed_counts(works: Works):
    leases = leased(works)
    works.end_leases()
    assert works.finish(leases) == frozenset()
    assert works.states() == {"delivered": 1}
    assert reaper.reap(works.engine) == 0


def test_one_stale_try_in_a_batch_harms_no_other(works: Works):
    leases = leased(works, 3)
    works.run("UPDATE deliveries SET lease_token = 0 WHERE id = :id", id=leases[1].delivery_id)
    assert works.finish(leases) == {leases[1].delivery_id}
    assert works.states() == {"delivered": 2, "leased": 1}


def test_a_lease_that_was_never_begun_goes_back_without_a_trace(works: Works):
    leases = leased(works, 2)
    due = [row.due_at for row in works.deliveries()]
    record.give_back(works.engine, leases)
    assert works.attempts() == []
    assert [(row.state, row.tries, row.losses) for row in works.deliveries()] == [("pending", 0, 0)] * 2
    assert [row.due_at for row in works.deliveries()] == due


def test_a_lease_that_is_somebody_elses_by_now_is_not_given_back(works: Works):
    leases = leased(works)
    works.end_leases()
    reaper.reap(works.engine)
    works.claim()
    record.give_back(works.engine, leases)
    assert works.states() == {"leased": 1}


# ---- cancelled while it was under way ------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "state"), [(200, "delivered"), (503, "cancelled"), (Failing.TIMEOUT, "cancelled")])
def test_a_try_that_was_cancelled_meanwhile_ends_as_it_ends(works: Works, answer: int | Failing, state: str):
    leases = leased(works)
    cancel_all(works)
    assert works.states() == {"leased": 1}
    works.finish(leases, answer)
    row = works.delivery()
    assert row.state == state
    assert row.finished_at is not None
    assert (row.reason is None) == (state == "delivered")
    assert len(works.attempts()) == 1


def test_a_cancelled_lease_that_is_given_back_or_lost_is_cancelled(works: Works):
    leases = leased(works, 2)
    cancel_all(works)
    record.give_back(works.engine, leases[:1])
    works.end_leases()
    reaper.reap(works.engine)
    assert [(row.state, row.reason) for row in works.deliveries()] == [("cancelled", "cancelled by olga: double")] * 2


# ---- once more after a commit of unknown outcome -------------------------------------------------------------------


def test_a_batch_that_was_recorded_is_known_again(works: Works):
    leases = leased(works, 3)
    batch = [works.ended(leases[0]), works.ended(leases[1], 503), works.ended(leases[2], 422)]
    assert not record.was_recorded(works.engine, batch)
    record.record(works.engine, batch, luck=0.5)
    assert record.was_recorded(works.engine, batch)


def test_the_reapers_attempt_is_not_taken_for_our_own(works: Works):
    (lease,) = leased(works)
    works.end_leases()
    reaper.reap(works.engine)
    assert not record.was_recorded(works.engine, [works.ended(lease)])


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_commit_that_is_cut_off_is_made_up_for_and_doubles_nothing(works: Works, moment: str):
    leases = leased(works, 4)
    results = Results(works.engine)
    answers: list[int | Failing] = [200, 503, Failing.CONNECT, 200]
    for lease, answer in zip(leases, answers, strict=True):
        results.add(*works.ended(lease, answer))
    with works.cut_off_once(moment):
        assert not results.write()
        assert not results.is_empty
    assert results.write()
    assert results.is_empty
    assert works.states() == {"delivered": 2, "pending": 2}
    assert [(row.number, row.late) for row in works.attempts()] == [(1, False)] * 4
    assert works.gate(leases[0].plan.profile_id).window_failures == 2


def test_what_lands_while_postgres_is_away_is_written_after_the_doubtful_batch(works: Works):
    leases = leased(works, 3)
    results = Results(works.engine)
    results.add(*works.ended(leases[0]))
    with works.cut_off_once("after"):
        assert not results.write()
    assert not results.is_time()
    results.add(*works.ended(leases[1]))
    results.give_back(leases[2:])
    assert results.write()
    assert [row.state for row in works.deliveries()] == ["delivered", "delivered", "pending"]
    assert len(works.attempts()) == 2


# ---- whatever a receiver says --------------------------------------------------------------------------------------


def said(body: bytes, *headers: tuple[str, str]) -> Reply:
    return reply_of(200, body=body, headers=headers)


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b"a\0b", "a\ufffdb"),
        (b"\xff\xfe\xed\xa0\x80", "\ufffd" * 5),
        ("\ud800".encode("utf-8", "surrogatepass"), "\ufffd" * 3),
        (b"\\N\t\\.\n\\", "\\N\t\\.\n\\"),
        (b"x" * 16384, "x" * 16384),
        (b"", ""),
    ],
)
def test_any_bytes_of_a_body_are_kept_as_text(works: Works, body: bytes, kept: str):
    works.finish(leased(works), said(body))
    (attempt,) = works.attempts()
    assert attempt.response_body == kept


def test_any_header_is_kept_as_text(works: Works):
    works.finish(leased(works), said(b"", ("X-\0", "a\0b\\u0000\xff"), ("X-Empty", "")))
    (attempt,) = works.attempts()
    assert attempt.response_headers[0][1].startswith("a\ufffdb")
    assert attempt.response_headers[1] == ["X-Empty", ""]


def test_a_status_that_is_none_spoils_nothing(works: Works):
    works.finish(leased(works), Reply(utc_now(), 1, 99999, (), b"", Failing.PROTOCOL, "what came is not HTTP"))
    (attempt,) = works.attempts()
    assert (attempt.status, attempt.outcome) == (None, "failed")


def test_of_a_large_request_the_first_part_is_kept(works: Works):
    works.profile(mappings=[*JSON, {"export_name": "a", "field": "firstName"}])
    works.events(firstName="ä" * 50_000)
    works.finish(works.claim())
    (attempt,) = works.attempts()
    assert 60_000 < len(attempt.request_body.encode()) <= record.LONGEST_BODY + 2


def not_written(works: Works, error: Exception) -> None:
    (lease,) = leased(works)
    ended = verdict.not_written(lease, error, now=utc_now(), luck=0.5)
    record.record(works.engine, [ended], luck=0.5)


def test_a_row_that_cannot_be_sent_is_held_with_the_reason_and_without_an_attempt(works: Works):
    not_written(works, Unsendable("a value holds half\0 a character \ud800"))
    row = works.delivery()
    assert (row.state, row.reason) == ("held", "a value holds half\ufffd a character ?")
    assert works.attempts() == []


def test_settings_that_make_no_request_shut_the_profile_and_its_rows_stay_due(works: Works):
    not_written(works, BadSettings("mapping 1: no"))
    row = works.delivery()
    assert (row.state, row.failures) == ("pending", 0)
    gate = works.gate(row.profile_id)
    assert (gate.fault, gate.fault_message) == ("settings", "mapping 1: no")
    assert works.attempts() == []


def test_our_own_bug_is_a_failed_try_that_is_told_and_comes_again(works: Works):
    not_written(works, KeyError("oops"))
    row, (attempt,) = works.delivery(), works.attempts()
    assert (row.state, row.failures) == ("pending", 1)
    assert row.due_at > utc_now()
    assert (attempt.outcome, attempt.error, attempt.method) == ("failed", "internal error", None)
    assert works.gate(row.profile_id).fault is None


def test_an_attempt_that_postgres_refuses_costs_its_details_not_its_result_nor_its_neighbours(works: Works):
    leases = leased(works, 3)
    results = Results(works.engine)
    results.add(*works.ended(leases[0]))
    results.add(*works.ended(leases[1], Reply(utc_now(), 2**40, 200, (), b"ok")))  # no integer that Postgres takes
    results.add(*works.ended(leases[2], 503))
    assert results.write()
    assert [row.state for row in works.deliveries()] == ["delivered", "delivered", "pending"]
    attempts = works.attempts()
    assert [row.outcome for row in attempts] == ["delivered", "delivered", "failed"]
    assert "could not be kept" in attempts[1].error


def test_a_request_that_went_out_twice_within_a_try_has_two_attempts(works: Works):
    began, again = utc_now() - timedelta(seconds=3), utc_now() - timedelta(seconds=1)
    works.finish(leased(works), Reply(began, 3000, 200, (), b"ok", resent_at=(again,)))
    first, second = works.attempts()
    assert (first.started_at, first.outcome, first.duration_ms) == (began, "unknown", None)
    assert first.error == record.SENT_AGAIN
    assert first.url == second.url
    assert (second.started_at, second.outcome, second.duration_ms) == (again, "delivered", 1000)
    assert first.lease_token == second.lease_token
    assert works.delivery().state == "delivered"


# ---- secrets -------------------------------------------------------------------------------------------------------

CANARY = "cAnary/5+x=&y z"

SECRETS: tuple[dict[str, Any], ...] = (
    {"export_name": "Authorization", "static": f"Bearer {CANARY}", "secret": True},
    {"export_name": "key", "static": CANARY, "secret": True},
    {"export_name": "first_name", "field": "firstName"},
)


@pytest.mark.parametrize(
    "more",
    [
        [],
        JSON,
        [{"export_name": "header:X-Other", "static": "1"}],
    ],
    ids=["query", "json", "form"],
)
def test_a_secret_stands_nowhere_even_when_the_receiver_echoes_it_in_any_coding(works: Works, more: list[Any]):
    headed = [SECRETS[0] | {"export_name": "header:Authorization"}] if more else []
    with Receiver() as receiver:
        works.profile(receiver.url("codings"), mappings=[*headed, *SECRETS[1:], *more])
        works.events()
        works.pump(works.is_done)
        (seen,) = receiver.seen
        assert b"cAnary" in seen.head + seen.body
    (attempt,) = works.attempts()
    assert "cAnary" not in repr(attempt)
    assert "Y0FuYXJ5" not in repr(attempt)  # its beginning in base64
    assert "•••" in repr(attempt)
