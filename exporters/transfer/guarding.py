"""The address guard of this machine, and what it says of an address before it is stored."""

from __future__ import annotations

import socket

from exporters.errors import AddressBlocked
from exporters.guard import Guard, Ports, parse_allowances


def guard_from(egress_allow: str) -> Guard:
    """Make the guard of this machine. egress_allow is the text of EGRESS_ALLOW. Raises BadAllowance."""
    return Guard(parse_allowances(egress_allow), is_own=_is_own)


def judge_target(guard: Guard, host: str, port: int, ports: Ports) -> None:
    """Look up a host and raise AddressBlocked if the guard refuses one of its addresses.

    For saving and testing; a name that is not found passes, as it may come later. Each dial judges again.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    for *_, address in found:
        if not guard.may_dial(str(address[0]), port, ports=ports):
            raise AddressBlocked(str(address[0]))


def _is_own(address: str) -> bool:
    """Say whether an address is one of this machine's interfaces: only those can be bound. Sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
