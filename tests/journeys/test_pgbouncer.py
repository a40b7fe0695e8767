"""All of Waybill through PgBouncer in transaction mode, which lends it fewer connections than it has processes."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from psycopg import sql
from sqlalchemy.engine import make_url

from dev.files import kept_port
from tests.journeys.newcomer import Newcomer, newcomer_in
from tests.pgbouncer import PgBouncer
from tests.receivers import Receiver

POOL = 4
EVENTS = 2_000
AT_ONCE = 16

MAPPINGS = [{"exportName": "Order", "field": "clientOrderId"}, {"exportName": "Mail", "field": "emailAddress"}]
ROUTES = [{"customerType": "Partial", "campaign": "all", "product": "all"}]


@contextmanager
def ordinary_role(database_url: str) -> Iterator[str]:
    """Give the URL of this database for a role that may do nothing but own what is its own."""
    server, name, password = make_url(database_url), f"role_{secrets.token_hex(4)}", secrets.token_hex(8)
    role, database = sql.Identifier(name), sql.Identifier(str(server.database))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, role))
        try:
            yield server.set(username=name, password=password).render_as_string(hide_password=False)
        finally:
            connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(database))
            connection.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(role))
            connection.execute(sql.SQL("DROP OWNED BY {}; DROP ROLE {}").format(role, role))


@pytest.fixture
def bouncer(empty_database_url: str, tmp_path: Path) -> Iterator[PgBouncer]:
    with (
        ordinary_role(empty_database_url) as url,
        PgBouncer(tmp_path / "pgbouncer", url, pool_size=POOL) as running,
    ):
        yield running


def event(number: int) -> dict[str, Any]:
    order = {"clientOrderId": f"B{number}", "customerId": number % 50, "emailAddress": f"a{number}@example.com"}
    return {"eventId": f"ev-{number}", "customerType": "Partial", "order": order}


def post_all(newcomer: Newcomer) -> None:
    """Post from many clients at once, in batches of 40."""

    def post(first: int) -> int:
        body = json.dumps([event(number) for number in range(first, first + 40)])
        headers = {"Content-Type": "application/json"}
        accepted: int = newcomer.call("POST", "/events", data=body, headers=headers).json()["accepted"]
        return accepted

    with ThreadPoolExecutor(AT_ONCE) as clients:
        assert sum(clients.map(post, range(0, EVENTS, 40))) == EVENTS


def connections(database_url: str) -> int:
    """Count the connections of others to this database."""
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND usename <> current_user"
        )
        return found.rowcount


def limits(pooled_url: str) -> tuple[str, ...]:
    """Give what a session is under that brings nothing of its own."""
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "timezone")
    with psycopg.connect(pooled_url) as connection:
        found = connection.execute("SELECT current_setting(n) FROM unnest(CAST(%s AS text[])) n", [list(names)])
        return tuple(row[0] for row in found.fetchall())


@pytest.mark.slow
def test_everything_goes_through_few_connections_lent_by_the_transaction(
    bouncer: PgBouncer, empty_database_url: str, tmp_path: Path
):
    port = kept_port(tmp_path / "receiver-port")
    given = {"DATABASE_URL": bouncer.url, "DATABASE_POOLED": "yes", "EGRESS_ALLOW": f"127.0.0.1/32:{port}"}
    with Receiver(port=port) as receiver, newcomer_in(tmp_path, **given) as newcomer:
        bouncer.reconnect()  # after the first release, as the manual says it: those that were there have no limits yet
        postback = {
            "name": "Calls",
            "exportType": "postback",
            "intervalMinutes": 0,
            "settings": {"url": receiver.url()},
        }
        file = {"name": "Files", "exportType": "csv", "settings": {"schedule": "manual"}}
        for profile in (postback, file):
            document = {**profile, "mappings": MAPPINGS, "routes": ROUTES}
            newcomer.call("PUT", f"/profiles/{profile['name']}", json=document)

        post_all(newcomer)
        newcomer.until(lambda: len(receiver.seen) >= EVENTS, 60)
        assert len({seen.headers["webhook-id"] for seen in receiver.seen}) == EVENTS

        (run,) = newcomer.call("POST", "/profiles/Files/run").json()["runs"]
        newcomer.until(lambda: newcomer.call("GET", f"/runs/{run}").json()["state"] == "written", 30)
        lines = newcomer.call("GET", f"/runs/{run}/file").text.splitlines()
        assert sorted(lines[1:]) == sorted(f"B{number},a{number}@example.com" for number in range(EVENTS))

        history = newcomer.call("GET", "/customers/7/history").text
        assert "B7 " in history
        ready = requests.get(f"{newcomer.told()['url']}/readyz", timeout=5).json()
        assert ready == {"status": "ready"}
        assert bouncer.clients() > 2 * POOL
        assert 1 <= connections(empty_database_url) <= POOL
        assert limits(bouncer.url) == ("30s", "5s", "15s", "UTC")
