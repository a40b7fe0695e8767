"""Another Waybill, over its API: batches of 500, packed, each sent again when only the way was at fault."""

from __future__ import annotations

import gzip
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import requests

from models.rules.event_document import EventFault, NotJson

TRIES = 6
FIRST_WAIT_SECONDS = 0.5
TIMEOUT = (5, 120)


class CannotSend(Exception):
    """The other Waybill does not take events; one sentence."""


class Remote:
    """Takes events by sending them on. A repeat is safe: the other side knows each eventId."""

    most = 500

    def __init__(self, url: str, api_key: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise CannotSend("Give the address with https:// or http://.")
        self._url = f"{url.rstrip('/')}/api/v1/events"
        self._http = requests.Session()
        self._http.headers["Authorization"] = f"Bearer {api_key}"
        self._encode = msgspec.json.Encoder(decimal_format="number").encode

    def take(self, documents: Sequence[Any]) -> tuple[int, int, list[tuple[int, str, str]]]:
        """Send a batch. Raises CannotSend."""
        faults: list[tuple[int, str, str]] = []
        sent: list[int] = []
        bodies: list[bytes] = []
        for index, document in enumerate(documents):
            try:
                bodies.append(self._body(document))
                sent.append(index)
            except EventFault as fault:
                faults.append((index, fault.path, fault.message))
        if not bodies:
            return 0, 0, faults
        told = self._post(b"[" + b",".join(bodies) + b"]")
        faults += [(sent[one["index"]], str(one["field"]), str(one["message"])) for one in told["errors"]]
        return int(told["accepted"]), int(told["duplicates"]), sorted(faults)

    def _body(self, document: Any) -> bytes:
        if isinstance(document, EventFault):
            raise document
        if isinstance(document, NotJson):
            raise EventFault("", document.message)
        try:
            return self._encode(document)
        except (TypeError, ValueError, RecursionError, NotImplementedError) as error:
            raise EventFault("", "holds something that is not JSON, or half of a character") from error

    def _post(self, body: bytes) -> dict[str, Any]:
        packed = gzip.compress(body, compresslevel=1)
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        wait = FIRST_WAIT_SECONDS
        for left in reversed(range(TRIES)):
            try:
                answer = self._http.post(
                    self._url, data=packed, headers=headers, timeout=TIMEOUT, allow_redirects=False
                )
            except requests.RequestException as error:
                trouble = f"{self._url} cannot be reached: {type(error).__name__}"
            else:
                if answer.status_code == 200:
                    return self._told(answer)
                trouble = f"{self._url} answers {answer.status_code}"
                if answer.status_code not in {429, 500, 502, 503, 504}:
                    break
            if left:
                time.sleep(wait)
                wait *= 2
        raise CannotSend(f"{trouble}. What was sent before is kept; the import may be repeated.")

    def _told(self, answer: requests.Response) -> dict[str, Any]:
        try:
            told = answer.json()
            return {"accepted": told["accepted"], "duplicates": told["duplicates"], "errors": told["errors"]}
        except (ValueError, KeyError, TypeError) as error:
            raise CannotSend(f"{self._url} is no Waybill: its answer cannot be read.") from error
