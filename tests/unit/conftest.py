"""Unit tests touch no network: a socket is a failure."""

import pytest
from pytest_socket import disable_socket, enable_socket


@pytest.fixture(autouse=True)
def _no_sockets() -> object:
    disable_socket(allow_unix_socket=True)  # asyncio's own loop needs a socket pair
    yield
    enable_socket()
