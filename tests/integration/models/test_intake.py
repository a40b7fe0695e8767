"""The intake: what is taken, what is a repeat, and what stands in the tables afterwards."""

import sqlalchemy as sa

from tests.factories import accept_events, add_profile, deliveries, event_document


def test_an_accepted_event_owes_a_delivery_to_each_matching_profile(engine: sa.Engine):
    first, second = add_profile(engine), add_profile(engine)
    taken = accept_events(engine, event_document("ev-1"))
    assert (taken.accepted, taken.duplicates, taken.errors, taken.due) == (1, 0, [], True)
    assert [(row.profile_id, row.event_key, row.state) for row in deliveries(engine)] == [
        (first, "ev-1", "pending"),
        (second, "ev-1", "pending"),
    ]
