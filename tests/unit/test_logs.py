"""What stands in the log."""

import json
import logging

import pytest

from logs import JsonLines


@pytest.mark.parametrize(
    "text", ['x\n{"event": "forged"}', "x\r\ny", "\x1b[2J\x1b]0;title\x07", "\x85\u2028\u2029", "\x9b31m"]
)
def test_no_text_makes_a_second_line(text: str) -> None:
    """Nor does it speak to the terminal that shows it."""
    record = logging.makeLogRecord({"name": "worker", "msg": text, "profile": text, text: "name"})
    line = JsonLines().format(record)
    assert len(line.splitlines()) == 1
    assert all(letter.isprintable() for letter in line)
    told = json.loads(line)
    assert (told["event"], told["profile"], told[text]) == (text, text, "name")


def test_letters_of_all_people_can_be_read() -> None:
    line = JsonLines().format(logging.makeLogRecord({"msg": "é 日本 😀"}))
    assert "é 日本 😀" in line
