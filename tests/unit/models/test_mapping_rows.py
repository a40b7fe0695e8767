"""Field mappings as they are stored: read back into the rules' tree, their secrets opened."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from models.mapping_rows import UnreadableMappings, open_statics, read_rows
from models.profile import Mapping, Profile
from models.sealed import CannotOpen, Seal
from models.secret_places import mapping_place

ORIGIN = "https://a.example:443"
SEAL = Seal([Fernet.generate_key().decode()])


def sealed(name: str, occurrence: int, secret: str) -> Mapping:
    return Mapping(
        export_name=name, secret=True, sealed=SEAL.close(secret, *mapping_place(1, name, occurrence, ORIGIN))
    )


def test_rows_are_read_in_their_order():
    found = read_rows(
        [
            Mapping(export_name="first_name", field="firstName", modifiers=["trim", "upper"], secret=False),
            Mapping(export_name="list_id", static="400", secret=False),
            Mapping(export_name="empty", static="", secret=False),
            Mapping(
                export_name="name", template="{firstName} {lastName}", type="text", when_empty="omit", secret=False
            ),
            sealed("header:Authorization", 0, "Bearer x"),
        ]
    )
    assert [mapping.export_name for mapping in found] == [
        "first_name",
        "list_id",
        "empty",
        "name",
        "header:Authorization",
    ]


def test_a_row_that_nobody_checked_is_told_with_its_place():
    with pytest.raises(UnreadableMappings, match=r"^mappings\[1\]\.field: "):
        read_rows(
            [
                Mapping(export_name="a", field="firstName", secret=False),
                Mapping(export_name="b", field="noSuchField", secret=False),
            ]
        )


def test_statics_are_opened_in_mapping_order_and_names_may_repeat():
    profile = Profile(id=1)
    profile.mappings = [
        sealed("token", 0, "first"),
        Mapping(export_name="list_id", static="400"),
        Mapping(export_name="first_name", field="firstName"),
        sealed("token", 1, "second"),
    ]
    assert open_statics(profile, SEAL, ORIGIN) == ["first", "400", None, "second"]


def test_secrets_of_swapped_rows_open_nothing():
    profile = Profile(id=1)
    profile.mappings = [sealed("token", 1, "second"), sealed("token", 0, "first")]
    with pytest.raises(CannotOpen):
        open_statics(profile, SEAL, ORIGIN)


def test_a_secret_opens_for_no_other_host():
    profile = Profile(id=1)
    profile.mappings = [sealed("token", 0, "first")]
    with pytest.raises(CannotOpen):
        open_statics(profile, SEAL, "https://evil.example:443")
