"""Names of files on a server, checked once more at the door: libcurl passes a line break in a rename on as a command."""

from __future__ import annotations

from urllib.parse import quote

from exporters.errors import BadSettings
from exporters.headers import CONTROL


def checked(name: str) -> str:
    """Return the name. Raises BadSettings for one that would be more than a name."""
    if not name.strip("/") or CONTROL.search(name):
        raise BadSettings("a name on the server is empty or holds a control character")
    if ".." in name.split("/"):
        raise BadSettings("a name on the server leads upwards")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise BadSettings("a name on the server holds half a character") from error
    return name


def folders_above(name: str) -> list[str]:
    """Return the folder itself and those above it, the highest first."""
    root = "/" if name.startswith("/") else ""
    parts = [part for part in name.split("/") if part]
    return [root + "/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def ftp_path(name: str) -> str:
    """Return a name as the path of an FTP address: below the login's folder, unless it begins with a slash."""
    return "/" + ("%2F" if name.startswith("/") else "") + quote(name.lstrip("/"), safe="/")


def sftp_path(name: str) -> str:
    """Return a name as the path of an SFTP address, where libcurl takes /~/ for the login's folder."""
    coded = quote(name, safe="/")
    if not name.startswith("/"):
        return f"/~/{coded}"
    return f"/.{coded}" if coded.startswith("/~") else coded


def sftp_word(name: str) -> str:
    """Return a name as libcurl's SFTP commands take it."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
