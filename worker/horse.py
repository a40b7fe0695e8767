"""What a job may know about the process it runs in: a work horse, forked for this one job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from config import Config


@dataclass(frozen=True, slots=True)
class Horse:
    """The settings, the name of the worker it belongs to (one horse follows another), and whether it shall end."""

    config: Config
    name: str
    is_stopping: Callable[[], bool]


_current: ContextVar[Horse] = ContextVar("horse")


def current() -> Horse:
    """Give the horse this code runs in. Raises LookupError outside of a job."""
    return _current.get()


@contextmanager
def at_work(horse: Horse) -> Iterator[None]:
    """Make it the current one."""
    token = _current.set(horse)
    try:
        yield
    finally:
        _current.reset(token)
