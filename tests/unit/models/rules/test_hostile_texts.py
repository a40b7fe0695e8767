"""What people may type into rules is read or refused in words; nothing else ever comes out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.rules import cron, filenames, schedule, templates

QUICK = settings(max_examples=200, deadline=None)
PIECES = {
    "cron": [
        "*",
        "*/",
        "0",
        "59",
        "60",
        "-",
        ",",
        "/",
        "-1",
        "mon",
        "jan-dec",
        "L",
        "#",
        "99999999999999999999",
        "٣",
        "\x00",
        " ",
    ],
    "schedule": [
        "daily",
        "weekdays",
        "every",
        "cron",
        "manual",
        "06:00",
        "24:00",
        "mon,fri",
        "hours",
        "2",
        " ",
        ",",
        "٣",
        "\ud800",
    ],
    "name": [
        "{",
        "}",
        "{date}",
        "{date:%Y}",
        "{{",
        "{}",
        "{rows}",
        "{x.__class__}",
        "..",
        "/",
        "\\",
        "\x00",
        "\ud800",
        ".",
        " ",
        "a",
    ],
    "template": [
        "{",
        "}",
        "{firstName}",
        "{custom:x}",
        "{{",
        "{7*7}",
        "{0}",
        "{x.__class__}",
        "\x00",
        "\ud800",
        "a",
        "items[0].",
    ],
}
READERS: dict[str, tuple[str, Callable[[str], object], type[ValueError]]] = {
    "cron": ("cron", cron.parse, cron.BadCron),
    "schedule": ("schedule", schedule.parse, schedule.BadSchedule),
    "file name": ("name", filenames.check, filenames.BadName),
    "folder": ("name", filenames.check_folder, filenames.BadName),
    "template": ("template", templates.parse, templates.BadTemplate),
}


def texts(kind: str) -> st.SearchStrategy[str]:
    """Anything, or pieces of the grammar in a wrong order."""
    pieces = st.lists(st.sampled_from(PIECES[kind]) | st.text(st.characters(codec=None), max_size=3), max_size=8)
    return pieces.map("".join) | pieces.map(" ".join)


@pytest.mark.parametrize("name", READERS)
@QUICK
@given(data=st.data())
def test_any_text_is_read_or_refused_in_words(name: str, data: st.DataObject) -> None:
    kind, read, refusal = READERS[name]
    text = data.draw(texts(kind))
    words = "taken, thank you"
    try:
        read(text)
    except refusal as refused:
        words = str(refused)
    assert len(words) > 10
