"""Export, import and copy on the page: the same profile again, switched off, its secrets to be typed anew."""

from __future__ import annotations

import io
import json

import pytest
from flask import Flask

from tests.factories import unique

from .conftest import Browser
from .test_profiles import calls, form_of, number_of, stored

__all__ = ["calls"]


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_an_exported_profile_is_imported_under_another_name(app: Flask, edda: Browser, calls: str, form: str) -> None:
    written = edda.get(f"/admin/profile/{number_of(app, calls)}/export.{form}")
    assert "hush-canary" not in written
    edda.get("/admin/profile/import")
    page = edda.post("/admin/profile/import", {"text": written}).text
    assert "It is switched off, and not saved yet. Type its secrets again: token." in page
    name = unique("Brought")
    filled = {key: value for key, value in form_of(page).items() if key != "event"} | {"name": name}
    refused = edda.post("/admin/profile/new?type=postback", filled)
    assert "give the secret again" in refused.text
    filled["mappings-2-value"] = "typed-anew"
    assert edda.post("/admin/profile/new?type=postback", filled).status_code == 302
    assert stored(app, name) == {**stored(app, calls), "name": name, "enabled": False}


def test_a_file_is_taken_and_a_name_that_is_there_is_told_at_its_field(app: Flask, edda: Browser, calls: str) -> None:
    written = json.dumps(stored(app, calls)).encode()
    edda.get("/admin/profile/import")
    file = (io.BytesIO(written), "calls.json")
    page = edda.client.post("/admin/profile/import", data={"csrf_token": edda.token, "file": file}).text
    filled = form_of(page) | {"mappings-2-value": "typed-anew"}
    assert "There is a profile with this name already." in edda.post("/admin/profile/new?type=postback", filled).text


def test_a_copy_says_which_secrets_to_type_again(app: Flask, edda: Browser, calls: str) -> None:
    page = edda.get(f"/admin/profile/new?like={number_of(app, calls)}")
    assert "Type its secrets again: token." in page


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Choose a file"),
        ("{", "is not JSON"),
        ("- a: [", "not YAML that can be read"),
        ("[1, 2]", "Give one profile"),
        ("just words", "Give one profile"),
        ("[7]", "Give one profile"),
        ('{"name": "x"}', "exportType"),
        ('{"name": "x", "exportType": "pigeon"}', "exportType"),
        ('{"name": "x", "exportType": "postback", "settings": {"url": "ftp://x"}, "mappings": 7}', "mappings"),
        ('{"name": "x", "exportType": "postback", "mappings": [{"exportName": "a", "field": "nope"}]}', "mappings[0]"),
    ],
)
def test_what_is_no_profile_is_refused_with_its_place(edda: Browser, text: str, words: str) -> None:
    edda.get("/admin/profile/import")
    page = edda.post("/admin/profile/import", {"text": text}).text
    assert "This cannot be imported." in page
    assert words in page


def test_whoever_may_not_edit_brings_and_takes_nothing(app: Flask, olga: Browser, calls: str) -> None:
    olga.get("/admin/profile/import", status=403)
    olga.get(f"/admin/profile/{number_of(app, calls)}/export.json", status=403)
