"""`.env.example` and `Config` name the same settings."""

import re
from dataclasses import fields
from pathlib import Path

from config import Config

LINES = Path(".env.example").read_text(encoding="utf-8").splitlines()
EXAMPLE = dict(line.split("=", 1) for line in LINES if re.match(r"[A-Z_]+=", line))


def test_every_setting_is_in_the_example_and_nothing_else() -> None:
    assert list(EXAMPLE) == [field.name.upper() for field in fields(Config)]


def test_the_example_shows_the_defaults() -> None:
    defaults = {field.name.upper(): field.metadata["default"] for field in fields(Config)}
    assert {name: EXAMPLE[name] for name, default in defaults.items() if default is not None} == {
        name: default for name, default in defaults.items() if default is not None
    }


def test_every_setting_has_a_sentence_above_it() -> None:
    assert all(LINES[LINES.index(f"{name}={value}") - 1].startswith("# ") for name, value in EXAMPLE.items())
