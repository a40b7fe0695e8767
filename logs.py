"""One JSON line per event on standard output. Only entry points import this; all others use `logging`."""

from __future__ import annotations

import json
import logging
import re
import sys
import time

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""What json.dumps leaves as it is: controls, line separators, marks that turn the reading round, halves of characters."""


class JsonLines(logging.Formatter):
    """The event's name is the message; fields are given as `extra`. Control characters come out escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record as one line."""
        line = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update({name: value for name, value in vars(record).items() if name not in _PLAIN})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _UNPRINTABLE.sub(_escaped, json.dumps(line, default=str, ensure_ascii=False))


def _escaped(found: re.Match[str]) -> str:
    """Write one character as JSON does: it reads back as itself."""
    return json.dumps(found[0])[1:-1]


def start_logging(level: str = "INFO") -> None:
    """Send every record of every library through JsonLines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("rq.worker", "rq.scheduler", "alembic", "werkzeug"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
