"""What a save does not stop but says: card fields under a PCI document that ended, names taken for one another."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.base import utc_now
from tests.factories import unique

from .conftest import Browser
from .test_profiles import new_form


def saved(edda: Browser, fields: dict[str, str], *, until: int | None = None) -> str:
    """Save a new profile whose PCI document ends in so many days, and give the page that follows."""
    form = new_form(edda.get("/admin/profile/new"), unique("Cards")) | fields
    if until is not None:
        form |= {"pci_reference": "AOC 7", "pci_valid_until": (utc_now().date() + timedelta(days=until)).isoformat()}
    answer = edda.post("/admin/profile/new", form)
    return edda.get("/admin/profiles/") if answer.status_code == 302 else answer.text


LAST4 = {"mappings-0-field": "cardLast4"}


def test_card_fields_need_a_pci_document_at_the_row(edda: Browser) -> None:
    page = saved(edda, LAST4)
    assert "Not saved" in page
    assert "cardLast4 is sensitive: give the profile a PCI document." in page
    assert "is saved" in saved(edda, LAST4, until=400)


@pytest.mark.parametrize(("until", "words"), [(-1, "The PCI document ended on"), (20, "The PCI document ends on")])
def test_a_pci_document_that_ends_is_told_and_stops_no_save(edda: Browser, until: int, words: str) -> None:
    page = saved(edda, LAST4, until=until)
    assert "is saved" in page
    assert words in page


@pytest.mark.parametrize(("until", "field"), [(400, "cardLast4"), (-1, "firstName")])
def test_a_good_pci_document_and_one_that_nothing_needs_are_not_spoken_of(
    edda: Browser, until: int, field: str
) -> None:
    page = saved(edda, {"mappings-0-field": field}, until=until)
    assert "is saved" in page
    assert "The PCI document" not in page


def test_names_taken_for_one_another_are_told(edda: Browser) -> None:
    page = saved(edda, {"mappings-1-name": "First-Name"})
    assert "is nearly the same as" in page
