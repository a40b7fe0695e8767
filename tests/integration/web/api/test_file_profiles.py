"""Documents of file profiles: what is stored, what is refused and where, and that secrets stay inside."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from sqlalchemy.orm import Session

from models.campaign import Campaign
from models.profile import Profile
from tests.factories import unique
from tests.integration.web.api.conftest import Program

KEY = "SHA256:0123456789012345678901234567890123456789012"
CANARY = "c4n4ry-s3cr3t"


@pytest.fixture
def csv() -> dict[str, Any]:
    return {
        "name": unique("Daily"),
        "exportType": "csv",
        "timeZone": "America/New_York",
        "settings": {"fileName": "{profile}_{route}_{date}", "schedule": "weekdays mon,fri 06:00 18:00"},
        "mappings": [
            {"exportName": "order", "field": "clientOrderId"},
            {"exportName": "name", "template": "{firstName} {lastName}", "modifiers": ["trim"]},
            {"exportName": "list", "static": "400"},
        ],
        "routes": [
            {"customerType": "Partial", "campaign": 1, "product": "all"},
            {"customerType": "New Sale", "campaign": "all", "product": "all"},
        ],
    }


@pytest.fixture
def sftp(csv: dict[str, Any]) -> dict[str, Any]:
    settings = {
        "host": "127.0.0.1",
        "port": 2222,
        "user": "waybill",
        "password": CANARY,
        "hostKeys": KEY,
        "folder": "/in/{year}",
    }
    return csv | {"exportType": "ftp", "settings": csv["settings"] | settings}


def test_a_csv_profile_shows_every_setting(pia: Program, csv: dict[str, Any]) -> None:
    settings = pia.save(csv, status=201)["settings"]
    assert settings["schedule"] == "weekdays mon,fri 06:00 18:00"
    assert (settings["preset"], settings["encoding"], settings["maxRows"]) == ("excel", "utf-8-bom", 1_048_575)
    assert pia.get(f"/profiles/{csv['name']}").json["settings"] == settings


def test_an_ftp_profile_keeps_its_password_to_itself(pia: Program, sftp: dict[str, Any], session: Session) -> None:
    saved = pia.save(sftp, status=201)
    assert CANARY not in str(saved)
    assert (saved["settings"]["port"], saved["settings"]["protocol"]) == (2222, "sftp")
    assert not {"password", "privateKey", "keyPassphrase"} & saved["settings"].keys()
    stored = session.scalars(sa.select(Profile).where(Profile.name == sftp["name"])).one()
    assert CANARY not in str(stored.settings)
    assert set(stored.settings["password"]) == {"sealed"}


@pytest.mark.parametrize("kind", ["csv", "sftp"])
def test_what_was_given_out_can_be_given_back(
    pia: Program, kind: str, csv: dict[str, Any], sftp: dict[str, Any]
) -> None:
    """F29: export and import change nothing; a clone is equal, without the secrets."""
    document = csv if kind == "csv" else sftp
    pia.save(document)
    exported = pia.get(f"/profiles/{document['name']}").json
    assert pia.save(exported, status=200) == exported
    clone = exported | {"name": unique("Clone")}
    if kind == "sftp":
        assert "settings.password" in pia.refused(clone)
        clone = clone | {"settings": clone["settings"] | {"password": CANARY}}
    cloned = pia.save(clone, status=201)
    assert cloned == exported | {"name": clone["name"]}
    assert CANARY not in str(cloned)


@pytest.mark.parametrize(("key", "value"), [("host", "127.0.0.2"), ("port", 2223), ("user", "other")])
def test_a_new_server_does_not_get_the_old_password(
    pia: Program, sftp: dict[str, Any], key: str, value: object
) -> None:
    pia.save(sftp)
    changed = copy.deepcopy(sftp)
    del changed["settings"]["password"]
    pia.save(changed)
    changed["settings"][key] = value
    assert "give the secret again" in pia.refused(changed)["settings.password"]


@pytest.mark.parametrize(
    ("settings", "path", "words"),
    [
        ({"schedule": "daily 6 o'clock"}, "settings.schedule", "HH:MM"),
        ({"schedule": "cron * * * * *"}, "settings.schedule", "5 minutes"),
        ({"schedule": "sometimes"}, "settings.schedule", "daily 06:00"),
        ({"fileName": "{colour}"}, "settings.fileName", "{colour}"),
        ({"fileName": "../{date}"}, "settings.fileName", "dot"),
        ({"fileName": "a/b"}, "settings.fileName", "/"),
        ({"fileName": "x\r\nDELE a {route}"}, "settings.fileName", "U+000D"),
        ({"fileName": ""}, "settings.fileName", ""),
        ({"fileName": "{profile}_{date}"}, "settings.fileName", "Routes 1 and 2"),
        ({"delimiter": "a"}, "settings.delimiter", ""),
        ({"encoding": "latin9"}, "settings.encoding", ""),
        ({"maxRows": 0}, "settings.maxRows", ""),
        ({"retentionDays": 4000}, "settings.retentionDays", ""),
        ({"colour": 1}, "settings.colour", "unknown"),
        ({"url": "https://example.com"}, "settings.url", "unknown"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_their_place(
    pia: Program, csv: dict[str, Any], settings: dict[str, Any], path: str, words: str
) -> None:
    faults = pia.refused(csv | {"settings": csv["settings"] | settings})
    assert list(faults) == [path]
    assert words in faults[path]


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"folder": "in/../up"}, "settings.folder"),
        ({"folder": "in/{colour}"}, "settings.folder"),
        ({"folder": "in/\r\nDELE a"}, "settings.folder"),
        ({"host": "169.254.169.254"}, "settings.host"),
        ({"host": "sftp://example.com"}, "settings.host"),
        ({"port": 70000}, "settings.port"),
        ({"user": ""}, "settings.user"),
        ({"hostKeys": "nonsense"}, "settings.hostKeys"),
        ({"hostKeys": None}, "settings.hostKeys"),
        ({"privateKey": "PuTTY-User-Key-File-3: x"}, "settings.privateKey"),
        ({"protocol": "scp"}, "settings.protocol"),
        ({"verify": "maybe"}, "settings.verify"),
    ],
)
def test_a_server_that_cannot_be_is_refused_at_its_place(
    pia: Program, sftp: dict[str, Any], settings: dict[str, Any], path: str
) -> None:
    faults = pia.refused(sftp | {"settings": sftp["settings"] | settings})
    assert path in faults
    assert CANARY not in str(faults)


def test_an_sftp_profile_may_be_kept_without_a_host_key_but_not_switched_on(pia: Program, sftp: dict[str, Any]) -> None:
    del sftp["settings"]["hostKeys"]
    pia.save(sftp | {"enabled": False}, status=201)
    assert "trust" in pia.refused(sftp)["settings.hostKeys"]


def test_a_secret_has_no_place_in_a_file(pia: Program, csv: dict[str, Any]) -> None:
    csv["mappings"].append({"exportName": "password", "static": CANARY})
    faults = pia.refused(csv)
    assert list(faults) == ["mappings[3]"]
    assert "no place for a secret" in faults["mappings[3]"]


def test_a_zone_that_does_not_exist_is_refused(pia: Program, csv: dict[str, Any]) -> None:
    assert list(pia.refused(csv | {"timeZone": "Europe/Atlantis"})) == ["timeZone"]


def test_campaigns_of_one_name_are_seen(pia: Program, csv: dict[str, Any], session: Session) -> None:
    ids = [unique("c"), unique("c")]
    session.add_all([Campaign(campaign_id=one, name="Lander") for one in ids])
    session.commit()
    csv["routes"] = [{"customerType": "Partial", "campaign": one, "product": "all"} for one in ids]
    assert "Routes 1 and 2" in pia.refused(csv)["settings.fileName"]
    csv["settings"]["fileName"] = "{route}_{run}"
    pia.save(csv)


def test_the_export_type_stays(pia: Program, csv: dict[str, Any], sftp: dict[str, Any]) -> None:
    pia.save(csv)
    assert "exportType" in pia.refused(sftp | {"name": csv["name"]})


def test_a_key_that_its_passphrase_does_not_open_is_refused_at_its_field(pia: Program) -> None:
    key = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.OpenSSH, BestAvailableEncryption(b"right")
    )
    settings = {"protocol": "sftp", "host": "files.example.com", "user": "u", "privateKey": key.decode()}
    document = {"name": unique("keys"), "exportType": "ftp", "enabled": False, "settings": settings, "mappings": [],
                "routes": []}  # fmt: skip
    for passphrase in ("canary-wrong", None):
        settings["keyPassphrase"] = passphrase  # type: ignore[assignment]
        refused = pia.refused(document)
        assert "Give the passphrase of this very key." in str(refused["settings.keyPassphrase"])
        assert "canary" not in str(refused)
    settings["keyPassphrase"] = "right"
    assert not {"settings.keyPassphrase", "settings.privateKey"} & set(_faults(pia, document))
    settings["privateKey"] = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
    settings["keyPassphrase"] = None  # type: ignore[assignment]
    assert "Paste the whole file" in str(pia.refused(document)["settings.privateKey"])


def _faults(pia: Program, document: dict[str, Any]) -> list[str]:
    answer = pia.put(f"/profiles/{document['name']}", document).json
    return [detail["path"] for detail in answer.get("details", [])]
