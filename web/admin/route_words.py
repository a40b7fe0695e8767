"""Routes as people read them: "Partial / Lander / all"."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from models.base import db
from models.campaign import Campaign, Product
from models.profile import Profile, Route
from web.admin.shown import type_label

MOST = 3
MOST_SAID = 20


def route_words(profiles: Iterable[Profile]) -> dict[int, list[str]]:
    """Write the routes of each profile, by its id; the first few, and how many more there are."""
    routes = {profile.id: profile.live_routes for profile in profiles}
    shown = [route for some in routes.values() for route in some[:MOST]]
    campaigns = _names(Campaign.campaign_id, Campaign.name, {route.campaign_id for route in shown})
    products = _names(Product.product_id, Product.name, {route.product_id for route in shown})
    return {
        number: [
            f"{type_label(route.customer_type)} / {campaigns[route.campaign_id]} / {products[route.product_id]}"
            for route in some[:MOST]
        ]
        + ([f"and {len(some) - MOST} more"] if len(some) > MOST else [])
        for number, some in routes.items()
    }


def sentences(profile: Profile) -> list[str]:
    """Say what each route of a profile means, and which of them another one covers already."""
    routes = profile.live_routes
    campaigns = _names(Campaign.campaign_id, Campaign.name, {route.campaign_id for route in routes[:MOST_SAID]})
    products = _names(Product.product_id, Product.name, {route.product_id for route in routes[:MOST_SAID]})
    said = []
    for route in routes[:MOST_SAID]:
        campaign = "any campaign" if route.campaign_id is None else f'campaign "{campaigns[route.campaign_id]}"'
        product = "any product" if route.product_id is None else f'product "{products[route.product_id]}"'
        covered = any(_covers(other, route) for other in routes)
        also = " Another route takes these already; each order is still sent once." if covered else ""
        said.append(f"{type_label(route.customer_type)}: orders of {campaign} with {product}.{also}")
    more = len(routes) - MOST_SAID
    return said + ([f"And {more} more."] if more > 0 else [])


def _covers(wide: Route, narrow: Route) -> bool:
    """Say whether one route takes everything that another one takes."""
    return (
        wide is not narrow
        and wide.customer_type == narrow.customer_type
        and wide.campaign_id in {None, narrow.campaign_id}
        and wide.product_id in {None, narrow.product_id}
    )


def _names(
    key: sa.orm.InstrumentedAttribute[str], name: sa.orm.InstrumentedAttribute[str | None], ids: set[str | None]
) -> dict[str | None, str]:
    """Name campaigns or products by their ids; None stands for all, and what has no name yet is its id."""
    found = db.session.execute(sa.select(key, name).where(key.in_(ids - {None})))
    return {None: "all"} | {row[0]: row[1] or row[0] for row in found}
