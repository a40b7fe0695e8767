import json
import re

import pytest
from flask import Flask

from models.base import db
from models.profile import Profile
from tests.file_rows import forget_everything
from web.profile_documents import document_of, find, save

from .conftest import Browser

URL = "https://postingmydata.com/partials.php"


def form_of(page: str) -> dict[str, str]:
    """Read what a browser would send back, blank rows' template left out."""
    page = re.sub(r"<template.*?</template>", "", page, flags=re.DOTALL)
    form: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name = re.search(r'name="([^"]+)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        if name and ('type="checkbox"' not in tag or "checked" in tag):
            form[name[1]] = value[1] if value else ""
    for name, inner in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', page, flags=re.DOTALL):
        chosen = re.search(r'<option selected value="([^"]*)"|<option value="([^"]*)" selected', inner)
        first = re.search(r'<option value="([^"]*)"', inner)
        form[name] = (chosen[1] or chosen[2] or "") if chosen else first[1] if first else ""
    for name, inner in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>\r?\n?(.*?)</textarea>', page, flags=re.DOTALL):
        form |= {name: inner}
    return form


def new_form(page: str, name: str) -> dict[str, str]:
    return {
        **form_of(page),
        "name": name,
        "settings-url": URL,
        "mappings-0-name": "first_name",
        "mappings-0-source": "field",
        "mappings-0-field": "firstName",
        "mappings-0-modifiers": r"trim | map:a=b\|c",
        "mappings-1-name": "list_id",
        "mappings-1-source": "static",
        "mappings-1-value": "400",
        "mappings-2-name": "token",
        "mappings-2-source": "static",
        "mappings-2-value": "hush-canary",
        "routes-0-customer_type": "partial",
        "routes-0-campaign": "1",
        "routes-0-product": "all",
    }


def stored(app: Flask, name: str) -> dict[str, object]:
    with app.app_context():
        profile = find(db.session(), name)
        assert profile
        return document_of(profile)


def number_of(app: Flask, name: str) -> int:
    with app.app_context():
        profile = find(db.session(), name)
        assert profile
        return profile.id


@pytest.fixture
def calls(app: Flask, edda: Browser) -> str:
    """A profile of this test, made on the page."""
    name = "Calls"
    with app.app_context():
        forget_everything(db.session())
    answer = edda.post("/admin/profile/new", new_form(edda.get("/admin/profile/new"), name))
    assert answer.status_code == 302, re.findall(r"wb-fault\">([^<]+)|alert-danger\"[^>]*>([^<]+)", answer.text)
    return name


def test_a_profile_is_made_on_one_page(app: Flask, calls: str) -> None:
    document = stored(app, calls)
    assert document["mappings"] == [
        {"exportName": "first_name", "field": "firstName", "modifiers": ["trim", "map:a=b|c"]},
        {"exportName": "list_id", "static": "400"},
        {"exportName": "token", "secret": True},
    ]
    assert document["routes"] == [{"customerType": "Partial", "campaign": 1, "product": "all"}]
    assert document["intervalMinutes"] == 15


def test_saving_an_opened_profile_unchanged_changes_nothing(app: Flask, edda: Browser, calls: str) -> None:
    before = stored(app, calls)
    path = f"/admin/profile/{number_of(app, calls)}"
    page = edda.get(path)
    assert "hush-canary" not in page
    assert edda.post(path, form_of(page)).status_code == 302
    assert stored(app, calls) == before


def test_every_setting_survives_the_page(app: Flask, edda: Browser, calls: str) -> None:
    document = {
        **stored(app, calls),
        "name": "Everything",
        "paused": True,
        "enabled": False,
        "timeZone": "Europe/Berlin",
        "pciDocument": {"reference": "AOC 7", "validUntil": "2031-01-31"},
        "settings": {
            "url": URL,
            "ratePerSecond": 0.5,
            "successBody": {"jsonPath": "result.ok", "equals": True},
            "signingSecret": "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "idempotencyKey": True,
        },
        "mappings": [
            {"exportName": "a", "template": "  {firstName}\n{lastName} ", "type": "text", "whenEmpty": "null"},
            {"exportName": "pwd", "static": "", "secret": False},
        ],
        "routes": [{"customerType": "New Sale", "campaign": "summer/x", "product": 4}],
    }
    with app.app_context():
        save(db.session(), json.loads(json.dumps(document)), actor="test")
        db.session.commit()
    before = stored(app, "Everything")
    path = f"/admin/profile/{number_of(app, 'Everything')}"
    page = edda.get(path)
    assert "MfKQ9r8" not in page
    answer = edda.post(path, form_of(page))
    assert answer.status_code == 302, answer.text[-3000:]
    assert stored(app, "Everything") == before
    with app.app_context():
        assert "signingSecret" in db.session.get_one(Profile, number_of(app, "Everything")).settings
    page = edda.get(path)
    edda.post(path, {**form_of(page), "settings-forget_signingSecret": "y"})
    with app.app_context():
        assert db.session.get_one(Profile, number_of(app, "Everything")).settings["signingSecret"] is None


def test_faults_hang_at_their_fields_and_nothing_is_saved(app: Flask, edda: Browser, calls: str) -> None:
    path = f"/admin/profile/{number_of(app, calls)}"
    before = stored(app, calls)
    form = form_of(edda.get(path)) | {
        "mappings-0-field": "frstName",
        "settings-maxInFlight": "lots",
        "settings-url": "http://127.0.0.1/",
        "routes-0-customer_type": "",
        "interval_minutes": "99999",
    }
    page = edda.post(path, form).text
    faults = re.findall(r'wb-fault">([^<]+)', page)
    assert any("firstName" in fault for fault in faults), faults
    assert any("whole number." in fault for fault in faults), faults
    assert any("minutes" in fault for fault in faults), faults
    assert "Not saved" in page
    assert 'value="lots"' in page
    assert stored(app, calls) == before


def test_another_host_does_not_get_the_stored_secret(edda: Browser, app: Flask, calls: str) -> None:
    path = f"/admin/profile/{number_of(app, calls)}"
    page = edda.post(path, form_of(edda.get(path)) | {"settings-url": "https://elsewhere.example/"}).text
    assert "give the secret again" in page


def test_who_comes_second_is_told_what_differs_and_loses_nothing(
    edda: Browser, ada: Browser, app: Flask, calls: str
) -> None:
    path = f"/admin/profile/{number_of(app, calls)}"
    first, second = form_of(edda.get(path)), form_of(ada.get(path))
    assert edda.post(path, first | {"delay_minutes": "5"}).status_code == 302
    page = ada.post(path, second | {"delay_minutes": "7", "settings-url": f"{URL}?a=1"}).text
    assert "edda@example.com has saved this profile since you opened it" in page
    rows = re.findall(r"<code>([^<]+)</code></td><td[^>]*>([^<]*)</td><td[^>]*>([^<]*)</td>", page)
    assert rows == [("delayMinutes", "5", "7"), ("settings.url", URL, f"{URL}?a=1")]
    assert stored(app, calls)["delayMinutes"] == 5
    typed = form_of(page)
    assert (typed["delay_minutes"], typed["settings-url"]) == ("7", f"{URL}?a=1")
    assert ada.post(path, typed).status_code == 302
    assert stored(app, calls)["delayMinutes"] == 7


def test_a_secret_typed_into_a_stale_form_is_not_lost_in_silence(edda: Browser, app: Flask, calls: str) -> None:
    path = f"/admin/profile/{number_of(app, calls)}"
    form = form_of(edda.get(path))
    assert edda.post(path, form).status_code == 302
    page = edda.post(path, form | {"mappings-2-value": "another-canary"}).text
    assert "mappings[2].static" in page
    assert "another-canary" not in page.partition("<form class=")[0]


def test_save_pressed_twice_is_one_change(edda: Browser, app: Flask, calls: str) -> None:
    path = f"/admin/profile/{number_of(app, calls)}"
    form = form_of(edda.get(path)) | {"delay_minutes": "5"}
    assert [edda.post(path, form).status_code for _ in "12"] == [302, 302]
    with app.app_context():
        profile = find(db.session(), calls)
        assert profile
        assert profile.version == 2


def test_a_new_profile_saved_twice_is_one_profile(edda: Browser, app: Flask) -> None:
    form = new_form(edda.get("/admin/profile/new"), "Pressed twice")
    del form["mappings-2-name"], form["mappings-2-source"], form["mappings-2-value"]
    assert [edda.post("/admin/profile/new", form).status_code for _ in "12"] == [302, 302]
    other = edda.post("/admin/profile/new", form | {"delay_minutes": "9"})
    assert "There is a profile with this name already" in other.text


def test_a_profile_gets_another_name_and_a_copy(edda: Browser, app: Flask, calls: str) -> None:
    number = number_of(app, calls)
    path = f"/admin/profile/{number}"
    assert edda.post(path, form_of(edda.get(path)) | {"name": "Calls 2"}).status_code == 302
    page = edda.get(f"/admin/profile/new?like={number}")
    assert (
        "There is a profile" in edda.post(f"/admin/profile/new?like={number}", form_of(page) | {"name": "CALLS 2"}).text
    )
    form = form_of(page) | {"name": "Copy", "mappings-2-value": "new secret"}
    assert edda.post(f"/admin/profile/new?like={number}", form).status_code == 302
    assert stored(app, "Copy")["enabled"] is False


def test_the_list_shows_it_and_an_operator_pauses_runs_and_resumes(olga: Browser, app: Flask, calls: str) -> None:
    page = olga.get("/admin/profiles/?q=call")
    assert "GET postingmydata.com" in page
    assert "every 15 minutes" in page
    assert "Partial / 1 / all" in page
    number = number_of(app, calls)
    assert olga.post(f"/admin/profiles/{number}/pause").status_code == 302
    assert stored(app, calls)["paused"] is True
    olga.post(f"/admin/profiles/{number}/resume")
    assert stored(app, calls)["paused"] is False
    olga.post(f"/admin/profiles/{number}/run")
    assert "0 due" in olga.get("/admin/profiles/")


def test_a_profile_is_deleted_after_saying_what_that_means(edda: Browser, app: Flask, calls: str) -> None:
    number = number_of(app, calls)
    assert "No delivery is waiting" in edda.get(f"/admin/profiles/{number}/delete")
    edda.post(f"/admin/profiles/{number}/delete")
    edda.get(f"/admin/profile/{number}", status=404)


def test_the_preview_shows_the_request_and_no_secret(vera: Browser, app: Flask, calls: str) -> None:
    page = vera.get(f"/admin/preview/{number_of(app, calls)}")
    assert "GET https://postingmydata.com/partials.php?first_name=Jane&amp;list_id=400&amp;token=" in page
    assert "hush-canary" not in page


def test_pickers_find_campaigns_and_products(edda: Browser, app: Flask, calls: str) -> None:
    assert '"id":"1"' in edda.get("/admin/profile/lookup/campaigns?q=1")
    assert '"All"' in edda.get("/admin/profile/lookup/products")
    edda.get("/admin/profile/lookup/users?q=1", status=404)


def test_a_form_is_previewed_before_it_is_saved(app: Flask, edda: Browser, calls: str) -> None:
    number = number_of(app, calls)
    before = stored(app, calls)
    form = form_of(edda.get(f"/admin/profile/{number}")) | {"mappings-0-name": "given_name"}
    page = edda.post(f"/admin/draft/postback/{number}", form).text
    assert "partials.php?given_name=Jane&amp;list_id=400&amp;token=" in page
    assert "hush-canary" not in page
    assert stored(app, calls) == before
    new = new_form(edda.get("/admin/profile/new"), "Never saved")
    assert "first_name=Jane" in edda.post("/admin/draft/postback", new).text
    with app.app_context():
        assert find(db.session(), "Never saved") is None


def test_a_preview_of_a_faulty_form_names_the_places_as_the_page_does(edda: Browser, calls: str) -> None:
    form = new_form(edda.get("/admin/profile/new"), calls) | {"settings-url": "ftp://x", "mappings-0-field": ""}
    page = edda.post("/admin/draft/postback", form).text
    assert "Profile name: There is a profile" in page
    assert "Postback URL: The address must begin" in page
    assert "Field mapping 1: Choose a field." in page
    assert "Interval (minutes): " in edda.post("/admin/draft/postback", form | {"interval_minutes": "soon"}).text


def test_a_typed_secret_that_a_refused_save_loses_is_asked_for_again(edda: Browser, calls: str) -> None:
    form = new_form(edda.get("/admin/profile/new"), "") | {"settings-signingSecret": "whsec_typed-canary"}
    page = edda.post("/admin/profile/new", form).text
    assert "Type it again" in page
    assert "typed-canary" not in page


def test_who_may_not_edit_gets_no_preview_of_a_form(olga: Browser, vera: Browser, calls: str) -> None:
    for person in (olga, vera):
        person.get("/admin/")
        assert person.post("/admin/draft/postback", {"name": calls}).status_code == 403
