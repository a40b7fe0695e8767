"""The tables of the address guard, row by row."""

from __future__ import annotations

import pytest

from exporters.guard import BadAllowance, Guard, Ports, parse_allowances

REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "100.100.100.200",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:a9fe:a9fe",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2001:1ff::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "2606:4700::5efe:7f00:1",
    "2606:4700::200:5efe:808:808",
    "localhost",
    "example.com",
    "127.1",
    "0x7f000001",
    "2130706433",
]


@pytest.mark.parametrize("address", [*REFUSED, ""])
@pytest.mark.parametrize("port", [80, 8080])
def test_a_special_address_is_refused(address: str, port: int):
    assert not Guard().may_dial(address, port)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "100.63.255.255", "100.128.0.0", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_a_public_address_is_dialled(address: str):
    assert Guard().may_dial(address, 443)


@pytest.mark.parametrize(
    ("ports", "allowed", "refused"),
    [
        (Ports.WEB, (80, 443, 1024, 8443, 65535), (0, 21, 22, 25, 53, 81, 110, 389, 445, 990, 1023)),
        (Ports.FTP, (21, 990, 1024, 50000), (20, 22, 80, 443)),
        (Ports.SFTP, (22, 2222), (21, 23, 80, 443)),
    ],
)
def test_ports_below_1024_are_refused_but_for_those_of_the_protocol(
    ports: Ports, allowed: tuple[int, ...], refused: tuple[int, ...]
):
    assert all(Guard().may_dial("8.8.8.8", port, ports=ports) for port in allowed)
    assert not any(Guard().may_dial("8.8.8.8", port, ports=ports) for port in refused)


def test_an_address_of_this_machine_is_refused_even_if_public():
    guard = Guard(is_own=lambda address: address == "8.8.4.4")
    assert not guard.may_dial("8.8.4.4", 443)
    assert not guard.may_dial("::ffff:8.8.4.4", 443)
    assert guard.may_dial("8.8.8.8", 443)


def test_an_allowance_lifts_address_and_port():
    guard = Guard(parse_allowances(" 127.0.0.1/32, 10.1.2.0/24:443 ,fd00:1::/64,[fd00:2::]/64:81,"))
    assert guard.may_dial("127.0.0.1", 25)
    assert guard.may_dial("::ffff:127.0.0.1", 25)
    assert not guard.may_dial("127.0.0.2", 8080)
    assert guard.may_dial("10.1.2.200", 443)
    assert not guard.may_dial("10.1.2.200", 8443)
    assert guard.may_dial("fd00:1::5", 9)
    assert guard.may_dial("fd00:2::5", 81)
    assert not guard.may_dial("fd00:2::5", 82)


def test_an_allowance_lifts_this_machine_too():
    assert Guard(parse_allowances("127.0.0.0/8"), is_own=lambda _: True).may_dial("127.0.0.1", 80)


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fe80::1", "100.100.100.200", "168.63.129.16",
     "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"],
)  # fmt: skip
def test_metadata_services_stay_refused_whatever_is_allowed(address: str):
    everything = parse_allowances("0.0.0.0/1,128.0.0.0/1,::/1,8000::/1")
    assert not Guard(everything).may_dial(address, 80)


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0/0", "::/0", "::/0:443", "127.0.0.1", "localhost/32", "10.0.0.1/24", "10.0.0.0/33", "10.0.0.0/8:0",
     "10.0.0.0/8:65536", "10.0.0.0/8:http", "10.0.0.0/", "10.0.0.0/8:", "10.0.0.0/255.0.0.0", "a", "/", "10.0.0.0/٨"],
)  # fmt: skip
def test_an_allowance_that_cannot_be_meant_is_refused_with_its_text(text: str):
    with pytest.raises(BadAllowance, match="EGRESS_ALLOW") as refusal:
        parse_allowances(f"127.0.0.1/32,{text}")
    assert text in str(refusal.value)


def test_no_allowance_is_the_default():
    assert parse_allowances("") == parse_allowances(" , ") == ()
