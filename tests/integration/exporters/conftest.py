"""Servers for the tests of uploads."""

from tests.integration.exporters.uploads import authority, openssh, proftpd, server, vsftpd

__all__ = ["authority", "openssh", "proftpd", "server", "vsftpd"]
