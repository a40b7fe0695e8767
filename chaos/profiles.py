"""What is exported to whom."""

from __future__ import annotations

from typing import Any

import requests

from chaos.house import House
from chaos.producers import campaign_of

TIMEOUT_SECONDS = 2
LEASE_SECONDS = TIMEOUT_SECONDS + 30
CAMPAIGNS: dict[str, int | str] = {"fast": "all", "slow": 1, "hole": 2, "flapping": 3, "hostile": 4}
"""Profile -> the campaign it takes."""


def owed(number: int) -> tuple[str, ...]:
    """Give the profiles an event is owed to."""
    return tuple(name for name, campaign in CAMPAIGNS.items() if campaign in {"all", campaign_of(number)})


def make(house: House, receivers_port: int) -> None:
    """Make the postback profiles."""
    for name, campaign in CAMPAIGNS.items():
        put(house, name, f"http://127.0.0.1:{receivers_port}/{name}", campaign)


def put(house: House, name: str, url: str, campaign: int | str) -> None:
    """Make one postback profile that sends as it happens."""
    document: dict[str, Any] = {
        "name": name,
        "exportType": "postback",
        "intervalMinutes": 0,
        "settings": {
            "url": url,
            "timeoutSeconds": TIMEOUT_SECONDS,
            "retryFirstSeconds": 1,
            "retryCapSeconds": 5,
        },
        "mappings": [
            {"exportName": "order", "field": "clientOrderId"},
            {"exportName": "first_name", "field": "firstName"},
            {"exportName": "total", "field": "orderTotal"},
        ],
        "routes": [{"customerType": "New Sale", "campaign": campaign, "product": "all"}],
    }
    headers = {"Authorization": f"Bearer {house.api_key}"}
    requests.put(f"{house.url}/api/v1/profiles/{name}", json=document, headers=headers, timeout=30).raise_for_status()
