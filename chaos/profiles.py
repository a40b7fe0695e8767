"""What is exported to whom."""

from __future__ import annotations

import time
from typing import Any

import requests

from chaos.house import House
from chaos.producers import campaign_of
from chaos.receivers import Receivers
from chaos.servers import FileServers

TIMEOUT_SECONDS = 3
TRIES = 20
LEASE_SECONDS = TIMEOUT_SECONDS + 30
PATIENT = "patient"
ORDER = {"exportName": "order", "field": "clientOrderId"}
CAMPAIGNS: dict[str, int | str] = {"fast": "all", "slow": 1, "hole": 2, "flapping": 3, "hostile": 4}
"""Profile -> the campaign it takes."""


def owed(number: int) -> tuple[str, ...]:
    """Give the profiles an event is owed to."""
    return tuple(name for name, campaign in CAMPAIGNS.items() if campaign in {"all", campaign_of(number)})


def make(house: House, receivers: Receivers, servers: FileServers) -> None:
    """Make all profiles but the patient one's."""
    for name, campaign in CAMPAIGNS.items():
        put(house, name, receivers.url(name), campaign)
    for name, server in servers.profiles.items():
        settings = {**server, "schedule": "manual", "fileName": "{profile}_{run}", "header": False}
        _put(house, name, {"exportType": "ftp", "settings": settings, "mappings": [ORDER]}, "all")


def put(house: House, name: str, url: str, campaign: int | str) -> None:
    """Make one postback profile that sends as it happens."""
    document: dict[str, Any] = {
        "exportType": "postback",
        "intervalMinutes": 0,
        "settings": {
            "url": url,
            "timeoutSeconds": TIMEOUT_SECONDS,
            "retryFirstSeconds": 1,
            "retryCapSeconds": 5,
        },
        "mappings": [
            ORDER,
            {"exportName": "first_name", "field": "firstName"},
            {"exportName": "total", "field": "orderTotal"},
        ],
    }
    _put(house, name, document, campaign)


def _put(house: House, name: str, document: dict[str, Any], campaign: int | str) -> None:
    routes = [{"customerType": "New Sale", "campaign": campaign, "product": "all"}]
    document = {**document, "name": name, "routes": routes}
    headers = {"Authorization": f"Bearer {house.api_key}"}
    for _ in range(TRIES):
        try:
            answer = requests.put(f"{house.url}/api/v1/profiles/{name}", json=document, headers=headers, timeout=30)
        except requests.RequestException:  # web may be shot meanwhile
            time.sleep(1)
            continue
        if not answer.ok:
            raise RuntimeError(f"the profile {name} was refused: {answer.text}")
        return
    raise RuntimeError(f"nobody took the profile {name}")
