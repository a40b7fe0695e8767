"""What every answer tells the browser: run only our own scripts, show us in no frame, keep nothing."""

from __future__ import annotations

import secrets

from flask import Flask, Response, g, request

PAGE = (
    "default-src 'none'; script-src {scripts}; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
NO_PAGE = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
"""For files, JSON and pictures, should a browser take one for a page."""

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: over TLS the check of forms wants to see that a form came from here.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
YEAR = "max-age=31536000"


def init_headers(app: Flask) -> None:
    """Seal off every answer, refusals too."""
    app.after_request(seal_off)


def nonce() -> str:
    """Give the word that our own script tags of this answer carry."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(18)
    word: str = g.csp_nonce
    return word


def seal_off(answer: Response) -> Response:
    """Write the headers."""
    answer.headers["Content-Security-Policy"] = _policy() if answer.mimetype == "text/html" else NO_PAGE
    answer.headers.update(ALWAYS)
    if request.is_secure:
        answer.headers["Strict-Transport-Security"] = YEAR
    if (request.endpoint or "").rpartition(".")[2] != "static":
        answer.headers["Cache-Control"] = "no-store"
    return answer


def _policy() -> str:
    word = g.get("csp_nonce")
    return PAGE.format(scripts=f"'nonce-{word}'" if word else "'none'")
