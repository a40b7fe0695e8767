"""Send the sample orders into a running Waybill and watch: `make demo`, or `python -m samples.load`.

Everything goes over the HTTP API, as a shop would do it. Times are moved so that the last event happens now, and ids get a
mark of this load, so that it can be repeated.
"""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
import yaml
from rich.console import Console
from rich.live import Live
from rich.table import Table

HERE = Path(__file__).parent
PLACEHOLDER = "http://receiver.example"
CLOCK = "%Y-%m-%d %H:%M:%S"
CLOCK_FIELDS = ("dateCreated", "dateShipped", "dateReturned")
DAY_FIELDS = ("nextBillDate", "chargebackDate")
IDS = ("clientOrderId", "clientPurchaseId")
SETTLED = frozenset({"delivered", "skipped", "cancelled", "held"})
STATES = ("delivered", "pending", "leased", "held", "skipped", "cancelled")
WATCH_SECONDS = 90
SOON = timedelta(minutes=2)
BAR = 16


class Waybill:
    """The running Waybill, over its API."""

    def __init__(self, url: str, api_key: str) -> None:
        self.url = url
        self._http = requests.Session()
        self._http.headers["Authorization"] = f"Bearer {api_key}"

    def put_profile(self, document: dict[str, Any]) -> str | None:
        """Store a profile; gives what Waybill says against it, None when it took it."""
        path = f"{self.url}/api/v1/profiles/{quote(document['name'], safe='')}"
        answer = self._http.put(path, json=document, timeout=30)
        return None if answer.ok else f"{answer.status_code} {answer.text}"

    def post_events(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        """Send events as NDJSON."""
        body = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events).encode()
        kind = {"Content-Type": "application/x-ndjson"}
        answer = self._http.post(f"{self.url}/api/v1/events", data=body, headers=kind, timeout=60)
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        return told

    def make_files(self, profile: str) -> list[int]:
        """Have the files of a file profile made now; gives its runs."""
        answer = self._http.post(f"{self.url}/api/v1/profiles/{quote(profile, safe='')}/run", timeout=30)
        answer.raise_for_status()
        made: list[int] = answer.json()["runs"]
        return made

    def deliveries(self, profile: str, mark: str) -> Iterator[dict[str, Any]]:
        """Give the profile's deliveries of this load."""
        query = {"profile": profile, "limit": "1000"}
        answer = self._http.get(f"{self.url}/api/v1/deliveries", params=query, timeout=30)
        answer.raise_for_status()
        yield from (item for item in answer.json()["items"] if item["eventId"].startswith(mark))


def read_events(now: datetime, mark: str) -> list[dict[str, Any]]:
    """Give the sample events, marked, with the last one happening now."""
    lines = (HERE / "events.ndjson").read_text(encoding="utf-8").splitlines()
    events: list[dict[str, Any]] = [json.loads(line) for line in lines]
    shift = now - max(datetime.fromisoformat(event["occurredAt"]) for event in events)
    return [moved(event, shift, mark) for event in events]


def moved(event: dict[str, Any], shift: timedelta, mark: str) -> dict[str, Any]:
    """Give the event at another time and under other ids."""
    order = dict(event["order"])
    for name in CLOCK_FIELDS:
        if order.get(name):
            order[name] = (datetime.strptime(order[name], CLOCK).replace(tzinfo=UTC) + shift).strftime(CLOCK)
    for name in DAY_FIELDS:
        if order.get(name):
            order[name] = (date.fromisoformat(order[name]) + shift).isoformat()
    for name in IDS:
        if order.get(name):
            order[name] = f"{order[name]}-{mark}"
    occurred = (datetime.fromisoformat(event["occurredAt"]) + shift).isoformat()
    return {**event, "eventId": f"{mark}-{event['eventId']}", "occurredAt": occurred, "order": order}


def read_profiles(receiver: str) -> list[dict[str, Any]]:
    """Give the sample profiles, pointing at the receiver."""
    text = (HERE / "profiles.yaml").read_text(encoding="utf-8").replace(PLACEHOLDER, receiver)
    profiles: list[dict[str, Any]] = yaml.safe_load(text)
    return profiles


def watch(waybill: Waybill, profiles: list[str], mark: str) -> Table:
    """Draw how far each profile is until nothing more happens soon; gives the last picture."""
    end = time.monotonic() + WATCH_SECONDS
    with Live(refresh_per_second=4) as live:
        while True:
            found = {name: list(waybill.deliveries(name, mark)) for name in profiles}
            picture = draw(found)
            live.update(picture)
            if not any(_is_soon(item) for items in found.values() for item in items) or time.monotonic() > end:
                return picture
            time.sleep(0.5)


def draw(found: dict[str, list[dict[str, Any]]]) -> Table:
    """Draw a line for each profile: a bar of what is delivered, and how many are in which state."""
    table = Table(box=None, pad_edge=False)
    for heading in ("profile", "", "tries", "now"):
        table.add_column(heading, no_wrap=True)
    for name, items in found.items():
        states = Counter(item["state"] for item in items)
        full = BAR * sum(states[state] for state in SETTLED - {"held"}) // max(len(items), 1)
        bar = f"[green]{'━' * full}[/][dim]{'━' * (BAR - full)}[/]"
        now = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
        table.add_row(name, bar, str(sum(item["attemptCount"] for item in items)), now or "nothing yet")
    return table


def _is_soon(item: dict[str, Any]) -> bool:
    due = item.get("dueAt")
    return item["state"] not in SETTLED and (due is None or datetime.fromisoformat(due) < datetime.now(UTC) + SOON)


def main() -> None:
    """Load, watch, say where to look."""
    console = Console()
    folder = Path(os.environ.get("DATA_DIR") or ".data")
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        sys.exit(f"Waybill does not run: there is no {folder / 'run.json'}. Start it with `make run`.")
    receiver = f"http://127.0.0.1:{(folder / 'receiver.port').read_text(encoding='utf-8').strip()}"
    waybill = Waybill(run["url"], run["api_key"])
    taken, files = [], []
    for profile in read_profiles(receiver):
        fault = waybill.put_profile(profile)
        console.print(f"profile {profile['name']}: {fault or 'ready'}", markup=False)
        if not fault and profile["exportType"] == "postback":
            taken.append(profile["name"])
        elif not fault:
            files.append(profile["name"])
    now = datetime.now(UTC)
    mark = f"demo{now:%m%d%H%M%S}"
    told = waybill.post_events(read_events(now, mark))
    console.print(
        f"events: {told['accepted']} accepted, {told['duplicates']} duplicates, {len(told['errors'])} refused"
    )
    for error in told["errors"][:5]:
        console.print(error, markup=False)
    watch(waybill, taken, mark)
    console.print()
    for name in files:
        made = len(waybill.make_files(name))
        console.print(f"files of {name}: {made} to download at {run['url']}/admin/runs/", markup=False)
    console.print(
        f"\nLook at {run['url']}/admin/ ({run['email']}), and at what the receiver got: {receiver}/", markup=False
    )


if __name__ == "__main__":
    main()
