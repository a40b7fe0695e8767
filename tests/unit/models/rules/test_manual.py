"""The manual page of field mappings says what the code does."""

from pathlib import Path

from models.rules.manual import EXAMPLES, page
from models.rules.modifiers import _WITH_ARGUMENT, Plain, parse

PAGE = Path(__file__).parents[4] / "docs" / "mappings.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == "".join(page())


def test_every_modifier_has_an_example() -> None:
    shown = {example.modifier.partition(":")[0] for example in EXAMPLES}
    assert shown == {plain.value for plain in Plain} | set(_WITH_ARGUMENT)
    for example in EXAMPLES:
        assert parse(example.modifier)
