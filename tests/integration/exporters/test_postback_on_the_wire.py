"""A postback from its columns to a receiver and back: what the reference promises, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from exporters.base import Column, Parcel, Reply, Value
from exporters.errors import AddressBlocked, Gone, TryAgain
from exporters.masking import mask_body, mask_headers, mask_text
from exporters.postback import Postback
from exporters.postback_settings import PostbackSettings
from exporters.transfer import guard_from, send
from tests.receivers import Receiver

LOOPBACK = guard_from("127.0.0.1/32")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EXAMPLE: tuple[tuple[Column, Value], ...] = (
    (Column("first_name"), "Jane"),
    (Column("order_date"), "2026-11-23 09:58:12"),
    (Column("list_id", static="400"), "400"),
    (Column("email_address"), "jane@example.com"),
    (Column("campaign_number"), 1),
)
JSON_TYPE: tuple[Column, Value] = (Column("header:Content-Type", static="application/json"), "application/json")


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def posted(url: str, *rows: tuple[Column, Value], **settings: object) -> tuple[Postback, Reply]:
    postback = Postback(PostbackSettings.model_validate({"url": url, **settings}), [column for column, _ in rows])
    parcel = Parcel("msg_27", tuple(value for _, value in rows), datetime.now(UTC))
    return postback, send(LOOPBACK, postback.request(parcel))


def test_the_example_of_the_reference_arrives_byte_for_byte(receiver: Receiver):
    posted(receiver.url("partials.php"), *EXAMPLE)
    assert receiver.seen[-1].line == (
        "GET /partials.php?first_name=Jane&order_date=2026-11-23%2009%3A58%3A12&list_id=400"
        "&email_address=jane%40example.com&campaign_number=1 HTTP/1.1"
    )
    assert receiver.seen[-1].body == b""
    assert receiver.seen[-1].headers["webhook-id"] == "msg_27"


def test_the_example_as_json_arrives_byte_for_byte(receiver: Receiver):
    posted(receiver.url("partials.php"), *EXAMPLE, JSON_TYPE)
    seen = receiver.seen[-1]
    assert (seen.line, seen.headers["content-type"]) == ("POST /partials.php HTTP/1.1", "application/json")
    assert seen.body == (
        b'{"first_name":"Jane","order_date":"2026-11-23 09:58:12","list_id":"400",'
        b'"email_address":"jane@example.com","campaign_number":1}'
    )


def test_a_form_arrives_with_its_type(receiver: Receiver):
    posted(receiver.url("ok"), (Column("header:X-Key"), "k"), (Column("name"), "Zoë & Søn"))
    seen = receiver.seen[-1]
    assert (seen.body, seen.headers["content-type"]) == (
        b"name=Zo%C3%AB%20%26%20S%C3%B8n",
        "application/x-www-form-urlencoded",
    )


@pytest.mark.parametrize("rows", [EXAMPLE, (*EXAMPLE, JSON_TYPE)])
def test_the_standard_library_for_webhooks_accepts_the_signature(
    receiver: Receiver, rows: tuple[tuple[Column, Value], ...]
):
    other = "whsec_" + "A" * 32
    posted(receiver.url("ok"), *rows, signingSecret=f"{other} {SECRET}")
    seen = receiver.seen[-1]
    for secret in (SECRET, other):
        # The library wants JSON; of a request without a body only the signature can be checked.
        if seen.body:
            Webhook(secret).verify(seen.body, seen.headers)
        else:
            at = datetime.fromtimestamp(int(seen.headers["webhook-timestamp"]), UTC)
            assert Webhook(secret).sign("msg_27", at, "") in seen.headers["webhook-signature"].split(" ")


def test_a_delivered_postback_gives_a_receipt(receiver: Receiver):
    postback, reply = posted(receiver.url("ok"), *EXAMPLE)
    assert postback.judge(reply).message == "200 OK"


def test_answers_are_judged_as_they_came(receiver: Receiver):
    postback, reply = posted(receiver.url("status/503/Retry-After:7"))
    with pytest.raises(TryAgain) as again:
        postback.judge(reply)
    assert (str(again.value), again.value.retry_after, again.value.shuts_gate) == (
        "503 Service Unavailable",
        timedelta(seconds=7),
        True,
    )
    postback, reply = posted(receiver.url("status/410"))
    with pytest.raises(Gone):
        postback.judge(reply)


def test_a_refused_address_holds_the_profile():
    postback = Postback(PostbackSettings(url="http://127.0.0.1:9/"), [])
    reply = send(guard_from(""), postback.request(Parcel("msg_1", (), datetime.now(UTC))))
    with pytest.raises(AddressBlocked) as blocked:
        postback.judge(reply)
    assert (str(blocked.value), blocked.value.address) == ("address not allowed", "127.0.0.1")


@pytest.mark.parametrize("has_body", [False, True])
def test_no_secret_is_left_in_what_is_recorded_of_an_echoing_receiver(receiver: Receiver, *, has_body: bool):
    canary = 'canary/7+"ß&end'
    rows: list[tuple[Column, Value]] = [
        (Column("token", static=canary, secret=True), None),
        (Column("note", static="quiet canary two", secret=True), None),
    ]
    if has_body:
        rows += [JSON_TYPE, (Column("header:Authorization", static="Bearer canary-three", secret=True), None)]
    settings = PostbackSettings(url=receiver.url("echo?api_key=canary-four"))
    postback = Postback(settings, [column for column, _ in rows])
    request = postback.request(Parcel("msg_1", tuple(value for _, value in rows), datetime.now(UTC)))
    reply = send(LOOPBACK, request)
    assert b"canary" in reply.body  # it did arrive, and came back
    shown = [
        repr(request),
        mask_text(request.url, request.secrets),
        mask_body(request.body or b"", request.secrets),
        str(mask_headers(request.headers, request.secrets)),
        mask_body(reply.body, request.secrets),
        postback.target(),
    ]
    assert not [text for text in shown if "canary" in text]
