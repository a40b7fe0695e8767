"""The second factor: codes of an authenticator app (RFC 6238: six digits, 30 seconds, SHA-1). Each code opens once."""

from __future__ import annotations

import base64
import hmac
import secrets
from datetime import datetime
from io import BytesIO
from urllib.parse import quote

import qrcode
import sqlalchemy as sa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from qrcode.image.svg import SvgPathImage
from sqlalchemy.orm import Session

from models.account import User
from models.sealed import Seal

SECONDS = 30
DIGITS = 6
DRIFT = 1
"""Steps that an app's clock may be off, either way."""

ISSUER = "Waybill"


def new_secret() -> str:
    """Make a secret of 160 random bits, as the base32 text that people can type."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """Say for which time step the code is right; None when it is for none near now."""
    given = "".join(code.split())
    if len(given) != DIGITS or not (given.isascii() and given.isdecimal()):
        return None
    totp = TOTP(base64.b32decode(secret), DIGITS, SHA1(), SECONDS)  # noqa: S303 - the RFC's; apps know no other
    step = int(now.timestamp()) // SECONDS
    found = None
    for candidate in range(step - DRIFT, step + DRIFT + 1):  # all of them, always: the time tells nothing
        if hmac.compare_digest(totp.generate(candidate * SECONDS), given.encode()):
            found = candidate
    return found


def accepts(session: Session, user: User, code: str, *, seal: Seal, now: datetime) -> bool:
    """Say whether the code opens this account now, and use it up. Raises CannotOpen when the secret's key is gone."""
    if user.totp_sealed is None:
        return True
    step = matching_step(seal.open(user.totp_sealed, *place(user.id)), code, now)
    return step is not None and use_up(session, user, step)


def use_up(session: Session, user: User, step: int) -> bool:
    """Mark a code as used. False when it, or a later one, was used before, also by somebody at the same moment."""
    fresh = sa.or_(User.totp_last.is_(None), User.totp_last < step)
    used = session.execute(
        sa.update(User).where(User.id == user.id, fresh).values(totp_last=step).returning(User.id)
    ).one_or_none()
    return used is not None


def switch_on(session: Session, user: User, secret: str, code: str, *, seal: Seal, now: datetime) -> bool:
    """Keep a new secret, if the code proves that the app has it."""
    step = matching_step(secret, code, now)
    if step is None:
        return False
    user.totp_sealed, user.totp_last = seal.close(secret, *place(user.id)), step
    session.flush()  # the secret and its first code are one change
    return True


def switch_off(user: User) -> None:
    """Forget the second factor."""
    user.totp_sealed = user.totp_last = None


def place(user_id: int) -> tuple[str, ...]:
    """Name the place the secret is sealed for."""
    return ("users", str(user_id), "totp")


def address(user: User, secret: str) -> str:
    """Write the otpauth address that apps read."""
    label = quote(f"{ISSUER}:{user.email}", safe="")
    return f"otpauth://totp/{label}?secret={secret}&issuer={ISSUER}&digits={DIGITS}&period={SECONDS}"


def picture(text: str) -> str:
    """Draw a text as a QR code: SVG as a data address, since the pages load nothing from elsewhere."""
    out = BytesIO()
    qrcode.make(text, image_factory=SvgPathImage, box_size=12, border=2).save(out)
    return "data:image/svg+xml;base64," + base64.b64encode(out.getvalue()).decode()
