"""Single deliveries over the API: send again, put aside, release, cancel."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.factories import accept_events, add_profile, deliveries, event_document
from tests.integration.web.api.conftest import Program


@pytest.fixture
def delivery(engine: sa.Engine) -> int:
    profile = add_profile(engine)
    accept_events(engine, event_document())
    return int(deliveries(engine, profile=profile)[0].id)


def test_a_delivery_is_put_aside_released_cancelled_and_sent_again(pia: Program, delivery: int) -> None:
    def do(act: str, **body: str) -> tuple[str, str | None]:
        answer = pia.post(f"/deliveries/{delivery}/{act}", body or None)
        assert answer.status_code == 200, answer.text
        return answer.json["state"], (answer.json["reason"] or "").rpartition(": ")[2]

    assert do("hold", reason="asks for a refund") == ("held", "asks for a refund")
    assert do("release") == ("pending", "")
    assert do("hold") == ("held", "no reason given")
    assert do("cancel", reason="refunded") == ("cancelled", "refunded")
    assert do("send-again") == ("pending", "")


def test_what_is_not_possible_is_409_and_what_is_not_there_404(pia: Program, delivery: int) -> None:
    assert pia.post(f"/deliveries/{delivery}/release").status_code == 409
    pia.post(f"/deliveries/{delivery}/cancel", {"reason": "x"})
    for act in ("cancel", "hold"):
        answer = pia.post(f"/deliveries/{delivery}/{act}", {"reason": "x"})
        assert (answer.status_code, set(answer.json)) == (409, {"error", "details"})
    for number in ("999999999", "abc", "0", "9" * 18, "9" * 30):
        for act in ("send-again", "hold", "release", "cancel"):
            assert pia.post(f"/deliveries/{number}/{act}").status_code == 404, number


@pytest.mark.parametrize("body", [{"reason": 7}, {"reason": "x" * 501}, {"reason": "\x00"}, {"why": "x"}])
def test_a_reason_is_a_text(pia: Program, delivery: int, body: dict[str, object]) -> None:
    answer = pia.post(f"/deliveries/{delivery}/hold", body)
    assert answer.status_code == 422, answer.text


def test_a_key_that_may_only_read_does_nothing(engine: sa.Engine, reader: Program, delivery: int) -> None:
    for act in ("send-again", "hold", "release", "cancel"):
        assert reader.post(f"/deliveries/{delivery}/{act}").status_code == 403
    assert deliveries(engine)[-1].state == "pending"
