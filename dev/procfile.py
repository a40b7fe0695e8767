"""The Procfile: one `name: command` a line, the same file that the host reads."""

import re
from pathlib import Path

LINE = re.compile(r"(?P<name>[A-Za-z0-9_-]+):\s*(?P<command>\S.*)")


class ProcfileError(Exception):
    """A line that is no `name: command`; the text says which."""


def read(path: Path) -> dict[str, str]:
    """Give name -> command in the file's order. Raises ProcfileError."""
    return parse(path.read_text(encoding="utf-8"))


def parse(text: str) -> dict[str, str]:
    """Give name -> command in the text's order; empty lines and comments are skipped. Raises ProcfileError."""
    commands: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        found = LINE.fullmatch(line)
        if not found:
            raise ProcfileError(f"Procfile, line {number}: not of the form `name: command`")
        if found["name"] in commands:
            raise ProcfileError(f"Procfile, line {number}: {found['name']} is there twice")
        commands[found["name"]] = found["command"].strip()
    return commands
