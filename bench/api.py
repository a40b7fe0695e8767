"""The bench's way into Waybill: its own HTTP API."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlsplit

import requests


class Api:
    """A client with a key of all scopes."""

    def __init__(self, url: str, key: str) -> None:
        self._host = urlsplit(url).netloc
        self._url = f"{url}/api/v1"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._session = requests.Session()
        self._documents: dict[str, dict[str, Any]] = {}

    def put(self, document: dict[str, Any]) -> None:
        """Make or change a profile."""
        name = document["name"]
        answer = self._session.put(f"{self._url}/profiles/{quote(name)}", json=document, headers=self._headers)
        if not answer.ok:
            raise RuntimeError(f"{name}: {answer.status_code} {answer.text}")
        self._documents[name] = document

    def resume(self, name: str) -> None:
        """Let a paused profile send."""
        self.put({**self._documents[name], "paused": False})

    def delete(self, name: str) -> None:
        """Delete a profile."""
        self._session.delete(f"{self._url}/profiles/{quote(name)}", headers=self._headers).raise_for_status()

    def post(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        """Post a document to any call."""
        answer = self._session.post(f"{self._url}{path}", json=document, headers=self._headers, timeout=60)
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        return told

    def post_events(self, body: bytes, *, session: requests.Session | None = None) -> dict[str, Any]:
        """Post a body of events; all of them must be taken."""
        headers = {**self._headers, "Content-Type": "application/json"}
        answer = (session or self._session).post(f"{self._url}/events", data=body, headers=headers, timeout=60)
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        if document["errors"]:
            raise RuntimeError(f"refused: {document['errors'][0]}")
        return document

    def line(self) -> Line:
        """Give a connection that is kept and costs little: what the client takes of the cores, the intake does not have."""
        return Line(self._host, self._headers)


class Line:
    """Posts bodies of events one after the other."""

    def __init__(self, host: str, headers: dict[str, str]) -> None:
        self._connection = HTTPConnection(host, timeout=60)
        self._headers = {**headers, "Content-Type": "application/json"}

    def post_events(self, body: bytes) -> int:
        """Post a body, all of which must be taken. Returns how many were."""
        self._connection.request("POST", "/api/v1/events", body, self._headers)
        answer = self._connection.getresponse()
        told = answer.read()
        document: dict[str, Any] = json.loads(told) if answer.status == 200 else {"errors": [told.decode()]}
        if document["errors"]:
            raise RuntimeError(f"refused: {document['errors'][0]}")
        return int(document["accepted"])
