"""Rules R12 to R23: method, place, encoding, headers, JSON, and what is refused on save."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from exporters.base import Column, Json, Parcel, Request, Value, WhenEmpty
from exporters.errors import BadSettings, Unsendable
from exporters.postback import FORM, Postback
from exporters.postback_settings import PostbackSettings

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
JSON = ("header:Content-Type", "application/json")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

Row = tuple[str | Column, Value]


def postback(*rows: Row, url: str = "https://example.com/p", **settings: Any) -> Postback:
    """A name alone is a Static column when it is a header, else a Field."""
    columns = []
    for name, value in rows:
        static = str(value) if isinstance(name, str) and name.strip().lower().startswith("header:") else None
        columns.append(name if isinstance(name, Column) else Column(name, static=static))
    return Postback(PostbackSettings.model_validate({"url": url, **settings}), columns)


def request(*rows: Row, url: str = "https://example.com/p", **settings: Any) -> Request:
    return postback(*rows, url=url, **settings).request(Parcel("msg_1", tuple(value for _, value in rows), AT))


def query(*rows: Row) -> str:
    return request(*rows).url.partition("?")[2]


def json_body(*rows: Row) -> str:
    return (request(*rows, JSON).body or b"").decode()


def faults(*rows: Row, **settings: Any) -> list[int]:
    return [fault.index for fault in postback(*rows, **settings).faults()]


# ---- method and place (R14, R17 to R22) ----------------------------------------------------------------------------

GET, POST, PUT, PATCH, DELETE = (("header:httpMethod", method) for method in ("GET", "POST", "PUT", "PATCH", "DELETE"))
IN_URL, IN_BODY = ("header:httpMethodType", "GET"), ("header:httpMethodType", "POST")
KEY = ("header:X-Key", "k")


@pytest.mark.parametrize(
    ("rows", "method", "url", "body"),
    [
        ((), "GET", "?a=1", None),
        ((KEY,), "POST", "", "a=1"),
        ((JSON,), "POST", "", '{"a":"1"}'),
        ((IN_BODY,), "POST", "", "a=1"),
        ((IN_URL,), "GET", "?a=1", None),
        ((GET, KEY), "GET", "?a=1", None),
        ((GET, IN_BODY), "GET", "?a=1", None),
        ((GET, JSON), "GET", "?a=1", None),
        ((POST,), "POST", "", "a=1"),
        ((POST, IN_URL), "POST", "?a=1", None),
        ((JSON, IN_URL), "POST", "?a=1", None),
        ((PUT,), "PUT", "?a=1", None),
        ((PATCH,), "PATCH", "?a=1", None),
        ((DELETE,), "DELETE", "?a=1", None),
        ((PUT, KEY), "PUT", "?a=1", None),
        ((PUT, JSON), "PUT", "", '{"a":"1"}'),
        ((PATCH, ("header:content-type", "text/x")), "PATCH", "", "a=1"),
        ((DELETE, IN_BODY), "DELETE", "", "a=1"),
        ((PUT, JSON, IN_URL), "PUT", "?a=1", None),
        ((("HEADER: HTTPMETHOD ", "put"),), "PUT", "?a=1", None),
    ],
)
def test_method_and_place_follow_the_mappings(rows: tuple[Row, ...], method: str, url: str, body: str | None):
    made = request(("a", "1"), *rows)
    assert (made.method, made.url) == (method, "https://example.com/p" + url)
    assert made.body == (None if body is None else body.encode())


def test_control_names_are_never_sent():
    made = request(("a", "1"), POST, IN_BODY)
    assert "httpmethod" not in repr(made).lower()


@pytest.mark.parametrize(
    ("content_type", "is_json"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/vnd.api+json", True),
        ("text/json", False),
        ("application/jsonp", False),
        ("application/x-www-form-urlencoded", False),
    ],
)
def test_the_content_type_decides_the_shape_of_the_body_and_is_sent_as_written(content_type: str, *, is_json: bool):
    made = request(("a", "1"), ("Header:CONTENT-type", content_type))
    assert made.body == (b'{"a":"1"}' if is_json else b"a=1")
    assert made.headers[0] == ("CONTENT-type", content_type)


def test_a_form_without_a_type_gets_one_and_a_get_none():
    assert ("Content-Type", FORM) in request(("a", "1"), KEY).headers
    assert request(("a", "1")).headers == (("webhook-id", "msg_1"),)
    assert ("Content-Type", "application/json") in request(("a", "1"), JSON, IN_URL).headers


# ---- encoding (R15, R16) -------------------------------------------------------------------------------------------


def test_only_unreserved_characters_stay():
    text = "".join(map(chr, range(256))) + "€😀"
    stays = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    wanted = "".join(c if c in stays else "".join(f"%{byte:02X}" for byte in c.encode()) for c in text)
    assert query(("a", text)) == f"a={wanted}"
    assert query(("a", text[:128])) == "a=" + "".join(c if c in stays else f"%{ord(c):02X}" for c in text[:128])


@pytest.mark.parametrize(
    ("value", "coded"),
    [("Zoë & Søn", "Zo%C3%AB%20%26%20S%C3%B8n"), ("a+b@example.com", "a%2Bb%40example.com"), ("٣", "%D9%A3")],
)
def test_the_examples_of_the_reference(value: str, coded: str):
    assert query(("x", value)) == f"x={coded}"


def test_names_are_trimmed_encoded_and_literal():
    assert query((" first name ", "1"), ("user[a].b", "2")) == "first%20name=1&user%5Ba%5D.b=2"


def test_equal_names_stay_in_order():
    assert query(("a", "1"), ("b", "2"), ("a", "3")) == "a=1&b=2&a=3"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h.example/p?org=7&plugin=2", "https://h.example/p?org=7&plugin=2&a=1"),
        ("https://h.example/p?", "https://h.example/p?a=1"),
        ("https://h.example/p?x=%aa&", "https://h.example/p?x=%aa&a=1"),
        ("https://h.example?x=1#part", "https://h.example/?x=1&a=1"),
        ("https://h.example", "https://h.example/?a=1"),
    ],
)
def test_the_query_of_the_url_stays_and_ours_follows(url: str, expected: str):
    assert request(("a", "1"), url=url).url == expected


def test_the_query_of_the_url_stays_with_a_body_too():
    made = request(("a", "1"), JSON, url="https://h.example/p?org=7")
    assert (made.url, made.body) == ("https://h.example/p?org=7", b'{"a":"1"}')


def test_without_parameters_there_is_no_question_mark():
    assert request().url == "https://example.com/p"
    assert request((Column("a", WhenEmpty.OMIT), None)).url == "https://example.com/p"


# ---- values (docs/rules.md) ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text", "in_json"),
    [
        (True, "1", "true"),
        (False, "0", "false"),
        (7, "7", "7"),
        (0, "0", "0"),
        (Decimal("199.00"), "199.00", "199.00"),
        (Decimal("1E+3"), "1000", "1000"),
        (Decimal("1E-9"), "0.000000001", "0.000000001"),
        (Decimal("12345678901234567890.12"), "12345678901234567890.12", "12345678901234567890.12"),
        (Json('[{"sku":"W-1"}]'), "%5B%7B%22sku%22%3A%22W-1%22%7D%5D", '[{"sku":"W-1"}]'),
        ('é"\\\n', "%C3%A9%22%5C%0A", '"é\\"\\\\\\n"'),
    ],
)
def test_a_value_is_written_exactly(value: Value, text: str, in_json: str):
    assert query(("v", value)) == f"v={text}"
    assert json_body(("v", value)) == f'{{"v":{in_json}}}'


@pytest.mark.parametrize("empty", [None, ""])
@pytest.mark.parametrize(
    ("when_empty", "in_query", "in_json"),
    [
        (None, "v=&z=1", '{"z":"1"}'),
        (WhenEmpty.OMIT, "z=1", '{"z":"1"}'),
        (WhenEmpty.EMPTY, "v=&z=1", '{"v":"","z":"1"}'),
        (WhenEmpty.NULL, "v=&z=1", '{"v":null,"z":"1"}'),
    ],
)
def test_what_is_empty_depends_on_its_place(empty: Value, when_empty: WhenEmpty | None, in_query: str, in_json: str):
    rows = ((Column("v", when_empty), empty), ("z", "1"))
    assert query(*rows) == in_query
    assert json_body(*rows) == in_json
    assert (request(*rows, KEY).body or b"").decode() == in_query


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity")])
@pytest.mark.parametrize("rows", [(), (JSON,)])
def test_an_amount_that_is_no_number_cannot_be_sent(value: Decimal, rows: tuple[Row, ...]):
    with pytest.raises(Unsendable):
        request(("v", value), *rows)


@pytest.mark.parametrize("rows", [(), (JSON,), (KEY,)])
def test_half_a_character_cannot_be_sent(rows: tuple[Row, ...]):
    with pytest.raises(Unsendable):
        request(("v", "\ud800"), *rows)


# ---- JSON bodies (R12, R13) ----------------------------------------------------------------------------------------


def test_paths_make_objects_and_arrays_in_mapping_order():
    assert json_body(
        ("z", "1"), ("user_data.em[0]", "x"), ("a", "2"), ("user_data.ph", "y"), ("user_data.em[1]", "w"),
        ("m[1][0]", "p"), ("m[0][0]", "q"), (r"lit\.er\[al]", "3"), (r"back\slash", "4"),
    ) == (
        r'{"z":"1","user_data":{"em":["x","w"],"ph":"y"},"a":"2","m":[["q"],["p"]],"lit.er[al]":"3","back\\slash":"4"}'
    )  # fmt: skip


def test_empty_containers_are_left_out_and_arrays_close_up():
    assert json_body(("a.b.c", None), ("l[0]", None), ("l[1]", "x"), ("l[2].y", None), ("e[0]", "")) == '{"l":["x"]}'
    assert json_body(("a", None)) == "{}"
    assert json_body() == "{}"


@pytest.mark.parametrize(
    "names",
    [("a", "a"), ("a", "a.b"), ("a.b", "a"), ("a[0]", "a.b"), ("a.b", "a[0]"), ("a[0]", "a[0]"), ("a", "a[0].b"),
     (" a", "a ")],
)  # fmt: skip
def test_one_place_cannot_be_two_things(names: tuple[str, str]):
    assert faults((names[0], "1"), (names[1], "2"), JSON) == [1]
    assert faults((names[0], "1"), (names[1], "2")) == []  # outside JSON names are literal


@pytest.mark.parametrize(
    "name", ["a..b", ".a", "a.", "a[", "a[x]", "a[0", "a[0]b", "[0]", "a[-1]", "a[12345]", "a.[0]"]
)
def test_a_name_that_is_no_path_is_refused_in_json(name: str):
    assert faults((name, "1"), JSON) == [0]
    assert faults((name, "1")) == []


# ---- what is refused on save (R17, R19, R23) -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["Host", "content-length", "Transfer-Encoding", "Connection", "Keep-Alive", "UPGRADE", "TE", "Trailer", "Expect",
     "Proxy-Authorization", "proxy-x", "webhook-id", "X Y", "X\r\nY", "Zoë", "", "a:b", "(x)"],
)  # fmt: skip
def test_a_header_that_is_not_the_profiles_is_refused(name: str):
    assert faults(("a", "1"), (f"header:{name}", "v")) == [1]


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\n", "\0", "\x7f", "a\tb", "\x85"])
def test_a_static_header_with_a_control_character_is_refused(value: str):
    assert faults(("header:X-A", value)) == [0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("header:httpMethod", "TRACE"),
        ("header:httpMethod", ""),
        ("header:httpMethodType", "PUT"),
        ("header:HTTPMETHODTYPE", "x"),
    ],
)
def test_other_values_of_control_names_are_refused(name: str, value: str):
    assert faults((name, value)) == [0]


def test_control_names_and_the_content_type_must_be_static():
    assert faults((Column("header:httpMethod"), "GET"), (Column("header:Content-Type"), "application/json")) == [0, 1]
    assert faults((Column("header:X-Order"), "9")) == []


def test_a_header_stands_once_whatever_its_case():
    assert faults(("header:X-A", "1"), ("Header:x-a", "2"), PUT, ("header:HTTPmethod", "PUT")) == [1, 3]


def test_an_empty_name_is_refused():
    assert faults(("  ", "1")) == [0]


def test_half_a_character_in_a_name_is_refused():
    assert faults(("\ud800", "1")) == faults(("\ud800", "1"), JSON) == [0]


def test_headers_that_waybill_sends_itself_are_refused_while_it_does():
    own = (("header:webhook-signature", "x"), ("header:Idempotency-Key", "y"))
    assert faults(*own) == []
    assert faults(*own, signingSecret=SECRET) == [0]
    assert faults(*own, idempotencyKey=True) == [1]


def test_a_profile_with_faults_makes_no_request_and_says_which_mapping():
    with pytest.raises(BadSettings, match="mapping 2"):
        request(("a", "1"), ("header:Host", "x"))


# ---- headers -------------------------------------------------------------------------------------------------------


def test_control_characters_from_an_event_become_a_space_and_an_empty_header_is_left_out():
    made = request((Column("header:X-A"), "a\r\nX: y\0"), (Column("header:X-B"), None), (Column("header:X-C"), " \n "))
    assert made.headers[0] == ("X-A", "a  X: y")
    assert [name for name, _ in made.headers] == ["X-A", "Content-Type", "webhook-id"]
    assert made.method == "POST"


def test_the_webhook_id_is_on_every_request_and_changes_no_method():
    assert request().headers == (("webhook-id", "msg_1"),)
    made = request(signingSecret=SECRET, idempotencyKey=True)
    assert (made.method, made.body) == ("GET", None)
    names = [name for name, _ in made.headers]
    assert names == ["webhook-id", "Idempotency-Key", "webhook-timestamp", "webhook-signature"]
    assert dict(made.headers)["Idempotency-Key"] == "msg_1"


def test_the_signature_is_that_of_the_published_example():
    rows = ((Column("test"), None), JSON)
    spaced = Json(" 2432232314")  # the published body has a blank after the colon
    at = datetime.fromtimestamp(1614265330, UTC)
    parcel = Parcel("msg_p5jXN8AQM9LWM0D4loKWxJek", (spaced, "application/json"), at)
    made = postback(*rows, signingSecret=SECRET).request(parcel)
    assert made.body == b'{"test": 2432232314}'
    assert made.headers[-2:] == (
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    )


def test_two_signing_secrets_give_two_signatures():
    made = request(signingSecret=f"{SECRET} whsec_{'A' * 32}")
    signatures = dict(made.headers)["webhook-signature"].split(" ")
    assert len(set(signatures)) == 2
    assert all(signature.startswith("v1,") for signature in signatures)


def test_a_repeat_has_the_same_bytes():
    rows = (("a", "1"), JSON)
    sender = postback(*rows, signingSecret=SECRET)
    parcel = Parcel("msg_1", ("1", "application/json"), AT)
    assert sender.request(parcel) == sender.request(parcel)


# ---- secrets -------------------------------------------------------------------------------------------------------


def test_a_secret_static_is_put_in_at_the_last_moment_and_never_printed():
    made = request((Column("key", static="canary-1", secret=True), None), ("b", "2"))
    assert made.url == "https://example.com/p?key=canary-1&b=2"
    assert made.secrets == ("canary-1",)
    assert "canary" not in repr(made)


def test_what_stands_under_a_secrets_name_counts_as_one():
    made = request(("token", "canary-2"), url="https://example.com/p?api_key=canary%2D3")
    assert set(made.secrets) == {"canary-2", "canary-3"}
    assert "canary" not in repr(made)


def test_a_profile_without_secrets_lists_none():
    assert request(("a", "1")).secrets == ()


def test_the_target_is_a_human_line_without_a_secret():
    assert postback(url="https://postingmydata.com/x?token=canary").target() == "GET postingmydata.com"
    assert postback(JSON, url="https://h.example:8443/").target() == "POST h.example:8443"
