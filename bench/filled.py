"""Postbacks in a database that holds millions of finished deliveries, beside an empty one."""

from __future__ import annotations

import sqlalchemy as sa

from bench import postbacks
from bench.api import Api
from bench.rows import Row, at_least
from bench.stage import Stage

PROCESSES = 2


FILLS = (1_000_000, 5_000_000)
"""Deliveries, of which some are still open: those are of profiles that are switched off meanwhile."""


def rows(stage: Stage, api: Api) -> list[Row]:
    """Measure the same load on all of them."""
    empty, _ = postbacks.sent(stage, api, "get", PROCESSES)
    return [_row(stage, stage.filled(f"filled_{fill}", fill), empty) for fill in FILLS]


def _row(stage: Stage, url: str, empty: float) -> Row:
    with stage.working_on(url):
        with stage.engine.begin() as connection:
            connection.execute(sa.text("UPDATE profiles SET enabled = false"))
            finished = int(
                connection.scalar(sa.text("SELECT count(*) FROM deliveries WHERE finished_at IS NOT NULL")) or 0
            )
        full, _ = postbacks.sent(stage, stage.api(), "get", PROCESSES)
    return Row(
        f"postbacks with {finished:,} finished deliveries in the database",
        f"{full:,.0f}/s",
        f"in an empty one: {empty:,.0f}/s",
        full / empty,
        "0.9",
        share=at_least(full / empty, 0.9),
        figures={"per_s": full, "reference_per_s": empty, "finished": finished},
    )
