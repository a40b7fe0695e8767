"""`python -m bench.loader [--deliveries N] ...` fills an empty, migrated database as if Waybill had run for months.

It takes DATABASE_URL. All of it is one transaction: an interrupted load leaves nothing behind. 5,000,000 deliveries take
about ten minutes and 10 GB.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from pydantic import SecretStr

from bench import load_exports, load_people
from exporters.csv_settings import CsvSettings
from exporters.ftp_settings import FtpSettings
from exporters.postback_settings import PostbackSettings
from models import partitions

BATCH = 200_000
SHARE_OF_RECEIVERS, SHARE_OF_BUSY = 0.9, 0.95

Step = tuple[str, str, int]
"""What it makes, its statement, and how many numbers it goes through: 0 when it does all at once."""


class NotEmpty(Exception):
    """The database is in use."""


def load(
    engine: sa.Engine, *, deliveries: int, customers: int, profiles: int, days: int
) -> Iterator[tuple[str, float]]:
    """Fill the database; say what is made, and how many seconds it took. Raises NotEmpty."""
    for age in range(days + 1, -1, -2):
        partitions.make(engine, (datetime.now(UTC) - timedelta(days=age)).date())
    values = _values(deliveries=deliveries, customers=customers, profiles=profiles, days=days)
    with engine.begin() as connection:
        if connection.scalar(sa.text("SELECT EXISTS (SELECT FROM events) OR EXISTS (SELECT FROM profiles)")):
            raise NotEmpty("This database has profiles or events: the loader fills an empty one.")
        connection.execute(sa.text("SELECT setseed(0.5)"))
        # The rows are ours and right: asking for each of ten million whether its parents are there is most of the time.
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        for name, statement, count in _steps(values):
            began = time.monotonic()
            _run(connection, statement, values, count)
            yield name, time.monotonic() - began
    began = time.monotonic()
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text("VACUUM (ANALYZE)"))
    yield "vacuum", time.monotonic() - began


def _values(*, deliveries: int, customers: int, profiles: int, days: int) -> dict[str, Any]:
    events = deliveries // 2
    postbacks = int(profiles * SHARE_OF_RECEIVERS)
    return {
        "deliveries": deliveries,
        "events": events,
        "orders": 1 + events * 2 // 3,
        "customers": customers,
        "profiles": profiles,
        "postbacks": postbacks,
        "busy": int(postbacks * SHARE_OF_BUSY) // 2 * 2,
        "days": days,
        "postback": _stored(PostbackSettings(url="https://receiver.example.com/leads")),
        "csv": _stored(CsvSettings()),
        "ftp": _stored(FtpSettings(host="files.example.com", user="waybill", password=SecretStr("stars"))),
    }


def _stored(settings: Any) -> str:
    given = settings.model_dump(by_alias=True, mode="json", exclude_none=True)
    return msgspec.json.encode(given).decode()


def _steps(values: dict[str, Any]) -> Iterator[Step]:
    people, exports = load_people, load_exports
    for statement in people.RECORDS:
        yield "campaigns and products", statement, 0
    for statement in (people.RECEIVERS, people.PROFILES, people.GATES, people.MAPPINGS, people.ROUTES):
        yield "profiles", statement, 0
    yield "customers", people.CUSTOMERS, 0
    yield "orders", people.ORDERS, values["orders"]
    yield "events", exports.EVENTS, values["events"]
    yield "events", "ANALYZE events, profiles, receivers", 0
    yield "deliveries", exports.FEW, 0
    yield "deliveries", exports.DELIVERIES, values["events"]
    yield "deliveries", "ANALYZE deliveries", 0
    yield "attempts", exports.ATTEMPTS, values["events"]
    yield "tallies", exports.TALLIES, 0
    for statement in (exports.RUNS, exports.UPLOADS):
        yield "files", statement, 0
    yield "rows of files", exports.FILE_ITEMS, values["events"]
    for statement in (exports.RECORD, exports.JOBS, *exports.NUMBERS_GO_ON):
        yield "the record", statement, 0


def _run(connection: sa.Connection, text: str, values: dict[str, Any], count: int) -> None:
    statement = sa.text(text)
    known = {name: value for name, value in values.items() if name in statement.compile().params}
    if not count:
        connection.execute(statement, known)
    for first in range(1, count + 1, BATCH):
        connection.execute(statement, {**known, "first": first, "last": min(first + BATCH - 1, count)})


def main() -> None:
    """Load, and say how far it is."""
    parser = argparse.ArgumentParser(prog="bench.loader", description=__doc__)
    parser.add_argument("--deliveries", type=int, default=5_000_000, help="two for each event (5,000,000)")
    parser.add_argument("--customers", type=int, default=1_000_000, help="(1,000,000)")
    parser.add_argument("--profiles", type=int, default=500, help="nine of ten are postbacks (500)")
    parser.add_argument("--days", type=int, default=90, help="over how many days it happened (90)")
    given = parser.parse_args()
    url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1)
    engine = sa.create_engine(url)
    try:
        for name, seconds in load(engine, **vars(given)):
            print(f"{name}: {seconds:.1f} s", flush=True)
    except NotEmpty as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
