"""What the manual says is so."""

import re
from pathlib import Path

README = Path("README.md").read_text(encoding="utf-8")
MAKEFILE = Path("Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
SEED = (
    "GET https://postingmydata.com/partials.php?first_name=Jane&order_date=2026-11-23%2009%3A58%3A12"
    "&list_id=400&email_address=jane%40example.com&campaign_number=1"
)


def test_every_command_of_the_manual_exists() -> None:
    assert set(re.findall(r"(?:`|&& |^)make ([a-z]+)", README, re.MULTILINE)) <= TARGETS


def test_every_target_is_in_the_list_of_make_help() -> None:
    assert set(re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE)) == TARGETS


def test_the_manual_shows_the_seed_example() -> None:
    assert SEED in README


def test_the_promise_is_printed() -> None:
    text = " ".join(README.split())
    assert "When the intake has answered 2xx, the event is in Postgres." in text
    assert "Losing Redis, any process or the network loses nothing." in text


def test_links_to_files_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not Path(link).exists()] == []


def test_the_host_installs_what_the_lock_says() -> None:
    assert Path(".python-version").read_text().strip() == "3.11"
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-check.txt", "requirements-audit.txt"):
        text = Path(name).read_text(encoding="utf-8")
        assert "--hash=sha256:" in text
        assert "://" not in text


def test_every_fault_of_the_reliability_page_is_held_by_a_test_that_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", Path("docs/reliability.md").read_text(encoding="utf-8"))
    assert len(named) > 30
    assert [test for file, test in named if f"def {test}(" not in Path(file).read_text(encoding="utf-8")] == []
