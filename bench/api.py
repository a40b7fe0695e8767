"""The bench's way into Waybill: its own HTTP API."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests


class Api:
    """A client with a key of all scopes."""

    def __init__(self, url: str, key: str) -> None:
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
