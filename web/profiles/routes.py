"""The routes of a profile document: customer type x campaign x product."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.campaign import Campaign, Product
from models.profile import Profile, Route
from models.rules import customer_types
from models.rules.customer_types import CustomerType, UnknownCustomerType
from models.rules.mapping import Fault
from web.profiles.faults import readable, unknown_keys

ALL = "all"
MOST_ROUTES = 2_000
MOST_ID = 200

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,14}")


@dataclass(frozen=True, slots=True)
class RouteKey:
    """What a route is known by. campaign and product are None for all."""

    customer_type: CustomerType
    campaign: str | None
    product: str | None


@dataclass(slots=True)
class GivenRoutes:
    """What was read."""

    keys: list[RouteKey] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def read_routes(given: object) -> GivenRoutes:
    """Read the `routes` of a document and collect every fault."""
    read = GivenRoutes()
    if given is None:
        return read
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        read.faults.append(Fault("routes", "Give a list of routes."))
    elif len(given) > MOST_ROUTES:
        read.faults.append(Fault("routes", f"A profile has at most {MOST_ROUTES} routes."))
    else:
        seen: dict[RouteKey, int] = {}
        for index, route in enumerate(given):
            _route(read, seen, route, index)
    return read


def store_routes(session: Session, profile: Profile, keys: Sequence[RouteKey]) -> None:
    """Switch the profile's routes to exactly these. A missing one is switched off and keeps its row."""
    _name_unseen(session, keys)
    known = {key_of(route): route for route in profile.routes}
    for key, route in known.items():
        route.enabled = key in set(keys)
    for key in keys:
        if key not in known:
            profile.routes.append(
                Route(customer_type=key.customer_type.value, campaign_id=key.campaign, product_id=key.product)
            )


def switches_on(profile: Profile | None, keys: Iterable[RouteKey]) -> bool:
    """Say whether these routes have one that is new to the profile or was off."""
    running = {key_of(route) for route in profile.live_routes} if profile is not None else set()
    return any(key not in running for key in keys)


def key_of(route: Route) -> RouteKey:
    """Give the identity of a stored route."""
    return RouteKey(customer_types.parse(route.customer_type), route.campaign_id, route.product_id)


def document_of(route: Route) -> dict[str, object]:
    """Write a route as in the profile document."""
    return {
        "customerType": customer_types.parse(route.customer_type).label,
        "campaign": _id_out(route.campaign_id),
        "product": _id_out(route.product_id),
    }


def _route(read: GivenRoutes, seen: dict[RouteKey, int], given: object, index: int) -> None:
    place = f"routes[{index}]"
    if not isinstance(given, Mapping):
        read.faults.append(Fault(place, "Give an object with customerType, campaign and product."))
        return
    before = len(read.faults)
    read.faults += unknown_keys(given, ("customerType", "campaign", "product"), place)
    kind = _customer_type(read, given.get("customerType"), f"{place}.customerType")
    campaign = _id_in(read, given.get("campaign"), f"{place}.campaign")
    product = _id_in(read, given.get("product"), f"{place}.product")
    if kind is None or len(read.faults) > before:
        return
    key = RouteKey(kind, campaign, product)
    if key in seen:
        read.faults.append(Fault(place, f"This route stands at routes[{seen[key]}] already."))
        return
    seen[key] = index
    read.keys.append(key)


def _customer_type(read: GivenRoutes, given: object, place: str) -> CustomerType | None:
    if not isinstance(given, str):
        read.faults.append(Fault(place, "Give a customer type such as New Sale."))
        return None
    try:
        return customer_types.parse(given)
    except UnknownCustomerType as error:
        read.faults.append(Fault(place, readable(str(error))))
        return None


def _id_in(read: GivenRoutes, given: object, place: str) -> str | None:
    if given is None:
        return None
    text = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
    if not isinstance(text, str) or not text.strip():
        read.faults.append(Fault(place, 'Give an id, a number or a text, or "all".'))
        return None
    text = text.strip()
    if len(text) > MOST_ID or _CONTROLS.search(text):
        read.faults.append(Fault(place, f"An id has at most {MOST_ID} characters and no control characters."))
        return None
    return None if text.lower() == ALL else text


def _id_out(stored: str | None) -> str | int:
    if stored is None:
        return ALL
    return int(stored) if _WHOLE_NUMBER.fullmatch(stored) else stored


def _name_unseen(session: Session, keys: Sequence[RouteKey]) -> None:
    """Create campaigns and products not seen yet, without a name: the first event that brings them names them."""
    campaigns = sorted({key.campaign for key in keys if key.campaign is not None})
    products = sorted({key.product for key in keys if key.product is not None})
    if campaigns:
        _insert(session, Campaign.__table__, "campaign_id", campaigns)
    if products:
        _insert(session, Product.__table__, "product_id", products)


def _insert(session: Session, table: sa.FromClause, column: str, ids: Sequence[str]) -> None:
    assert isinstance(table, sa.Table)  # noqa: S101 -- for mypy: a mapped class's table is one
    session.execute(insert(table).on_conflict_do_nothing(), [{column: text} for text in ids])
