"""Names of files: safe whatever the values, never cut at the date, refused with a sentence where they are written."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rules.filenames import (
    MOST_BYTES,
    PLACEHOLDERS,
    BadName,
    NameFacts,
    alike,
    check,
    check_folder,
    file_name,
    folder,
    numbered,
)

FACTS = NameFacts(
    profile="Daily",
    customer_type="New Sale",
    campaign="Lander",
    product="all",
    at=datetime(2026, 11, 23, 6, 5, 9, tzinfo=ZoneInfo("America/New_York")),
    run=17,
    seq=3,
    part=2,
    rows=120,
    uuid="0000-1111",
)
SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


def name(template: str, facts: NameFacts = FACTS, *, compression: str = "none", is_parted: bool = False) -> str:
    return file_name(template, facts, extension="csv", compression=compression, is_parted=is_parted)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{profile}_{route}_{date}", "Daily_New_Sale_Lander_all_2026-11-23.csv"),
        ("{customerType}-{campaign}-{product}", "New_Sale-Lander-all.csv"),
        ("{ymd}-{time}", "20261123-060509.csv"),
        ("{year}.{month}.{day}.{hour}.{minute}", "2026.11.23.06.05.csv"),
        ("{run}-{seq}-{part}-{rows}-{uuid}", "17-3-2-120-0000-1111.csv"),
        ("daily report {date}", "daily_report_2026-11-23.csv"),
        ("Umsätze", "Umsatze.csv"),
    ],
)
def test_a_template_is_filled_in(template: str, expected: str) -> None:
    check(template)
    assert name(template) == expected


def test_every_placeholder_is_good() -> None:
    for placeholder in PLACEHOLDERS:
        check(f"x{{{placeholder}}}")


@pytest.mark.parametrize(
    ("compression", "ending"), [("none", ".csv"), ("gzip", ".csv.gz"), ("zstd", ".csv.zst"), ("zip", ".csv.zip")]
)
def test_packing_adds_its_own_ending(compression: str, ending: str) -> None:
    assert name("a", compression=compression) == f"a{ending}"


def test_parts_are_told_apart_even_without_a_placeholder() -> None:
    assert name("a", is_parted=True) == "a-p2.csv"
    assert name("a{part}", is_parted=True) == "a2.csv"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("../x\r\nDELE a", "_x__DELE_a"),
        ("C:\\x\x00y", "C__x_y"),
        ("Łódź ☃ 🎉", "Lodz____"),
        ("...", "_"),
        ("--rf", "rf"),
        ("a..b", "a.b"),
        ("ﬁn", "fin"),
        ("\N{FULLWIDTH SOLIDUS}\N{FULLWIDTH LATIN CAPITAL LETTER A}", "_A"),
    ],
)
def test_a_value_can_say_nothing_to_a_server(value: str, written: str) -> None:
    assert name("{campaign}", replace(FACTS, campaign=value)) == f"{written}.csv"


@given(st.text(max_size=400), st.text(max_size=400), st.sampled_from(["none", "gzip", "zip"]), st.booleans())
def test_whatever_the_values_the_name_is_safe(campaign: str, profile: str, compression: str, is_parted: bool) -> None:
    facts = replace(FACTS, campaign=campaign, profile=profile)
    made = name("{profile}_{route}_{date}", facts, compression=compression, is_parted=is_parted)
    assert SAFE.fullmatch(made)
    assert ".." not in made
    assert len(made) <= MOST_BYTES
    assert "2026-11-23" in made


@given(st.text(min_size=1, max_size=400))
def test_whatever_the_template_the_name_is_safe(template: str) -> None:
    made = name(template)
    assert SAFE.fullmatch(made)
    assert ".." not in made
    assert len(made) <= MOST_BYTES


def test_a_long_value_is_cut_and_not_the_date() -> None:
    made = name("{profile}_{route}_{date}", replace(FACTS, campaign="x" * 300))
    assert made.endswith("_all_2026-11-23.csv")
    assert made.startswith("Daily_New_Sale_xxx")
    assert len(numbered(made, 99999)) <= MOST_BYTES


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("", "must not be empty"),
        ("../{date}", "must not begin with a dot"),
        ("a/../b", "two dots"),
        ("a/b", 'must not hold "/" (character 2)'),
        ("a\r\nb", "the control character U+000D (character 2)"),
        ("🎉{date}", "(character 1)"),
        ("-rf", "must not begin with a dot or a dash"),
        ("{datum}", "There is no placeholder {datum}. There are: {profile}"),
        ("{date", "A lone { at character 1"),
        ("date}", "A lone } at character 5"),
        ("{}", "There is no placeholder {}"),
    ],
)
def test_a_bad_template_is_refused_in_a_sentence(template: str, said: str) -> None:
    with pytest.raises(BadName) as refused:
        check(template)
    assert said in str(refused.value)


@pytest.mark.parametrize("template", ["", "/", "in", "/in/{year}/{month}", "out/{campaign}/"])
def test_a_folder_may_have_placeholders(template: str) -> None:
    check_folder(template)


@pytest.mark.parametrize("template", ["..", "a/../b", "a/.b", "a//b", "a\\b", "{x}", "a\nb"])
def test_a_bad_folder_is_refused(template: str) -> None:
    with pytest.raises(BadName, match=r"folder|placeholder"):
        check_folder(template)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("", ""),
        ("/", "/"),
        ("in/", "in"),
        ("/in/{year}/{campaign}", "/in/2026/_x_y"),
        ("{campaign}/{month}", "_x_y/11"),
    ],
)
def test_a_folder_is_filled_in_by_segment(template: str, expected: str) -> None:
    assert folder(template, replace(FACTS, campaign="../x/y")) == expected


@pytest.mark.parametrize(
    ("used", "again"),
    [("a.csv", "a-2.csv"), ("a.b.csv", "a.b-2.csv"), ("a.csv.gz", "a-2.csv.gz"), ("a.gz", "a-2.gz"), ("a", "a-2")],
)
def test_a_name_used_before_gets_a_number(used: str, again: str) -> None:
    assert numbered(used, 2) == again


def test_two_routes_of_one_name_are_found() -> None:
    routes = [FACTS, replace(FACTS, campaign="Other"), replace(FACTS, campaign="LANDER")]
    assert alike("{profile}_{route}_{date}", routes) == (0, 2)
    assert alike("{date}", routes) == (0, 1)
    assert alike("{date}_{run}", routes) is None
    assert alike("{uuid}", routes) is None
    assert alike("{campaign}", [FACTS, replace(FACTS, campaign="../Lander")]) is None
    assert alike("{campaign}", [replace(FACTS, campaign="a b"), replace(FACTS, campaign="a_b")]) == (0, 1)
