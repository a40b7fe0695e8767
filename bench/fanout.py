"""What more profiles cost the intake: three of them take each event, whether there are three or a thousand."""

from __future__ import annotations

from bench.api import Api
from bench.events import batches, profile
from bench.intake import posted
from bench.rows import Row, at_most
from bench.stage import Stage

COUNT = 30_000
CAMPAIGNS = 1_000
MATCHES = 3
TIMES = 3
"""Each crowd of profiles is measured so often, in turn with the few: the best one counts, the rest is the machine's noise."""


def rows(stage: Stage, api: Api) -> list[Row]:
    """Measure the cost of an event with 3 profiles of 1 route, with 100, and with 1,000 that have 5,000 routes."""
    found = {}
    for profiles in (3, 100, 1_000):
        routes = _set_up(stage, api, profiles)
        bodies = [
            batches(stage.sized(COUNT), 500, f"f{profiles}-{turn}-", campaigns=CAMPAIGNS) for turn in range(TIMES)
        ]
        found[profiles] = (routes, max(posted(api, one) for one in bodies))
        for number in range(profiles):
            api.delete(_name(profiles, number))
    few = found[MATCHES][1]
    return [
        Row(
            f"fan-out: intake with {profiles:,} profiles, {routes:,} routes, {MATCHES} matches per event",
            f"{1e6 / rate:.0f} us an event",
            f"with {MATCHES} profiles: {1e6 / few:.0f} us",
            few / rate,
            "1.5 times",
            note=f"{rate:,.0f} events/s in batches of 500, {CAMPAIGNS:,} campaigns; the best of {TIMES}",
            share=at_most(few / rate, 1.5),
            figures={"profiles": profiles, "routes": routes, "per_s": rate, "reference_per_s": few},
        )
        for profiles, (routes, rate) in found.items()
        if profiles > MATCHES
    ]


def _set_up(stage: Stage, api: Api, profiles: int) -> int:
    """Make the profiles: each campaign is taken by three of them; further routes are for events that do not come. Returns how many routes."""
    made = 0
    for number in range(profiles):
        campaigns: list[int | str] = [
            1 + pair // MATCHES for pair in range(CAMPAIGNS * MATCHES) if pair % profiles == number
        ]
        idle = [
            {"customerType": kind, "campaign": "all", "product": "all"}
            for kind in ("Lead", "Capture")
            if profiles > MATCHES
        ]
        if profiles == MATCHES:
            campaigns = ["all"]
        routes = [{"customerType": "New Sale", "campaign": one, "product": "all"} for one in campaigns]
        api.put(profile(_name(profiles, number), f"{stage.receiver}/in", [*routes, *idle], paused=True))
        made += len(routes) + len(idle)
    return made


def _name(profiles: int, number: int) -> str:
    return f"fan {profiles} {number}"
