"""Settings that cannot be used are refused at start, each with a sentence that names it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from config import Config, ConfigError

GOOD = {
    "DATABASE_URL": "postgres://waybill:x@db.example/waybill",
    "REDIS_URL": "redis://redis.example/0",
    "SECRET_KEY": "k" * 32,
    "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
}


def test_postgres_as_hosts_hand_it_out_is_taken() -> None:
    assert Config.from_env(GOOD).database_url == "postgresql+psycopg://waybill:x@db.example/waybill"


@pytest.mark.parametrize(
    "text", ["10.0.0.1", "nonsense", "10.0.0.0/33", "10.1.2.0/24:99999", "0.0.0.0/0", "127.0.0.1/32,x"]
)
def test_an_allowance_that_cannot_be_read_is_refused_at_start(text: str) -> None:
    with pytest.raises(ConfigError, match=r'^EGRESS_ALLOW "'):
        Config.from_env(GOOD | {"EGRESS_ALLOW": text})


def test_lists_are_read() -> None:
    config = Config.from_env(
        GOOD | {"TRUSTED_HOSTS": "Export.example.com, .internal ", "CARD_SCAN_EXEMPT": "order.a, order.items[].b.c"}
    )
    assert config.trusted_hosts == ("export.example.com", ".internal")
    assert config.card_scan_exempt == {"a", "items[].b.c"}


@pytest.mark.parametrize(("text", "means"), [("yes", True), ("No", False), ("", False)])
def test_a_pooler_is_said_with_yes_or_no(text: str, means: bool) -> None:
    assert Config.from_env(GOOD | {"DATABASE_POOLED": text}).database_pooled is means


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PROXY_HOPS", "-1"),
        ("PROXY_HOPS", "all"),
        ("DATABASE_POOLED", "transaction"),
        ("TRUSTED_HOSTS", "https://export.example.com"),
        ("TRUSTED_HOSTS", "export.example.com:443"),
        ("TRUSTED_HOSTS", "*"),
        ("CARD_SCAN_EXEMPT", "trackingNumber"),
        ("CARD_SCAN_EXEMPT", "order"),
        ("CARD_SCAN_EXEMPT", "order.items[0].serial"),
        ("CARD_SCAN_EXEMPT", "order.*"),
    ],
)
def test_what_cannot_be_read_is_refused_at_start(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name} "):
        Config.from_env(GOOD | {name: text})


@pytest.mark.parametrize(
    "command", [["gunicorn", "wsgi:app"], ["flask", "--app", "wsgi", "release"]], ids=["gunicorn", "flask"]
)
def test_the_web_process_says_it_in_one_sentence(command: list[str]) -> None:
    environ = {**os.environ, **GOOD, "EGRESS_ALLOW": "nonsense"}
    program = str(Path(sys.executable).parent / command[0])
    ended = subprocess.run([program, *command[1:]], env=environ, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert ended.stderr.strip().startswith("EGRESS_ALLOW")
    assert len(ended.stderr.strip().splitlines()) == 1
