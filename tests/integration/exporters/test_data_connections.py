"""FTP servers that send data connections elsewhere: each is judged like the first, whatever the server says."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.errors import AddressBlocked
from tests.bad_ftp import BadFtp, Whims
from tests.integration.exporters.uploads import Upload, content_file


@pytest.fixture
def inner() -> Iterator[socket.socket]:
    """Something inside that must not be talked to."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.3)
        yield listening


def was_called(listening: socket.socket) -> bool:
    try:
        listening.accept()[0].close()
    except TimeoutError:
        return False
    return True


def test_an_address_of_the_cloud_in_the_answer_to_pasv_is_refused(tmp_path: Path) -> None:
    with BadFtp(tmp_path, Whims(address="169.254.169.254")) as server:
        with pytest.raises(AddressBlocked):
            Upload(server, content_file(b"1"), allow="127.0.0.1/32,169.254.0.0/16").go(passive="pasv-address")
        assert server.names() == []


@pytest.mark.parametrize("passive", ["auto", "pasv-address"])
def test_another_port_than_those_allowed_gets_no_packet(tmp_path: Path, inner: socket.socket, passive: str) -> None:
    with BadFtp(tmp_path, Whims(passive=inner.getsockname()[1])) as server:
        with pytest.raises(AddressBlocked):
            Upload(server, content_file(b"1"), allow=f"127.0.0.1/32:{server.port}").go(passive=passive)
        assert not was_called(inner)
        assert server.names() == []


def test_the_address_in_the_answer_to_pasv_counts_only_where_the_profile_says_so(tmp_path: Path) -> None:
    with BadFtp(tmp_path, Whims(address="169.254.169.254", refuses={"EPSV": "502 Not here."})) as server:
        Upload(server, content_file(b"1")).go()
        assert server.names() == ["orders.csv"]
