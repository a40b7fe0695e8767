"""Bodies of the intake: one event, an array, NDJSON; and what cannot be read at all."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rules.bodies import MOST_BODY_BYTES, UnreadableBody, read_body, unpack
from models.rules.event_document import EventFault, NotJson


def refusal(raw: bytes, *, lines: bool = False) -> str:
    with pytest.raises(UnreadableBody) as caught:
        read_body(raw, lines=lines)
    return str(caught.value)


def unpack_refusal(raw: bytes) -> str:
    with pytest.raises(UnreadableBody) as caught:
        unpack(raw)
    return str(caught.value)


def test_an_object_is_one_event_and_an_array_is_many():
    assert read_body(b'{"a":1}', lines=False) == [{"a": 1}]
    assert read_body(b' \r\n[{"a":1},{"b":2}]\n', lines=False) == [{"a": 1}, {"b": 2}]


def test_an_empty_array_is_no_event_and_no_fault():
    assert read_body(b"[]", lines=False) == []


def test_a_byte_order_mark_is_skipped():
    assert read_body(b"\xef\xbb\xbf{}", lines=False) == [{}]
    assert read_body(b"\xef\xbb\xbf{}\n{}", lines=True) == [{}, {}]


@pytest.mark.parametrize("raw", [b"", b" \r\n\t", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
@pytest.mark.parametrize("lines", [False, True])
def test_nothing_is_told_to_be_empty(raw: bytes, lines: bool):
    assert refusal(raw, lines=lines) == "the body is empty"


@pytest.mark.parametrize("lines", [False, True])
def test_other_encodings_are_refused_with_the_place(lines: bool):
    assert refusal(b'{"a":"\xe4"}', lines=lines) == "the body is not UTF-8: byte 6 cannot be read"
    assert refusal('{"a":1}'.encode("utf-16"), lines=lines) == "the body is not UTF-8: byte 0 cannot be read"
    assert refusal(b'{"a":"\xed\xa0\x80"}', lines=lines) == "the body is not UTF-8: byte 6 cannot be read"


@pytest.mark.parametrize("raw", [b"5", b'"text"', b"null", b"true", b"NaN", b"-Infinity", b"1e9999999999999999999"])
def test_what_is_neither_object_nor_array_is_refused(raw: bytes):
    assert refusal(raw) == "the body must be an event or an array of events"


@pytest.mark.parametrize(
    "raw", [b"{", b"{'a':1}", b'{"a":1}{"b":2}', b'{"a":1,}', b'["\n"]', b"eventId=1", b'{"a":01}']
)
def test_broken_json_is_refused_with_the_place_and_none_of_its_content(raw: bytes):
    message = refusal(raw)
    assert message.startswith("the body is not JSON: ")
    assert "at character " in message


def test_a_broken_body_with_a_card_number_does_not_repeat_it():
    assert "4111" not in refusal(b'{"a": 4111111111111111 4111111111111111}')


def test_an_object_with_a_key_given_twice_is_one_event_at_fault():
    (document,) = read_body(b' {"a":1,"a":2}', lines=False)
    assert isinstance(document, NotJson)
    assert document.message == 'the key "a" is given twice'


@pytest.mark.parametrize("raw", [b"[" * 1_000_000, b'{"a":' * 200_000, b"[" * 5_000 + b"]" * 5_000])
def test_a_recursion_bomb_is_refused(raw: bytes):
    assert refusal(raw) == "the body is not JSON: it is nested too deeply"
    (line,) = read_body(raw, lines=True)
    assert isinstance(line, EventFault)
    assert line.message == "the line is not JSON: it is nested too deeply"


def test_a_broken_line_is_told_at_its_index_and_the_others_are_read():
    good = [json.dumps({"n": number}) for number in range(10)]
    text = "\n".join([*good[:7], '{"n": 7', *good[8:]])
    documents = read_body(text.encode(), lines=True)
    assert len(documents) == 10
    assert isinstance(documents[7], EventFault)
    assert documents[7].path == ""
    assert documents[7].message == "the line is not JSON: Expecting ',' delimiter at character 7"
    assert [document["n"] for index, document in enumerate(documents) if index != 7] == [0, 1, 2, 3, 4, 5, 6, 8, 9]


def test_lines_may_end_in_carriage_returns_and_blank_lines_do_not_count():
    assert read_body(b'\r\n{"a":1}\r\n\r\n  \n{"b":2}\r\n', lines=True) == [{"a": 1}, {"b": 2}]


def test_line_separators_of_unicode_end_no_line():
    assert read_body('{"a":"x\u2028y\x85z"}'.encode(), lines=True) == [{"a": "x\u2028y\x85z"}]


def test_a_line_of_any_json_is_read_and_judged_later():
    documents = read_body(b'5\n[]\n"a"\nNaN', lines=True)
    assert documents[:3] == [5, [], "a"]
    assert isinstance(documents[3], NotJson)


# gzip


def test_gzip_is_unpacked():
    assert unpack(gzip.compress(b'{"a":1}')) == b'{"a":1}'


def test_all_members_of_a_gzip_body_are_unpacked():
    assert unpack(gzip.compress(b"one\n") + gzip.compress(b"") + gzip.compress(b"two\n")) == b"one\ntwo\n"


@pytest.mark.parametrize("raw", [b"{}", b"\x1f\x8b", zlib.compress(b"{}"), b"\x00" * 20])
def test_what_is_not_gzip_is_refused(raw: bytes):
    assert unpack_refusal(raw) in {"the body is not gzip, or not all of it", "the gzip body breaks off"}


def test_data_behind_the_gzip_is_refused():
    assert unpack_refusal(gzip.compress(b"{}") + b"more") == "the body is not gzip, or not all of it"


@pytest.mark.parametrize("left", [0, 1, 10, 18])
def test_a_gzip_body_that_breaks_off_is_refused(left: int):
    raw = gzip.compress(b"event " * 1000)
    assert unpack_refusal(raw[:left] if left < 18 else raw[:-1]) == "the gzip body breaks off"


def test_a_gzip_body_with_a_wrong_checksum_is_refused():
    raw = bytearray(gzip.compress(b"{}"))
    raw[-5] ^= 1
    assert unpack_refusal(bytes(raw)) == "the body is not gzip, or not all of it"


def test_a_gzip_bomb_is_refused_before_it_takes_memory():
    deflate = zlib.compressobj(wbits=31)
    bomb = b"".join(deflate.compress(bytes(1024 * 1024)) for _ in range(256)) + deflate.flush()
    tracemalloc.start()
    assert unpack_refusal(bomb) == "the body is larger than 32 MiB unpacked"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * MOST_BODY_BYTES


def test_a_bomb_in_members_is_refused():
    member = gzip.compress(bytes(12 * 1024 * 1024))
    assert unpack_refusal(member * 3) == "the body is larger than 32 MiB unpacked"
    assert unpack_refusal(gzip.compress(b"") * 1001) == "the gzip body has more than 1000 members"


def test_a_body_may_have_32_mib():
    assert len(unpack(gzip.compress(bytes(MOST_BODY_BYTES), 1))) == MOST_BODY_BYTES
    assert unpack_refusal(gzip.compress(bytes(MOST_BODY_BYTES + 1), 1)) == "the body is larger than 32 MiB unpacked"


# Whatever comes


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_body_raises_anything_but_unreadable_body(raw: bytes):
    for lines in (False, True):
        with suppress(UnreadableBody):
            assert isinstance(read_body(raw, lines=lines), list)


@given(st.binary(max_size=100))
def test_no_gzip_raises_anything_but_unreadable_body(raw: bytes):
    for attempt in (raw, b"\x1f\x8b\x08\x00" + raw, gzip.compress(b"x") + raw):
        with suppress(UnreadableBody):
            unpack(attempt)
