"""A real pgbouncer in transaction mode before a test's database, on loopback, from Debian's package."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg.rows import dict_row

from app.core.database import libpq_url
from app.local.guarded import Guarded, unprivileged
from app.local.migrate import ROLES
from app.local.state import free_port
from tests.conftest import TestDatabase
from tests.processes import until


def pgbouncer_binary() -> str | None:
    """Where it is; Debian puts it beside what only root looks for."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


class RunningPgbouncer:
    """An async context manager. `database` is the test's, reached through so few server connections a role."""

    def __init__(self, behind: TestDatabase, folder: Path, *, connections: int) -> None:
        self.behind, self._folder, self._connections = behind, folder, connections
        self.port = free_port()
        self._guarded: Guarded | None = None
        self.database = replace(
            behind,
            app_url=self.through(behind.app_url),
            system_url=self.through(behind.system_url),
            owner_url=self.through(behind.owner_url),
            eraser_url=self.through(behind.eraser_url),
        )

    def through(self, url: str) -> str:
        """The same role and database by way of the pooler."""
        who, _, place = url.rpartition("@")
        return f"{who}@127.0.0.1:{self.port}/{place.partition('/')[2]}"

    async def __aenter__(self) -> Self:
        binary, user = pgbouncer_binary(), unprivileged()
        assert binary is not None
        postgres = libpq_url(self.behind.app_url).rpartition("@")[2].partition("/")[0]
        host, _, port = postgres.partition(":")
        self._folder.mkdir(mode=0o711)
        users, config = self._folder / "users.txt", self._folder / "pgbouncer.ini"
        users.write_text("".join(f'"{role}" "test"\n' for role in ROLES))
        config.write_text(
            f"""
            [databases]
            * = host={host} port={port}
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {self.port}
            unix_socket_dir =
            auth_type = scram-sha-256
            auth_file = {users}
            admin_users = switchboard_owner
            pool_mode = transaction
            default_pool_size = {self._connections}
            max_client_conn = 200
            """.replace("\n            ", "\n")
        )
        for file in (users, config):
            file.chmod(0o644)
        with (self._folder / "log").open("wb") as log:
            self._guarded = Guarded([binary, str(config)], output=log, user=user, directory=Path("/"))
        await until(self._answers, (self._folder / "log").read_text)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._guarded is not None:
            self._guarded.stop()

    async def _answers(self) -> bool:
        assert self._guarded is not None
        assert self._guarded.running, (self._folder / "log").read_text()
        try:
            await self.console("SHOW VERSION")
        except psycopg.OperationalError:
            return False
        return True

    async def console(self, command: str) -> list[dict[str, Any]]:
        """What pgbouncer's own console says."""
        url = f"postgresql://switchboard_owner:test@127.0.0.1:{self.port}/pgbouncer"
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            # The console speaks the simple protocol only.
            cursor = psycopg.AsyncClientCursor(connection, row_factory=dict_row)
            await cursor.execute(command)
            return await cursor.fetchall()

    async def server_connections(self, role: str = "switchboard_app") -> int:
        """How many connections to Postgres stand behind a role's clients."""
        pools = await self.console("SHOW POOLS")
        return sum(
            int(value)
            for pool in pools
            if pool["database"] == self.behind.name and pool["user"] == role
            for name, value in pool.items()
            if name.startswith("sv_")
        )
