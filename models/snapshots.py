"""A profile as it was when a run took its rows: what the file is made from, whatever is edited meanwhile.

It holds no secret: a file has none, and an upload uses the connection settings of today.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Self
from uuid import UUID, uuid4, uuid5
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from models.mapping_rows import row_document
from models.profile import Mapping, Profile, Route
from models.rules import customer_types
from models.rules.filenames import NameFacts
from models.run import Run
from models.secret_places import is_sealed

_ALL = "all"


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """A route as names and files see it. customer_type is the slug; None stands for all campaigns, all products."""

    customer_type: str
    campaign: str | None = None
    campaign_name: str | None = None
    product: str | None = None
    product_name: str | None = None

    @classmethod
    def of(cls, route: Route) -> Self:
        """Read a route with its campaign and product; one that was never saved has only their ids."""
        return cls(
            customer_type=route.customer_type,
            campaign=route.campaign_id,
            campaign_name=route.campaign.name if route.campaign else None,
            product=route.product_id,
            product_name=route.product.name if route.product else None,
        )

    @classmethod
    def read(cls, document: dict[str, Any]) -> Self:
        """Read what `document` wrote."""
        return cls(
            customer_type=document["customerType"],
            campaign=document["campaign"],
            campaign_name=document["campaignName"],
            product=document["product"],
            product_name=document["productName"],
        )

    def document(self) -> dict[str, str | None]:
        """Write it for a snapshot."""
        return {
            "customerType": self.customer_type,
            "campaign": self.campaign,
            "campaignName": self.campaign_name,
            "product": self.product,
            "productName": self.product_name,
        }

    @property
    def words(self) -> tuple[str, str, str]:
        """Say customer type, campaign and product as people read them: Partial, Lander, all."""
        return (
            customer_types.parse(self.customer_type).label,
            self.campaign_name or self.campaign or _ALL,
            self.product_name or self.product or _ALL,
        )


class RunLike(Protocol):
    """What naming and writing ask of a run: a row of `runs`, or what a claim holds of it."""

    # fmt: off
    @property
    def id(self) -> int: """Its key."""
    @property
    def part(self) -> int: """From 1."""
    @property
    def slot(self) -> str: """The slot's key."""
    @property
    def slot_at(self) -> datetime: """Its time."""
    @property
    def route_id(self) -> int: """The route whose rows it took."""
    @property
    def source_id(self) -> int | None: """The run whose rows are made into a file again."""
    @property
    def snapshot(self) -> dict[str, Any] | None: """What `take` wrote; there from the claim on."""
    # fmt: on


def take(profile: Profile, route: Route, *, account_time_zone: str = "UTC") -> dict[str, Any]:
    """Write down what a file of this route is made from. Equal for all parts of one slot when it is copied."""
    return {
        "name": profile.name,
        "exportType": profile.export_type,
        "version": profile.version,
        "timeZone": profile.time_zone or account_time_zone,
        "accountTimeZone": account_time_zone,
        "delayMinutes": profile.delay_minutes,
        "skipCompletedPartials": profile.skip_completed_partials,
        "settings": {key: value for key, value in profile.settings.items() if not is_sealed(value)},
        "mappings": [row_document(row) for row in profile.mappings],
        "route": RouteFacts.of(route).document(),
        "uuid": str(uuid4()),
    }


def profile_of(snapshot: dict[str, Any]) -> Profile:
    """Make the profile again, as an object that belongs to no session."""
    return Profile(
        name=snapshot["name"],
        export_type=snapshot["exportType"],
        version=snapshot["version"],
        time_zone=snapshot["timeZone"],
        delay_minutes=snapshot["delayMinutes"],
        skip_completed_partials=snapshot["skipCompletedPartials"],
        settings=dict(snapshot["settings"]),
        mappings=[_mapping(row) for row in snapshot["mappings"]],
    )


def route_of(snapshot: dict[str, Any]) -> RouteFacts:
    """Give the route's names as they were."""
    return RouteFacts.read(snapshot["route"])


def name_facts(snapshot: dict[str, Any], run: RunLike, *, rows: int = 0, seq: int = 1) -> NameFacts:
    """Gather what a name may tell. seq: see `sequence`."""
    customer_type, campaign, product = route_of(snapshot).words
    return NameFacts(
        profile=snapshot["name"],
        customer_type=customer_type,
        campaign=campaign,
        product=product,
        at=run.slot_at.astimezone(ZoneInfo(snapshot["timeZone"])),
        run=run.id,
        seq=seq,
        part=run.part,
        rows=rows,
        uuid=str(uuid5(UUID(snapshot["uuid"]), str(run.part))),
    )


def sequence(connection: sa.Connection, run: RunLike) -> int:
    """Say the how-manieth run of its route a run is, from 1. The parts of one slot have one number."""
    first = sa.select(Run.id).where(Run.route_id == run.route_id, Run.slot == run.slot, Run.part == 1)
    before = (
        sa.select(sa.func.count())
        .select_from(Run)
        .where(Run.route_id == run.route_id, Run.part == 1, Run.id <= first.scalar_subquery())
    )
    return max(1, connection.scalar(before) or 0)


def _mapping(row: dict[str, Any]) -> Mapping:
    return Mapping(
        export_name=row["exportName"],
        field=row.get("field"),
        static=row.get("static"),
        template=row.get("template"),
        secret=bool(row.get("secret")),
        modifiers=list(row.get("modifiers") or ()),
        type=row.get("type"),
        when_empty=row.get("whenEmpty"),
    )
