"""Sealed secrets: bound to their place, opened by any key, sealed anew with the first."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from models.profile import Profile
from models.sealed import CannotOpen, Seal
from models.secret_places import is_sealed, mapping_place, open_settings, settings_place

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
HERE = settings_place(1, "signingSecret", "https://a.example:443")


def test_a_secret_comes_back_at_its_place_only():
    seal = Seal([OLD])
    sealed = seal.close("whsec_ünïcode", *HERE)
    assert "whsec" not in sealed
    assert seal.open(sealed, *HERE) == "whsec_ünïcode"


@pytest.mark.parametrize(
    "elsewhere",
    [
        settings_place(2, "signingSecret", "https://a.example:443"),
        settings_place(1, "other", "https://a.example:443"),
        settings_place(1, "signingSecret", "https://b.example:443"),
        settings_place(1, "signingSecret", "http://a.example:443"),
        mapping_place(1, "signingSecret", 0, "https://a.example:443"),
        (),
        HERE[:-1],
        (*HERE, ""),
    ],
)
def test_a_row_that_was_copied_elsewhere_opens_nothing(elsewhere: tuple[str, ...]):
    seal = Seal([OLD])
    with pytest.raises(CannotOpen, match="belongs to another place"):
        seal.open(seal.close("s3cret", *HERE), *elsewhere)


def test_places_that_read_alike_when_joined_are_not_the_same():
    seal = Seal([OLD])
    with pytest.raises(CannotOpen):
        seal.open(seal.close("s3cret", "a", "b"), "a,b")
    with pytest.raises(CannotOpen):
        seal.open(seal.close("s3cret", "a"), "s3cret", "a")


def test_all_keys_open_and_the_first_one_seals():
    sealed = Seal([OLD]).close("s3cret", *HERE)
    assert Seal([NEW, OLD]).open(sealed, *HERE) == "s3cret"
    rotated = Seal([NEW, OLD]).rotate(sealed)
    assert Seal([NEW]).open(rotated, *HERE) == "s3cret"
    with pytest.raises(CannotOpen, match="no key of ENCRYPTION_KEYS"):
        Seal([OLD]).open(rotated, *HERE)


def test_rotating_keeps_the_place():
    seal = Seal([NEW, OLD])
    with pytest.raises(CannotOpen, match="belongs to another place"):
        seal.open(seal.rotate(Seal([OLD]).close("s3cret", *HERE)), "elsewhere")


@pytest.mark.parametrize("sealed", ["", "nonsense", "gAAAAA", "ä", "s3cret"])
def test_what_was_never_sealed_cannot_be_opened_or_rotated(sealed: str):
    with pytest.raises(CannotOpen) as caught:
        Seal([OLD]).open(sealed, *HERE)
    assert sealed == "" or sealed not in str(caught.value)
    with pytest.raises(CannotOpen):
        Seal([OLD]).rotate(sealed)


def test_settings_are_opened_one_by_one():
    seal = Seal([OLD])
    stored = {
        "url": "https://a.example/",
        "signingSecret": {"sealed": seal.close("whsec_x", *HERE)},
        "jsonPath": {"a": 1},
    }
    profile = Profile(id=1, settings=stored)
    assert open_settings(profile, seal, "https://a.example:443") == {
        "url": "https://a.example/",
        "signingSecret": "whsec_x",
        "jsonPath": {"a": 1},
    }
    with pytest.raises(CannotOpen):
        open_settings(profile, seal, "https://evil.example:443")


def test_only_an_object_with_sealed_alone_is_a_sealed_setting():
    assert is_sealed({"sealed": "x"})
    assert not any(is_sealed(value) for value in ("sealed", {}, {"sealed": "x", "more": 1}, None, ["sealed"]))
