"""Postback: one HTTP request per event. No I/O here: it writes the request and reads the reply; others carry both.

The rules R14 to R23 of docs/rules.md: a GET with the parameters in the URL, unless `header:` mappings ask for more.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar
from urllib.parse import unquote_plus

from exporters.answers import judge, rule_of
from exporters.base import AnySettings, Column, Fault, Parcel, Receipt, Reply, Request, Value
from exporters.columns import Place, faults_in, read_columns
from exporters.errors import BadSettings, Unsendable
from exporters.headers import CONTROL
from exporters.json_body import JsonBody
from exporters.masking import is_secret_name
from exporters.postback_settings import PostbackSettings, signing_keys
from exporters.query import Query, separator
from exporters.values import plain_text

FORM = "application/x-www-form-urlencoded"


class Postback:
    """Sends each event as one HTTP request. All that is the same for every event is worked out once, here."""

    kind: ClassVar[str] = "postback"
    label: ClassVar[str] = "Postback"
    Settings: ClassVar[AnySettings] = PostbackSettings

    def __init__(self, settings: PostbackSettings, columns: Sequence[Column]) -> None:
        self.settings = settings
        self._faults = tuple(faults_in(columns, reserved=_reserved(settings)))
        self._plan = read_columns(columns)
        self._lacks = rule_of(settings.success_body)
        self._keys = signing_keys(settings.signing_secret) if settings.signing_secret else ()
        self._secret_columns = tuple(
            (index, column.static if column.secret else None)
            for index, column in enumerate(columns)
            if column.secret or is_secret_name(column.name)
        )
        self._secrets = (*_secrets_in(settings.url), *(static for _, static in self._secret_columns if static))
        if not self._faults:
            self._compile()

    def target(self) -> str:
        """Return "GET postingmydata.com"."""
        return f"{self._plan.method} {_host(self.settings.url)}"

    def faults(self) -> Iterator[Fault]:
        """Yield every mapping that cannot be sent, with its index."""
        yield from self._faults

    def request(self, parcel: Parcel) -> Request:
        """Write the request; every try of a delivery gives the same bytes, but for a signature's time."""
        if self._faults:
            raise BadSettings(f"mapping {self._faults[0].index + 1}: {self._faults[0].message}")
        values = parcel.values
        secrets = self._secrets
        if self._secret_columns:
            values, secrets = self._with_secrets(values)
        url, body = self._url, None
        try:
            written = self._write(values)
            if self._plan.place is not Place.URL:
                body = written.encode()
            elif written:
                url = self._url_and_separator + written
        except UnicodeEncodeError as error:
            raise Unsendable("a value holds half a character") from error
        headers = (*self._fixed_headers, ("webhook-id", parcel.key))
        if self._plan.headers:
            headers = self._own_headers(values) + headers
        if self.settings.idempotency_key:
            headers += (("Idempotency-Key", parcel.key),)
        if self._keys:
            headers += self._signature(parcel, body or b"")
        return Request(
            self._plan.method, url, headers, body, self.settings.timeout_seconds, self.settings.ca_certificate, secrets
        )

    def judge(self, reply: Reply) -> Receipt:
        """Read the reply by the table of `answers` and the rule for the body."""
        return judge(reply, lacks=self._lacks, secrets=self._secrets)

    def _compile(self) -> None:
        plan = self._plan
        writer: Query | JsonBody = (JsonBody if plan.place is Place.JSON else Query)(plan.parameters)
        self._write: Callable[[Sequence[Value]], str] = writer.write
        self._url = self.settings.url
        self._url_and_separator = self._url + separator(self._url)
        invents_type = plan.place is Place.FORM and plan.content_type is None
        self._fixed_headers: tuple[tuple[str, str], ...] = (("Content-Type", FORM),) if invents_type else ()

    def _with_secrets(self, values: tuple[Value, ...]) -> tuple[tuple[Value, ...], tuple[str, ...]]:
        """Put secret Static values in their places, and list every text that must not be recorded."""
        filled = list(values)
        secrets = dict.fromkeys(self._secrets)
        for index, static in self._secret_columns:
            if static is not None:
                filled[index] = static
            text = plain_text(filled[index])
            if text:
                secrets[text] = None
        return tuple(filled), tuple(secrets)

    def _own_headers(self, values: Sequence[Value]) -> tuple[tuple[str, str], ...]:
        """Return the mapped headers; control characters become a space, an empty header is left out (R23)."""
        found = ((column.name, CONTROL.sub(" ", plain_text(values[i])).strip()) for i, column in self._plan.headers)
        return tuple((name, value) for name, value in found if value)

    def _signature(self, parcel: Parcel, body: bytes) -> tuple[tuple[str, str], ...]:
        """Sign id, time and body as Standard Webhooks 1.0 says; a request without a body signs an empty one."""
        timestamp = str(int(parcel.at.timestamp()))
        content = f"{parcel.key}.{timestamp}.".encode() + body
        signed = " ".join(f"v1,{b64encode(hmac.digest(key, content, 'sha256')).decode()}" for key in self._keys)
        return ("webhook-timestamp", timestamp), ("webhook-signature", signed)


def _reserved(settings: PostbackSettings) -> tuple[str, ...]:
    names = ("webhook-*",) if settings.signing_secret else ("webhook-id",)
    return (*names, "idempotency-key") if settings.idempotency_key else names


def _host(url: str) -> str:
    return re.split(r"[/?]", url.partition("://")[2], maxsplit=1)[0]


def _secrets_in(url: str) -> Iterator[str]:
    """Yield what stands under a secret's name in the URL's own query."""
    for pair in re.split(r"[&;]", url.partition("?")[2]):
        name, _, value = pair.partition("=")
        if value and is_secret_name(unquote_plus(name)):
            yield unquote_plus(value)
