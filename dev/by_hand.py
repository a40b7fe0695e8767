"""Starting and stopping one of our servers from the command line."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol


class Server(Protocol):
    """A server on a folder of its own."""

    def start(self) -> str:
        """Bring it up, or find it up, and give its URL."""

    def stop(self) -> None:
        """Bring it down."""


def by_hand(make: Callable[[Path], Server]) -> None:
    """Do what the command line says: `start FOLDER` or `stop FOLDER`."""
    match sys.argv[1:]:
        case ["start", folder]:
            print(make(Path(folder)).start())
        case ["stop", folder]:
            make(Path(folder)).stop()
        case _:
            sys.exit("say: start FOLDER, or: stop FOLDER")
