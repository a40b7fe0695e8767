"""Which addresses may be dialled. Pure: judges an address and a port, never a text that a person typed.

The tables are those of the IANA special-purpose registries plus the metadata services of the clouds. `is_private` and
`is_global` of Python are not used: 3.11 lets 100.64.0.1, 64:ff9b::a9fe:a9fe and 168.63.129.16 through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Ports(Enum):
    """The ports below 1024 that a kind of target may use; those from 1024 on are free."""

    WEB = frozenset({80, 443})
    FTP = frozenset({21, 990})
    SFTP = frozenset({22})


class BadAllowance(ValueError):
    """EGRESS_ALLOW cannot be read; the message says which part and why."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """One part of EGRESS_ALLOW: a network, and the one port (None: any)."""

    network: Network
    port: int | None = None

    def __str__(self) -> str:
        return str(self.network) if self.port is None else f"{self.network}:{self.port}"

    def covers(self, address: Address, port: int) -> bool:
        """Say whether this part allows the address at this port."""
        return (self.port is None or self.port == port) and _within(address, self.network)


def parse_allowances(text: str) -> tuple[Allowance, ...]:
    """Read EGRESS_ALLOW: comma-separated CIDR (any port) or CIDR:port. Raises BadAllowance."""
    return tuple(_allowance(part.strip()) for part in text.split(",") if part.strip())


class Guard:
    """Judges every socket before it is opened.

    is_own says whether an address is one of this machine's; it is asked last, for addresses the tables let through.
    """

    def __init__(self, allowances: Sequence[Allowance] = (), is_own: Callable[[str], bool] = lambda _: False) -> None:
        self._allowances = tuple(allowances)
        self._is_own = is_own

    @property
    def egress_allow(self) -> str:
        """The allowances as EGRESS_ALLOW writes them: what a process of its own makes the same guard from."""
        return ",".join(str(allowance) for allowance in self._allowances)

    def may_dial(self, address: str, port: int, *, ports: Ports = Ports.WEB) -> bool:
        """Say whether a socket to this address may be opened. address is numeric; anything else is refused."""
        inner = _inner(address)
        if inner is None or _in_any(inner, _ALWAYS):
            return False
        if any(allowance.covers(inner, port) for allowance in self._allowances):
            return True
        if not (port >= 1024 or port in ports.value):
            return False
        return _is_public(inner) and not self._is_own(str(inner))


def _allowance(part: str) -> Allowance:
    host, slash, rest = part.partition("/")
    bits, colon, port = rest.partition(":")
    if not slash:
        raise BadAllowance(f'EGRESS_ALLOW: "{part}" is not a network; write it with its length, such as 127.0.0.1/32')
    try:
        network = ip_network(f"{host.removeprefix('[').removesuffix(']')}/{_whole(bits)}")
    except ValueError as error:
        raise BadAllowance(f'EGRESS_ALLOW: "{part}" is not a network ({error})') from error
    if network.prefixlen == 0:
        raise BadAllowance(f'EGRESS_ALLOW: "{part}" would allow every address; name the networks that are meant')
    if not colon:
        return Allowance(network)
    if not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65535):
        raise BadAllowance(f'EGRESS_ALLOW: "{part}" has no port from 1 to 65535 after the colon')
    return Allowance(network, int(port))


def _whole(bits: str) -> str:
    if not (bits.isascii() and bits.isdecimal()):
        raise ValueError("the length after the slash must be a whole number")
    return bits


def _inner(text: str) -> Address | None:
    """Return the address that is really meant: the IPv4 one inside a mapped or NAT64 address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    if address.scope_id is not None:
        return None
    if address in _MAPPED or address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not _in_any(address, _REFUSED_V4)
    is_isatap = int(address) >> 32 & 0xFFFFFFFF in (0x00005EFE, 0x02005EFE)
    return address in _GLOBAL_V6 and not is_isatap and not _in_any(address, _REFUSED_V6)


def _in_any(address: Address, networks: Sequence[Network]) -> bool:
    return any(_within(address, network) for network in networks)


def _within(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(part) for part in text.split())


_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_GLOBAL_V6 = IPv6Network("2000::/3")  # all else is refused, with it ::/96, ::ffff:0:0:0/96 and 64:ff9b:1::/48

_REFUSED_V4 = _networks(
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
    "192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 "
    "203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 168.63.129.16/32"
)
_REFUSED_V6 = _networks("2001::/23 2001:db8::/32 2002::/16 3fff::/20")

# Metadata services: whatever EGRESS_ALLOW says.
_ALWAYS = _networks(
    "169.254.0.0/16 fe80::/10 100.100.100.200/32 168.63.129.16/32 192.0.0.192/32 fd00:ec2::254/128 fd20:ce::254/128"
)
