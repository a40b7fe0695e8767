"""Profile documents over the API."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from models import routing
from models.campaign import Campaign
from models.job import Job
from models.profile import Gate, Mapping, Profile, Route
from tests.factories import accept_events, deliveries, event_document, unique
from tests.integration.web.api.conftest import Program
from web.profiles import switching

SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DEFAULTS = {
    "enabled": True,
    "paused": False,
    "intervalMinutes": 15,
    "delayMinutes": 0,
    "timeZone": None,
    "skipCompletedPartials": True,
    "pciDocument": None,
}
SETTING_DEFAULTS = {
    "timeoutSeconds": 30,
    "maxInFlight": 32,
    "ratePerSecond": None,
    "successBody": None,
    "retryFirstSeconds": 15,
    "retryCapSeconds": 3600,
    "idempotencyKey": False,
    "caCertificate": None,
}


def _stored(session: Session, name: str) -> Profile:
    session.rollback()
    session.expire_all()
    return session.scalars(sa.select(Profile).where(Profile.name == name, Profile.deleted_at.is_(None))).one()


def test_a_new_document_is_201_and_comes_back(pia: Program, document: dict[str, Any]) -> None:
    saved = pia.save(document, status=201)
    assert saved == pia.get(f"/profiles/{document['name']}").json
    assert saved["mappings"] == document["mappings"]
    assert saved["routes"] == document["routes"]
    assert saved["settings"] == {"url": "http://127.0.0.1:9/partials.php", **SETTING_DEFAULTS}


def test_what_is_left_out_takes_its_default(pia: Program) -> None:
    name = unique("Bare")
    saved = pia.save({"name": name, "exportType": "postback", "settings": {"url": "http://127.0.0.1:9/"}}, status=201)
    assert {key: saved[key] for key in DEFAULTS} == DEFAULTS
    assert (saved["mappings"], saved["routes"]) == ([], [])


def test_a_document_read_and_put_again_changes_nothing(
    pia: Program, document: dict[str, Any], session: Session
) -> None:
    document["settings"] |= {"signingSecret": SIGNING, "successBody": {"jsonPath": "a.b", "equals": 1.5}}
    document["mappings"] += [{"exportName": "token", "static": "canary-1"}, {"exportName": "token", "static": "x"}]
    first = pia.save(document, status=201)
    assert pia.save(first, status=200) == first
    assert "canary-1" not in str(first)
    assert SIGNING not in str(first)
    assert "signingSecret" not in first["settings"]
    assert first["mappings"][-1] == {"exportName": "token", "secret": True}
    profile = _stored(session, document["name"])
    assert set(profile.settings["signingSecret"]) == {"sealed"}
    assert all(row.static is None and row.sealed for row in profile.mappings if row.export_name == "token")


def test_a_new_profile_has_a_gate(pia: Program, document: dict[str, Any], session: Session) -> None:
    pia.save(document)
    assert session.get(Gate, _stored(session, document["name"]).id) is not None


def test_names_are_one_in_any_case(pia: Program, document: dict[str, Any]) -> None:
    pia.save(document, status=201)
    shouted = document["name"].upper()
    assert pia.get(f"/profiles/{shouted}").status_code == 200
    assert pia.put(f"/profiles/{shouted}", {**document, "name": shouted}).status_code == 200
    assert pia.get(f"/profiles/{document['name']}").json["name"] == shouted


def test_a_document_may_leave_its_name_to_the_address(pia: Program, document: dict[str, Any]) -> None:
    name = document.pop("name")
    assert pia.put(f"/profiles/{name}", document).status_code == 201


def test_a_name_unlike_the_address_is_refused(pia: Program, document: dict[str, Any]) -> None:
    answer = pia.put("/profiles/another", document)
    assert answer.status_code == 422
    assert [detail["path"] for detail in answer.json["details"]] == ["name"]


CASES: list[tuple[dict[str, Any], str]] = [
    ({"colour": 1}, "colour"),
    ({"name": 5}, "name"),
    ({"name": "x" * 101}, "name"),
    ({"exportType": "fax"}, "exportType"),
    ({"exportType": 5}, "exportType"),
    ({"exportType": None}, "exportType"),
    ({"enabled": "yes"}, "enabled"),
    ({"paused": 0}, "paused"),
    ({"skipCompletedPartials": []}, "skipCompletedPartials"),
    ({"intervalMinutes": -1}, "intervalMinutes"),
    ({"intervalMinutes": 10081}, "intervalMinutes"),
    ({"intervalMinutes": 1.5}, "intervalMinutes"),
    ({"intervalMinutes": True}, "intervalMinutes"),
    ({"delayMinutes": "5"}, "delayMinutes"),
    ({"timeZone": "Mars/Olympus"}, "timeZone"),
    ({"timeZone": "../etc/passwd"}, "timeZone"),
    ({"timeZone": 5}, "timeZone"),
    ({"pciDocument": "yes"}, "pciDocument"),
    ({"pciDocument": {"reference": "", "validUntil": "2030-01-01"}}, "pciDocument.reference"),
    ({"pciDocument": {"reference": "AOC", "validUntil": "soon"}}, "pciDocument.validUntil"),
    ({"pciDocument": {"reference": "AOC", "validUntil": "2030-01-01", "by": 1}}, "pciDocument.by"),
    ({"settings": []}, "settings"),
    ({"settings": {}}, "settings.url"),
    ({"settings": {"url": "ftp://example.com"}}, "settings.url"),
    ({"settings": {"url": "http://user:pass@127.0.0.1/"}}, "settings.url"),
    ({"settings": {"url": "http://10.0.0.1/"}}, "settings.url"),
    ({"settings": {"url": "http://2130706433:0x1/"}}, "settings.url"),
    ({"settings": {"url": "http://169.254.169.254/"}}, "settings.url"),
    ({"settings": {"url": "http://127.0.0.1:9", "timeout_seconds": 5}}, "settings.timeout_seconds"),
    ({"settings": {"url": "http://127.0.0.1:9", "timeoutSeconds": 121}}, "settings.timeoutSeconds"),
    ({"settings": {"url": "http://127.0.0.1:9", "ratePerSecond": 0}}, "settings.ratePerSecond"),
    ({"settings": {"url": "http://127.0.0.1:9", "successBody": {"regex": "(?=x)"}}}, "settings.successBody.regex"),
    ({"settings": {"url": "http://127.0.0.1:9", "successBody": {"contains": "\x00"}}}, "settings.successBody.contains"),
    (
        {"settings": {"url": "http://127.0.0.1:9", "successBody": {"contains": "a", "not": 1}}},
        "settings.successBody.not",
    ),
    ({"settings": {"url": "http://127.0.0.1:9", "successBody": "yes"}}, "settings.successBody"),
    ({"settings": {"url": "http://127.0.0.1:9", "signingSecret": "short"}}, "settings.signingSecret"),
    ({"mappings": {}}, "mappings"),
    ({"mappings": [5]}, "mappings[0]"),
    ({"mappings": [{"exportName": "a", "field": "frstName"}]}, "mappings[0].field"),
    ({"mappings": [{"exportName": "a", "field": "firstName", "static": "x"}]}, "mappings[0].static"),
    ({"mappings": [{"exportName": "a"}]}, "mappings[0]"),
    ({"mappings": [{"exportName": "a", "static": "x", "colour": 1}]}, "mappings[0].colour"),
    ({"mappings": [{"exportName": " ", "static": "x"}]}, "mappings[0].exportName"),
    ({"mappings": [{"exportName": "a", "static": "4111 1111 1111 1111"}]}, "mappings[0].static"),
    ({"mappings": [{"exportName": "a", "template": "{firstName} 4111111111111111"}]}, "mappings[0].template"),
    (
        {"mappings": [{"exportName": "a", "field": "city", "modifiers": ["default:4111111111111111"]}]},
        "mappings[0].modifiers[0]",
    ),
    ({"mappings": [{"exportName": "a", "field": "city", "modifiers": ["shout"]}]}, "mappings[0].modifiers[0]"),
    ({"mappings": [{"exportName": "header:Host", "static": "x"}]}, "mappings[0]"),
    ({"mappings": [{"exportName": "header:X", "static": "a\r\nb"}]}, "mappings[0]"),
    ({"mappings": [{"exportName": "header:httpMethod", "static": "TRACE"}]}, "mappings[0]"),
    ({"mappings": [{"exportName": "pan", "field": "cardBin"}]}, "mappings[0].field"),
    ({"mappings": [{"exportName": "pan", "template": "{cardBin}", "modifiers": ["sha256"]}]}, "mappings[0].template"),
    ({"mappings": [{"exportName": "password", "secret": True}]}, "mappings[0]"),
    ({"routes": "all"}, "routes"),
    ({"routes": [1]}, "routes[0]"),
    ({"routes": [{"customerType": "Nobody"}]}, "routes[0].customerType"),
    ({"routes": [{}]}, "routes[0].customerType"),
    ({"routes": [{"customerType": "Partial", "campaign": True}]}, "routes[0].campaign"),
    ({"routes": [{"customerType": "Partial", "product": ""}]}, "routes[0].product"),
    ({"routes": [{"customerType": "Partial", "product": "x" * 201}]}, "routes[0].product"),
    ({"routes": [{"customerType": "Partial", "offer": 1}]}, "routes[0].offer"),
    (
        {"routes": [{"customerType": "Partial", "campaign": 1}, {"customerType": "partial", "campaign": "1"}]},
        "routes[1]",
    ),
]


@pytest.mark.parametrize(("change", "path"), CASES, ids=[f"{i}-{path}" for i, (_, path) in enumerate(CASES)])
def test_a_fault_is_refused_at_its_place(
    pia: Program, document: dict[str, Any], change: dict[str, Any], path: str
) -> None:
    answer = pia.put(f"/profiles/{document['name']}", {**document, **change})
    assert answer.status_code == 422, answer.text
    places = [detail["path"] for detail in answer.json["details"]]
    assert path in places, places
    assert all(place == "name" or place.startswith((path, "mappings[0]")) for place in places), places
    assert "4111" not in answer.text


def test_all_faults_are_told_at_once(pia: Program, document: dict[str, Any]) -> None:
    faults = pia.refused(
        document
        | {
            "timeZone": "x",
            "settings": {"url": "x", "maxInFlight": 0},
            "mappings": [{"exportName": "a", "field": "nope"}, {"exportName": "b", "static": "4111111111111111"}],
            "routes": [{"customerType": "x"}],
        }
    )
    assert set(faults) == {
        "timeZone",
        "settings.url",
        "settings.maxInFlight",
        "mappings[0].field",
        "mappings[1].static",
        "routes[0].customerType",
    }


def test_what_the_exporter_refuses_is_told_beside_bad_settings(pia: Program, document: dict[str, Any]) -> None:
    faults = pia.refused(
        document
        | {
            "settings": {"url": "x"},
            "mappings": [
                {"exportName": "a", "field": "nope"},
                {"exportName": "header:Host", "static": "x"},
                {"exportName": "token", "secret": True},
            ],
        }
    )
    assert set(faults) == {"settings.url", "mappings[0].field", "mappings[1]", "mappings[2]"}
    assert "give the secret again" in faults["mappings[2]"]


@pytest.mark.parametrize("document", [[], "x", 5, False, [{"name": "x"}]])
def test_a_document_that_is_no_object_is_422(pia: Program, document: Any) -> None:
    assert pia.put("/profiles/x", document).status_code == 422


@pytest.mark.parametrize("name", [".", "..", "a\x07b", "x" * 101, " "])
def test_a_bad_name_in_the_address_is_refused(pia: Program, document: dict[str, Any], name: str) -> None:
    document.pop("name")
    answer = pia.call("PUT", f"/profiles/{name.replace('.', '%2E')}", json=document)
    assert answer.status_code in {404, 405, 422}


def test_the_export_type_cannot_be_changed(pia: Program, document: dict[str, Any]) -> None:
    pia.save(document)
    assert "exportType" in pia.refused({**document, "exportType": "csv"})


def test_yaml_is_read_as_it_is_written(pia: Program) -> None:
    name = unique("Yaml")
    text = f"name: {name}\nexportType: postback\nsettings: {{url: 'http://127.0.0.1:9/'}}\nmappings:\n"
    text += "- {exportName: zip, static: 0400}\n- {exportName: answer, static: no}\n"
    answer = pia.call("PUT", f"/profiles/{name}", data=text, content_type="application/yaml")
    assert answer.status_code == 201, answer.text
    assert [row["static"] for row in answer.json["mappings"]] == ["0400", "no"]


class TestSecrets:
    """A stored secret is kept, moved nowhere and never shown."""

    @pytest.fixture
    def kept(self, pia: Program, document: dict[str, Any]) -> dict[str, Any]:
        document["settings"]["signingSecret"] = SIGNING
        document["mappings"] = [
            {"exportName": "header:Authorization", "static": "Bearer canary"},
            {"exportName": "list", "static": "canary-2", "secret": True},
        ]
        return dict(pia.save(document))

    def test_left_out_it_is_kept(self, pia: Program, kept: dict[str, Any]) -> None:
        pia.save(kept)
        body = {"eventId": "x", "customerType": "Lead", "order": {}}
        made = pia.post(f"/profiles/{kept['name']}/preview", body).json["request"]
        assert "canary" not in str(made)
        assert ["Authorization", "•••"] in made["headers"]
        assert any(name == "webhook-signature" for name, _ in made["headers"])

    @pytest.mark.parametrize(
        "url", ["https://127.0.0.1:9/", "http://127.0.0.1:10/", "http://127.0.0.1/", "http://localhost:9/"]
    )
    def test_another_origin_needs_it_anew(self, pia: Program, kept: dict[str, Any], url: str) -> None:
        faults = pia.refused({**kept, "settings": {"url": url}})
        assert set(faults) == {"settings.signingSecret", "mappings[0]", "mappings[1]"}
        assert all("give the secret again" in message for message in faults.values())

    def test_another_path_keeps_it(self, pia: Program, kept: dict[str, Any]) -> None:
        pia.save({**kept, "settings": {"url": "http://127.0.0.1:9/elsewhere?x=1"}}, status=200)

    def test_another_origin_with_all_secrets_is_taken(self, pia: Program, kept: dict[str, Any]) -> None:
        kept["settings"] = {"url": "http://127.0.0.1:10/", "signingSecret": None}
        kept["mappings"] = [{"exportName": "header:Authorization", "static": "new"}]
        pia.save(kept, status=200)

    def test_null_clears_the_signing_secret(self, pia: Program, kept: dict[str, Any], session: Session) -> None:
        kept["settings"]["signingSecret"] = None
        pia.save(kept)
        assert _stored(session, kept["name"]).settings["signingSecret"] is None

    def test_it_belongs_to_name_and_occurrence(self, pia: Program, kept: dict[str, Any]) -> None:
        again = {"exportName": "list", "secret": True}
        faults = pia.refused({**kept, "mappings": [again, again]})
        assert list(faults) == ["mappings[1]"]
        assert "give the secret again" in faults["mappings[1]"]

    def test_a_plain_value_that_becomes_secret_is_kept(self, pia: Program, kept: dict[str, Any]) -> None:
        kept["mappings"] = [{"exportName": "plain", "static": "value"}]
        pia.save(kept)
        kept["mappings"] = [{"exportName": "plain", "secret": True}]
        assert pia.save(kept)["mappings"] == kept["mappings"]

    def test_a_row_moved_by_hand_to_another_profile_opens_nothing(
        self, pia: Program, kept: dict[str, Any], document: dict[str, Any], session: Session
    ) -> None:
        other = pia.save({**document, "name": unique("Thief")})
        sealed = session.scalar(sa.select(Mapping.sealed).where(Mapping.export_name == "list", Mapping.sealed != ""))
        thief = _stored(session, other["name"])
        for row in thief.mappings:
            if row.export_name == "list":
                row.sealed = sealed
        session.commit()
        other["mappings"][1] = {"exportName": "list", "secret": True}
        answer = pia.put(f"/profiles/{other['name']}", other)
        assert answer.status_code == 422


class TestPci:
    """R8: sensitive fields need a document to be enabled, not to be saved."""

    def test_saved_while_switched_off(self, pia: Program, document: dict[str, Any]) -> None:
        document["mappings"] = [{"exportName": "last4", "field": "cardLast4"}]
        pia.save({**document, "enabled": False})
        assert list(pia.refused(document)) == ["mappings[0].field"]

    def test_enabled_with_a_document_even_an_old_one(self, pia: Program, document: dict[str, Any]) -> None:
        document["mappings"] = [{"exportName": "last4", "field": "cardLast4"}]
        document["pciDocument"] = {"reference": "AOC 2020", "validUntil": "2020-01-01"}
        assert pia.save(document)["pciDocument"] == document["pciDocument"]


class TestRoutes:
    """A route keeps its identity; switching on reaches back 24 hours."""

    def test_an_id_not_seen_yet_is_created_without_a_name(
        self, pia: Program, document: dict[str, Any], session: Session
    ) -> None:
        campaign = unique("c")
        document["routes"] = [{"customerType": "New Sale", "campaign": campaign, "product": 12345}]
        assert pia.save(document)["routes"] == document["routes"]
        assert session.get_one(Campaign, campaign).name is None

    def test_a_missing_route_is_switched_off_and_revived(
        self, pia: Program, document: dict[str, Any], session: Session
    ) -> None:
        pia.save(document)
        before = {route.id for route in _stored(session, document["name"]).routes}
        pia.save({**document, "routes": []})
        assert [route.enabled for route in _stored(session, document["name"]).routes] == [False]
        pia.save({**document, "routes": [{"customerType": "partial", "campaign": "1"}]})
        after = _stored(session, document["name"]).routes
        assert ({route.id for route in after}, [route.enabled for route in after]) == (before, [True])

    def _jobs(self, session: Session, name: str) -> int:
        profile = _stored(session, name)
        return sum(
            job.arguments.get("profile_id") == profile.id
            for job in session.scalars(sa.select(Job).where(Job.kind == "backfill"))
        )

    def test_switching_on_writes_a_back_fill(self, pia: Program, document: dict[str, Any], session: Session) -> None:
        name = document["name"]
        pia.save({**document, "enabled": False})
        assert self._jobs(session, name) == 0
        pia.save(document)
        assert self._jobs(session, name) == 1
        pia.save({**document, "delayMinutes": 7})
        assert self._jobs(session, name) == 1
        pia.save({**document, "routes": [*document["routes"], {"customerType": "Lead"}]})
        assert self._jobs(session, name) == 2


def test_a_put_without_paused_resumes(pia: Program, document: dict[str, Any]) -> None:
    assert pia.save({**document, "paused": True})["paused"] is True
    assert pia.save(document)["paused"] is False


def test_a_save_heals_the_gate_and_moves_the_version(
    pia: Program, document: dict[str, Any], session: Session, engine: sa.Engine
) -> None:
    pia.save(document)
    profile = _stored(session, document["name"])
    version, profile_id = profile.version, profile.id
    session.execute(
        sa.update(Gate).where(Gate.profile_id == profile_id).values(fault="gone", fault_since=sa.func.now())
    )
    session.commit()
    pia.save(document)
    assert session.get_one(Gate, profile_id, populate_existing=True).fault is None
    assert _stored(session, document["name"]).version > version


def test_new_times_hold_for_what_was_never_tried(
    pia: Program, document: dict[str, Any], engine: sa.Engine, session: Session
) -> None:
    document["routes"] = [{"customerType": "Decline"}]
    pia.save({**document, "intervalMinutes": 0, "delayMinutes": 600})
    key = unique("ev")
    accept_events(engine, event_document(key, "Decline"))
    profile_id = _stored(session, document["name"]).id
    before = deliveries(engine, profile=profile_id, event=key)[0].due_at
    pia.save({**document, "intervalMinutes": 0, "delayMinutes": 0})
    assert deliveries(engine, profile=profile_id, event=key)[0].due_at < before


def test_deleting_cancels_what_is_open_and_frees_the_name(
    pia: Program, document: dict[str, Any], engine: sa.Engine, session: Session
) -> None:
    document["routes"] = [{"customerType": "Chargeback"}]
    pia.save(document)
    key = unique("ev")
    accept_events(engine, event_document(key, "Chargeback"))
    assert pia.call("DELETE", f"/profiles/{document['name']}").status_code == 204
    assert pia.get(f"/profiles/{document['name']}").status_code == 404
    assert pia.call("DELETE", f"/profiles/{document['name']}").status_code == 404
    (item,) = pia.get(f"/deliveries?profile={document['name']}").json["items"]
    assert item["state"] == "cancelled"
    assert item["reason"].startswith("cancelled by API key")
    assert item["reason"].endswith(": profile deleted")
    accept_events(engine, event_document(customer_type="Chargeback"))
    assert len(pia.get(f"/deliveries?profile={document['name']}").json["items"]) == 1
    pia.save(document, status=201)
    routes = session.scalars(sa.select(Route).join(Profile).where(Profile.name == document["name"])).all()
    assert sorted(route.enabled for route in routes) == [False, True]


def test_two_at_once_make_one_profile(app: Flask, pia: Program, document: dict[str, Any]) -> None:
    key = pia.headers["Authorization"].removeprefix("Bearer ")
    with ThreadPoolExecutor(4) as threads:
        statuses = list(
            threads.map(lambda _: Program(app, key).put(f"/profiles/{document['name']}", document), range(4))
        )
    assert sorted(answer.status_code for answer in statuses) == [200, 200, 200, 201]


def test_switching_on_waits_for_the_intake_and_gives_up_in_time(
    pia: Program, document: dict[str, Any], engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switching, "TRIES", 2)
    monkeypatch.setattr(switching, "LONGEST_WAIT", "50ms")
    with engine.begin() as intake:
        routing.lock_routing(intake)
        answer = pia.put(f"/profiles/{document['name']}", document)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert pia.get(f"/profiles/{document['name']}").status_code == 404
        assert pia.put(f"/profiles/{document['name']}", {**document, "enabled": False}).status_code == 201
        assert pia.call("DELETE", f"/profiles/{document['name']}").status_code == 503
    pia.save(document, status=200)


def test_run_now_says_how_many_are_due(pia: Program, document: dict[str, Any], engine: sa.Engine) -> None:
    document["routes"] = [{"customerType": "Capture"}]
    pia.save({**document, "intervalMinutes": 600})
    accept_events(engine, event_document(customer_type="Capture"), event_document(customer_type="Capture"))
    answer = pia.post(f"/profiles/{document['name']}/run")
    assert (answer.status_code, answer.json) == (202, {"due": 2})
    assert pia.post("/profiles/nobody/run").status_code == 404


def test_the_list_is_newest_first_and_goes_on_after_next(pia: Program, document: dict[str, Any]) -> None:
    names = [pia.save({**document, "name": unique("Paged")})["name"] for _ in range(3)]
    first = pia.get("/profiles?limit=2").json
    assert [item["name"] for item in first["items"]] == names[:0:-1]
    second = pia.get(f"/profiles?limit=2&after={first['next']}").json
    assert second["items"][0]["name"] == names[0]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=٣", "after=x", "after=-1", "colour=red"])
def test_a_query_that_cannot_be_read_is_400(pia: Program, query: str) -> None:
    for path in ("/profiles", "/deliveries"):
        assert pia.get(f"{path}?{query}").status_code == 400


def test_a_reader_changes_nothing(reader: Program, document: dict[str, Any], app: Flask) -> None:
    assert reader.put(f"/profiles/{document['name']}", document).status_code == 403
    assert reader.get(f"/profiles/{document['name']}").status_code == 404
