"""What the pump asks of Postgres, counted, with a real receiver: a statement, a round trip or a byte more is noticed here.

The budgets stand in docs/performance.md. Who has a good reason to spend more changes both.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from models.base import utc_now
from tests.factories import route, unique
from tests.integration.counts.budgets import budget
from tests.integration.counts.ledger import Bill, Ledger, cheapest
from tests.integration.worker.works import Works
from tests.receivers import Receiver
from worker import pump, verdict

BATCH = pump.IN_FLIGHT - pump.KEPT
"""What one claim takes when few profiles have much to send."""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def send_one_batch(one: pump.Pump) -> None:
    """Claim, send and record as the pump does, but in one batch however slow this machine is at the moment."""
    one.claim_and_start()
    assert sum(one.flying.values()) == BATCH
    while one.flying:
        for sent, reply in one.flights.finished(0.2):
            one.note_landing(sent)
            one.results.add(*verdict.judge(sent, reply, now=utc_now(), luck=random.random()))
    one.record()


def bill_of_batches(ledger: Ledger, works: Works, receiver: Receiver, *, profiles: int) -> Bill:
    """Send three batches of `profiles` profiles after a first one, which the pump needs to learn what they are."""
    campaign = unique("campaign")
    for _ in range(profiles):
        works.profile(receiver.url(), routes=[route(campaign=campaign)], settings={"maxInFlight": 256})
    one = works.by_hand()
    assert one.begin()
    works.events(BATCH // profiles, campaignId=campaign)
    send_one_batch(one)

    def next_batch() -> Bill:
        works.events(BATCH // profiles, campaignId=campaign)
        with ledger.counted(one.place.engine) as bill:
            send_one_batch(one)
        return bill

    bill = cheapest(next_batch)
    assert works.is_done()
    return bill


def test_a_batch_of_postbacks_of_one_profile_keeps_its_budget(ledger: Ledger, works: Works, receiver: Receiver):
    bill = bill_of_batches(ledger, works, receiver, profiles=1)
    assert bill.keeps(budget("192 postbacks of one profile: claimed, rendered, recorded"), of=BATCH)


def test_every_profile_more_in_a_batch_costs_one_statement(ledger: Ledger, works: Works, receiver: Receiver):
    bill = bill_of_batches(ledger, works, receiver, profiles=4)
    assert bill.keeps(budget("192 postbacks of four profiles"), of=BATCH)
