"""PgBouncer before a Postgres, in transaction mode: few connections of the server, lent by the transaction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from tests.unpacked import UnpackedServer


class PgBouncer(UnpackedServer):
    """Lends `pool_size` connections of the server that `database_url` leads to, to whoever comes through `url`."""

    program = "pgbouncer"

    def __init__(self, folder: Path, database_url: str, *, pool_size: int) -> None:
        super().__init__(folder)
        self._server = make_url(database_url)
        self._pool_size = pool_size

    @property
    def url(self) -> str:
        return self._server.set(host="127.0.0.1", port=self.port).render_as_string(hide_password=False)

    def clients(self) -> int:
        """Count who is connected, waiting or not; the one that asks does not count."""
        with self._console() as console:
            clients = console.execute("SHOW CLIENTS").fetchall()
        return sum(self._server.database in row for row in clients)

    def reconnect(self) -> None:
        """Have every connection to the server made anew, each as soon as nobody has it."""
        with self._console() as console:
            console.execute("RECONNECT")

    def _console(self) -> psycopg.Connection[tuple[Any, ...]]:
        url = self._server.set(host="127.0.0.1", port=self.port, database="pgbouncer")
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)

    def set_up(self) -> list[str]:
        """As docs/scaling.md says it; nothing is allowed that Waybill does not need."""
        users, server = self.folder / "users.txt", self._server
        users.write_text(f'"{server.username}" "{server.password}"\n')
        (self.folder / "pgbouncer.ini").write_text(
            f"""
            [databases]
            {server.database} = host={server.host} port={server.port}
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {self.port}
            unix_socket_dir =
            auth_type = scram-sha-256
            auth_file = {users}
            admin_users = {server.username}
            pool_mode = transaction
            default_pool_size = {self._pool_size}
            max_client_conn = 500
            query_wait_timeout = 30
            """.replace("            ", "")
        )
        return [self.path, str(self.folder / "pgbouncer.ini")]
