"""Make the first admin and an API key with all scopes: `python -m dev.first_start LOGIN_FILE`, run by `make run`.

What was made is kept in the file, which is written before the database commits: killed in between, the next start finds
the file and makes the rows it speaks of. Prints one line of JSON, with a password of null once the person changed it.
"""

import json
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from config import Config
from dev.files import read_or_none, write_private
from models.account import ApiKey, Role, Scope, User, key_prefix
from models.base import db
from web import create_app
from web.login import create_user, verify

EMAIL = "admin@example.com"
KEY_NAME = "make run"


def main() -> None:
    """Look what is there, make what is missing, print what to use."""
    path = Path(sys.argv[1])
    app = create_app(Config.from_env())
    with app.app_context():
        print(json.dumps(prepare(path)))


def prepare(path: Path) -> dict[str, Any]:
    """Give {"email", "password", "api_key"}; needs an application context. Commits."""
    kept: dict[str, str] = json.loads(read_or_none(path) or "{}")
    admin = _first_admin()
    if admin is None:
        kept = {"email": EMAIL, "password": secrets.token_urlsafe(12), **kept}
        admin = create_user(kept["email"], Role.ADMIN, kept["password"])
    kept["api_key"] = _working_key(kept.get("api_key"))
    write_private(path, json.dumps(kept))
    password = kept.get("password")
    is_current = bool(password and kept.get("email") == admin.email and verify(admin, password))
    shown = {"email": admin.email, "password": password if is_current else None, "api_key": kept["api_key"]}
    db.session.commit()
    return shown


def _first_admin() -> User | None:
    return db.session.scalar(sa.select(User).where(User.role == Role.ADMIN).order_by(User.id).limit(1))


def _working_key(text: str | None) -> str:
    """Give the key's text as long as it works, else issue a new one."""
    prefix = key_prefix(text) if text else None
    row = db.session.scalar(sa.select(ApiKey).where(ApiKey.prefix == prefix))
    if text and row and row.opens_with(text, datetime.now(UTC)):
        return text
    for old in db.session.scalars(sa.select(ApiKey).where(ApiKey.name == KEY_NAME)):
        old.name = f"{KEY_NAME}, until {datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"
    db.session.flush()  # names are unique: the old one must be free before the new row comes
    key, text = ApiKey.issue(KEY_NAME, list(Scope))
    db.session.add(key)
    return text


if __name__ == "__main__":
    main()
