"""The manual page of files says what the code does."""

from __future__ import annotations

from pathlib import Path

from exporters.ftp_settings import FtpSettings
from models.rules.schedule import parse
from web.file_manual import page

PAGE = Path(__file__).parents[3] / "docs" / "files.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == "".join(page())


def test_every_setting_stands_on_it_once() -> None:
    text = "".join(page())
    for name, info in FtpSettings.model_fields.items():
        assert text.count(f"\n| `{info.alias or name}` |") == 1, name


def test_the_schedules_it_shows_can_be_read() -> None:
    table = "".join(page()).split("| schedule | means |")[1].split("\n\n")[0]
    shown = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert len(shown) == 5
    for text in shown:
        parse(text)
