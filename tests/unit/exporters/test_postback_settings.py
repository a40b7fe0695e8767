"""The settings document of a postback: defaults, limits, messages, secrets."""

from __future__ import annotations

from typing import Any

import pytest
import trustme
from pydantic import ValidationError

from exporters.fields import Mark, marked, marks, secret_names
from exporters.postback_settings import PostbackSettings

URL = "https://h.example/p"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def parse(**document: Any) -> PostbackSettings:
    return PostbackSettings.model_validate({"url": URL, **document})


def message(**document: Any) -> str:
    with pytest.raises(ValidationError) as refusal:
        parse(**document)
    return "; ".join(str(error["msg"]) for error in refusal.value.errors())


def test_the_defaults_are_those_of_the_contract():
    assert parse().model_dump(by_alias=True) == {
        "url": URL,
        "timeoutSeconds": 30,
        "maxInFlight": 32,
        "ratePerSecond": None,
        "successBody": None,
        "retryFirstSeconds": 15,
        "retryCapSeconds": 3600,
        "signingSecret": None,
        "idempotencyKey": False,
        "caCertificate": None,
    }


@pytest.mark.parametrize(
    ("key", "lowest", "highest", "below", "above"),
    [
        ("timeoutSeconds", 1, 120, 0, 121),
        ("maxInFlight", 1, 1000, 0, 1001),
        ("ratePerSecond", 0.1, 10000, 0.05, 10001),
        ("retryFirstSeconds", 1, 3600, 0, 3601),
        ("retryCapSeconds", 1, 86400, 0, 86401),
    ],
)
def test_the_limits_are_those_of_the_contract(key: str, lowest: float, highest: float, below: float, above: float):
    parse(**{key: lowest})
    parse(**{key: highest})
    assert message(**{key: below})
    assert message(**{key: above})


@pytest.mark.parametrize("document", [{"Url": URL}, {"timeout": 3}, {"successBody": {"contains": "a", "regex": "b"}}])
def test_unknown_keys_are_refused(document: dict[str, Any]):
    assert "not permitted" in message(**document)


def test_attributes_have_python_names_and_may_be_given_by_them():
    settings = PostbackSettings(url=URL, timeout_seconds=5)
    assert settings.timeout_seconds == 5


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        parse().url = "https://other.example/"


def test_a_document_survives_the_round_trip_but_for_its_secret():
    document = {"url": URL, "successBody": {"jsonPath": "a[0].b", "equals": True}, "ratePerSecond": 0.5}
    dumped = parse(**document, signingSecret=SECRET).model_dump(mode="json", by_alias=True)
    assert dumped["successBody"] == document["successBody"]
    assert dumped["signingSecret"] == "**********"
    again = PostbackSettings.model_validate({**dumped, "signingSecret": None})
    assert again == parse(**document)


def test_the_address_is_kept_in_its_one_form_and_a_bad_one_says_why():
    assert PostbackSettings(url="HTTPS://H.example").url == "https://h.example/"
    assert "user or password" in message(url="https://u:p@h.example/")


@pytest.mark.parametrize(
    "secret",
    ["abc", "whsec_", "whsec_c2hvcnQ=", "whsec_" + "A" * 88, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SECRET + "!",
     f"{SECRET} {SECRET} {SECRET}", f"{SECRET}  {SECRET}", f"{SECRET},{SECRET}"],
)  # fmt: skip
def test_a_bad_signing_secret_is_refused_and_not_repeated(secret: str):
    with pytest.raises(ValidationError) as refusal:
        parse(signingSecret=secret)
    assert "signing secret" in str(refusal.value)
    assert SECRET not in str(refusal.value)


def test_one_or_two_signing_secrets_are_taken_and_never_printed():
    for secret in (SECRET, f"{SECRET} whsec_{'A' * 84}"):
        assert SECRET not in repr(parse(signingSecret=secret))


@pytest.mark.parametrize("pattern", ["(?=a)", "(?<!a)b", r"(a)\1", "(", "[z-a]", "a{1001}", "*"])
def test_expressions_that_re2_does_not_know_are_refused_on_save(pattern: str):
    assert "RE2" in message(successBody={"regex": pattern})


@pytest.mark.parametrize(
    "rule",
    [{}, {"contains": ""}, {"regex": ""}, {"jsonPath": "a"}, {"jsonPath": "a..b", "equals": 1}, {"equals": 1},
     {"jsonPath": "a", "equals": [1]}, {"jsonPath": "a", "equals": {}}, "ok", {"contains": "a", "equals": 1}],
)  # fmt: skip
def test_a_rule_for_the_body_must_be_one_whole_rule(rule: Any):
    assert message(successBody=rule)


@pytest.mark.parametrize(("given", "kind"), [(True, bool), (1, int), (1.5, float), ("1", str), (None, type(None))])
def test_the_type_of_the_wanted_value_is_kept(given: object, kind: type):
    rule: Any = parse(successBody={"jsonPath": "a", "equals": given}).success_body
    assert (rule.equals, type(rule.equals)) == (given, kind)


def test_a_private_certificate_is_read_on_save():
    pem = trustme.CA().cert_pem.bytes().decode()
    assert parse(caCertificate=pem).ca_certificate == pem
    assert parse(caCertificate=" ").ca_certificate is None
    assert "PEM" in message(caCertificate="-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----")
    assert "PEM" in message(caCertificate="zoë")


def test_a_form_can_be_drawn_from_the_model():
    assert secret_names(PostbackSettings) == ("signing_secret",)
    assert marked(PostbackSettings, Mark.FORGETS_SECRETS) == ("url",)
    assert marks(PostbackSettings, "ca_certificate") == {Mark.TEXT_AREA}
    for name, field in PostbackSettings.model_fields.items():
        assert field.title, name
        assert field.description, name
