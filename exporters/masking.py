"""Keep secrets out of every record of ours: attempts, previews, errors, logs. Pure.

Two masks, always both. By name: what stands under a name such as `token` or in an Authorization header. By value: each
secret of the transfer as it is, and percent-, base64-, JSON- and HTML-coded, also where the receiver echoes it.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from urllib.parse import quote, quote_plus

DOTS = "•••"

NAMES = frozenset({"authorization", "password", "pass", "pwd", "token", "secret", "api_key", "apikey"})

_HINTS = ("pass", "pwd", "token", "secret", "api", "auth")
_NAME = "authorization|password|pass|pwd|token|secret|api_?key"
_PAIR = re.compile(rf"((?:^|[?&;\s])(?:{_NAME})=)[^&#;\s]+", re.IGNORECASE)
_JSON = re.compile(rf'("(?:{_NAME})"\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s,}}\]"]+)', re.IGNORECASE)


@lru_cache(maxsize=1024)
def is_secret_name(name: str) -> bool:
    """Say whether what stands under this name is a secret; `header:`, `X-` and dashes do not matter."""
    plain = name.strip().lower().removeprefix("header:").strip().replace("-", "_").removeprefix("x_")
    return plain in NAMES or plain == "proxy_authorization"


def mask_text(text: str, secrets: Sequence[str] = ()) -> str:
    """Return a URL, body or sentence without secrets."""
    if secrets:
        text = _mask_values(text, tuple(secrets))
    if not _may_hold_name(text.lower()):
        return text
    return _JSON.sub(rf'\1"{DOTS}"', _PAIR.sub(rf"\1{DOTS}", text))


def _may_hold_name(lowered: str) -> bool:
    for hint in _HINTS:  # noqa: SIM110 -- twice as fast as any() or a pattern, and asked for every text of every attempt
        if hint in lowered:
            return True
    return False


def mask_body(body: bytes, secrets: Sequence[str] = (), *, is_cut: bool = False) -> str:
    """Return a body as text without secrets. is_cut: it was longer, so a secret may be cut in two at its end."""
    text = body.decode("utf-8", "replace")
    if is_cut and secrets:
        text = _mask_tail(text, tuple(secrets))
    return mask_text(text, secrets)


def mask_headers(headers: Sequence[tuple[str, str]], secrets: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    """Return headers without secrets, in the same order."""
    return tuple(
        [
            (mask_text(name, secrets) if secrets else name, DOTS if is_secret_name(name) else mask_text(value, secrets))
            for name, value in headers
        ]
    )


def _mask_values(text: str, secrets: tuple[str, ...]) -> str:
    for form in _forms(secrets):
        if form in text:
            text = text.replace(form, DOTS)
    return text


def _mask_tail(text: str, secrets: tuple[str, ...]) -> str:
    for form in _forms(secrets):
        for length in range(min(len(form) - 1, len(text)), 3, -1):
            if text.endswith(form[:length]):
                return text[:-length] + DOTS
    return text


@lru_cache(maxsize=512)
def _forms(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Return every shape the secrets may take, the longest first, so that no half of one stays."""
    found = {form for secret in secrets if secret for form in _shapes(secret)}
    return tuple(sorted(found, key=lambda form: (-len(form), form)))


def _shapes(secret: str) -> Iterator[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    for text in (secret, *_parts(secret)):
        yield text
        for coded in (quote(text, safe="", errors="replace"), quote(text, errors="replace")):
            yield coded
            yield _lower_hex(coded)
            yield quote(coded, safe="")  # a login page's "next=" codes the whole URL once more
        yield quote_plus(text, errors="replace")
        yield html.escape(text)
        for escaped in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
            yield escaped
            yield escaped.replace("/", r"\/")
    yield from _base64_shapes(raw)


def _parts(secret: str) -> Iterator[str]:
    """Yield what hides inside a credential: `Bearer abc` -> abc, `Basic base64(user:word)` -> both."""
    scheme, space, credential = secret.partition(" ")
    if not space or not scheme.isalpha() or len(credential) < 6:
        return
    yield credential
    if scheme.lower() != "basic":
        return
    try:
        pair = base64.b64decode(credential, validate=True).decode()
    except ValueError:
        return
    yield pair
    if pair.partition(":")[2]:
        yield pair.partition(":")[2]


def _base64_shapes(raw: bytes) -> Iterator[str]:
    """Yield the base64 of the secret at each of the three places it can begin inside a longer text."""
    yield base64.b64encode(raw).decode()
    yield base64.urlsafe_b64encode(raw).decode()
    if len(raw) < 6:
        return
    for lead in range(3):
        coded = base64.b64encode(b"\0" * lead + raw)
        whole = coded[(lead * 4 + 2) // 3 : (lead + len(raw)) * 4 // 3].decode()
        yield whole
        yield whole.replace("+", "-").replace("/", "_")


def _lower_hex(coded: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), coded)
