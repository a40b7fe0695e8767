import json
from datetime import UTC, datetime, timedelta

from models.rules import catalogue
from models.rules.customer_types import CustomerType
from samples import load, make_samples

NOW = datetime(2027, 1, 31, 12, 0, tzinfo=UTC)


def test_the_committed_samples_are_what_the_script_makes() -> None:
    made = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in make_samples.events())
    assert make_samples.FILE.read_text(encoding="utf-8") == made


def test_every_customer_type_is_among_them() -> None:
    told = {event["customerType"] for event in make_samples.events()}
    assert told == {kind.label for kind in CustomerType}


def test_the_keys_of_events_are_unique_and_their_fields_known() -> None:
    events = list(make_samples.events())
    assert len({event["eventId"] for event in events}) == len(events)
    for name in {name for event in events for name in event["order"]}:
        catalogue.find(name)


def test_times_move_together_and_the_last_event_is_now() -> None:
    events = load.read_events(NOW, "demo1")
    times = [datetime.fromisoformat(event["occurredAt"]) for event in events]
    assert max(times) == NOW
    assert min(times) > NOW - timedelta(hours=24)
    for event in events:
        made = datetime.strptime(event["order"]["dateCreated"], load.CLOCK).replace(tzinfo=UTC)
        assert made <= datetime.fromisoformat(event["occurredAt"])


def test_two_loads_share_no_event_and_no_order() -> None:
    first, second = (load.read_events(NOW, mark) for mark in ("demo1", "demo2"))
    assert not {event["eventId"] for event in first} & {event["eventId"] for event in second}
    orders = [{event["order"].get("clientOrderId") for event in events} - {None} for events in (first, second)]
    assert not orders[0] & orders[1]


def test_sample_profiles_point_at_the_receiver_only() -> None:
    profiles = load.read_profiles("http://127.0.0.1:6000")
    urls = [profile["settings"]["url"] for profile in profiles if profile["exportType"] == "postback"]
    assert urls
    assert all(url.startswith("http://127.0.0.1:6000/") for url in urls)
