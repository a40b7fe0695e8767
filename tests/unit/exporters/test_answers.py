"""The table of answers: delivered, again, or a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exporters.base import Column, Failing, Reply
from exporters.errors import AddressBlocked, Blame, ExporterError, Gone, Scope, TryAgain
from exporters.postback import Postback
from exporters.postback_settings import PostbackSettings

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)


def reply(status: int | None = 200, body: bytes = b"", **more: Any) -> Reply:
    headers = tuple(more.pop("headers", ()))
    return Reply(AT, 40, status, headers, body, **more)


def verdict(answer: Reply, *, success: dict[str, Any] | None = None) -> Any:
    """The receipt's message, or the error."""
    settings = PostbackSettings.model_validate({"url": "https://h.example/", "successBody": success})
    try:
        return Postback(settings, [Column("token", static="canary", secret=True)]).judge(answer).message
    except ExporterError as error:
        return error


@pytest.mark.parametrize(
    ("status", "line"), [(200, "200 OK"), (201, "201 Created"), (204, "204 No Content"), (299, "299")]
)
def test_a_whole_2xx_is_delivered(status: int, line: str):
    assert verdict(reply(status)) == line


@pytest.mark.parametrize("status", [400, 405, 406, 409, 413, 414, 415, 422])
def test_these_are_the_rows_own_fault(status: int):
    error = verdict(reply(status))
    assert (type(error), error.blame, error.alerts) == (TryAgain, Blame.ROW, False)


@pytest.mark.parametrize("status", [401, 402, 403, 404, 407, 418, 451])
def test_other_4xx_count_against_the_receiver_and_alert(status: int):
    error = verdict(reply(status))
    assert (type(error), error.blame, error.alerts) == (TryAgain, Blame.RECEIVER, True)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599, 999, 199])
def test_what_may_pass_by_itself_counts_against_the_receiver(status: int):
    error = verdict(reply(status))
    assert (type(error), error.blame, error.shuts_gate) == (TryAgain, Blame.RECEIVER, False)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_a_failure_that_shows_where_to_without_secrets(status: int):
    error = verdict(reply(status, headers=[("location", "https://other.example/login?x=canary\x00")]))
    assert (type(error), error.blame, error.alerts) == (TryAgain, Blame.RECEIVER, True)
    assert "not followed: https://other.example/login" in str(error)
    assert "canary" not in str(error)


def test_410_asks_for_a_person_and_probes_each_six_hours():
    error = verdict(reply(410))
    assert (type(error), error.scope, error.probe_after) == (Gone, Scope.PROFILE, timedelta(hours=6))


def test_a_refused_address_asks_for_a_person_and_probes_each_quarter_hour():
    error = verdict(reply(None, failing=Failing.BLOCKED, error="address not allowed", address="10.0.0.1"))
    assert (type(error), error.address, error.probe_after) == (AddressBlocked, "10.0.0.1", timedelta(minutes=15))
    assert "10.0.0.1" not in str(error)


@pytest.mark.parametrize("failing", sorted(set(Failing) - {Failing.BLOCKED}))
def test_a_transfer_that_failed_is_tried_again_whatever_its_status(failing: Failing):
    error = verdict(reply(200, failing=failing, error="why"))
    blame = Blame.ROW if failing is Failing.TOO_LARGE else Blame.RECEIVER
    assert (type(error), error.blame, str(error)) == (TryAgain, blame, "why")


# ---- Retry-After ---------------------------------------------------------------------------------------------------

DAY = timedelta(hours=24)


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("7", timedelta(seconds=7)),
        ("0", None),
        ("86400", DAY),
        ("315360000", DAY),
        ("999999999999", DAY),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        ("Mon, 23 Nov 2026 10:01:00 GMT", timedelta(seconds=60) - timedelta(milliseconds=40)),
        ("Mon, 23 Nov 2026 09:59:00 GMT", None),
        ("Wed, 23 Nov 2036 10:00:00 GMT", DAY),
        ("Mon, 99 Nov 2026 10:00:00 GMT", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_read_within_bounds_and_shuts_the_gate(status: int, text: str, wait: timedelta | None):
    error = verdict(reply(status, headers=[("Retry-After", text)]))
    assert (error.retry_after, error.shuts_gate) == (wait, wait is not None)


def test_a_retry_after_elsewhere_does_not_shut_the_gate():
    error = verdict(reply(500, headers=[("retry-after", "9")]))
    assert (error.retry_after, error.shuts_gate) == (timedelta(seconds=9), False)


# ---- successBody ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ({"contains": "success=true"}, b"a success=true b", b"success=false; err_msg=duplicate"),
        ({"contains": "Zoë"}, "Zoë".encode(), b"zoe"),
        ({"regex": r"(?i)^ok\b"}, b"OK then", b"not ok"),
        ({"jsonPath": "result.ok", "equals": True}, b'{"result":{"ok":true}}', b'{"result":{"ok":1}}'),
        ({"jsonPath": "items[0].id", "equals": 7}, b'{"items":[{"id":7.0}]}', b'{"items":[{"id":"7"}]}'),
        ({"jsonPath": "n", "equals": 0.1}, b'{"n":0.10}', b'{"n":0.11}'),
        ({"jsonPath": "a", "equals": None}, b'{"a":null}', b"{}"),
        ({"jsonPath": "a", "equals": "x"}, b'{"a":"x"}', b'{"a":["x"]}'),
        ({"jsonPath": "[0]", "equals": "x"}, b'["x"]', b"not json"),
        ({"jsonPath": "a", "equals": False}, b'{"a":false}', b'{"a":0}'),
        ({"jsonPath": "a", "equals": 1}, b'{"a":1}', b"[" * 16000),
        ({"jsonPath": "a", "equals": 1}, b'{"a":1}', b'{"a":true}'),
        ({"jsonPath": "a", "equals": 1}, b'{"a":1}', b'{"a":' + b"9" * 6000 + b"}"),
    ],
)
def test_a_rule_for_the_body_decides_a_2xx(rule: dict[str, Any], good: bytes, bad: bytes):
    assert verdict(reply(200, good), success=rule) == "200 OK"
    error = verdict(reply(200, bad), success=rule)
    assert (type(error), error.blame) == (TryAgain, Blame.NOBODY)
    assert str(error).startswith("200 OK, but the answer")


def test_a_hostile_expression_takes_no_time():
    rule = {"regex": "(a+)+$"}
    assert isinstance(verdict(reply(200, b"a" * 16000 + b"!"), success=rule), TryAgain)


def test_a_rule_does_not_save_another_status():
    assert verdict(reply(500, b"ok"), success={"contains": "ok"}).blame is Blame.RECEIVER
