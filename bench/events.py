"""Invented events for the bench: a New Sale of about 700 bytes, its ids counted up."""

from __future__ import annotations

import json
from typing import Any


def event(number: int, run: str, *, campaigns: int = 10) -> dict[str, Any]:
    """Give one event document."""
    return {
        "eventId": f"{run}-{number}",
        "customerType": "New Sale",
        "order": {
            "clientOrderId": f"{run}{number:07X}",
            "orderId": number,
            "campaignId": 1 + number % campaigns,
            "campaignName": f"Lander {1 + number % campaigns}",
            "dateCreated": "2026-11-23 09:58:12",
            "customerId": number % 20_000,
            "firstName": "Zoë",
            "lastName": "Søn",
            "emailAddress": f"zoe{number % 20_000}@example.com",
            "phoneNumber": "(650) 555-1212",
            "address1": "1 Main Street",
            "city": "Columbus",
            "state": "OH",
            "country": "US",
            "postalCode": "43004",
            "ipAddress": "192.0.2.10",
            "orderStatus": "COMPLETE",
            "orderTotal": "49.95",
            "currencyCode": "USD",
            "items": [{"productId": 4, "name": "Widget", "sku": "W-1", "qty": 1, "price": "49.95"}],
            "customFields": {"favouriteColour": "blue"},
        },
    }


def batches(count: int, size: int, run: str, *, campaigns: int = 10) -> list[bytes]:
    """Give `count` events as JSON arrays of `size`."""
    return [
        json.dumps(
            [event(number, run, campaigns=campaigns) for number in range(first, min(first + size, count))]
        ).encode()
        for first in range(0, count, size)
    ]


MAPPINGS = [
    {"exportName": "first_name", "field": "firstName"},
    {"exportName": "order_date", "field": "orderDate"},
    {"exportName": "list_id", "static": "400"},
    {"exportName": "email_address", "field": "emailAddress"},
    {"exportName": "campaign_number", "field": "campaignId"},
]
"""The mappings of the reference article's example."""


def profile(name: str, url: str, routes: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Give a profile document that sends as it happens."""
    return {
        "name": name,
        "exportType": "postback",
        "intervalMinutes": 0,
        "settings": {"url": url, "maxInFlight": 256, **more.pop("settings", {})},
        "mappings": more.pop("mappings", MAPPINGS),
        "routes": routes,
        **more,
    }
