"""The rows of one project as they lie in tables, to be copied to another ledger of the same version, and compared.

What is derived (the index of searches) is not copied but made anew. A new table must take its place in `TABLES`, or be
named in `DERIVED`: a test holds them to the migrations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from clew.core.errors import Conflict
from clew.core.hashing import Hasher
from clew.core.ids import Digest
from clew.core.types.project import Project
from clew.core.types.run import Run
from clew.store.ledger.sql.connection import Connection, Document, Row, rows_among
from clew.store.ledger.sql.search_index import SqlSearchIndex

__all__ = ["ACCOUNTS", "COLUMNS", "DERIVED", "TABLES", "ProjectRows"]

_OWN = "project = ?"
_OF_RUN = "run IN (SELECT id FROM runs WHERE project = ?)"
_OF_FILES = f"({_OF_RUN} OR run IN (SELECT id FROM logged_models WHERE project = ?))"
_OF_DATASET = "dataset IN (SELECT id FROM datasets WHERE project = ?)"
_OF_LOGGED = "model IN (SELECT id FROM logged_models WHERE project = ?)"
_OF_MODEL = "model IN (SELECT id FROM models WHERE project = ?)"
_OF_ENDPOINT = "endpoint IN (SELECT id FROM endpoints WHERE project = ?)"
_USED = "user_id IN (SELECT user_id FROM members WHERE project = ?)"

TABLES: dict[str, tuple[str, str]] = {
    "dataset_versions": (_OF_DATASET, "dataset, number"),
    "log_batches": (_OF_DATASET, "dataset, position"),
    "series": (_OF_RUN, "run, key"),
    "series_blocks": (_OF_RUN, "run, key, position"),
    "artifacts": (_OF_FILES, "run, path"),
    "logged_metrics": (_OF_LOGGED, "model, key, time_us, step, run, dataset, digest, value"),
    "run_inputs": (_OF_RUN, "run, role, name, digest, model"),
    "step_runs": (_OF_RUN, "run, position"),
    "beats": (_OWN, "run"),
    "step_entries": (_OWN, "project, key"),
    "model_versions": (_OF_MODEL, "model, number"),
    "alias_moves": (_OF_MODEL, "model, alias, position"),
    "windows": (_OF_ENDPOINT, "endpoint, start_us, version"),
    "trials": (_OF_ENDPOINT, "id"),
    "alerts": (_OF_ENDPOINT, "id"),
    "datasets": (_OWN, "id"),
    "logged_models": (_OWN, "id"),
    "runs": (_OWN, "id"),
    "experiments": (_OWN, "id"),
    "models": (_OWN, "id"),
    "endpoints": (_OWN, "id"),
    "jobs": (_OWN, "id"),
    "events": (_OWN, "arrival"),
    "chain_tails": (_OWN, "project"),
    "members": (_OWN, "project, user_id"),
    "projects": ("id = ?", "id"),
    "edges": ("", "source, target, role, run"),
    "series_sources": ("", "digest"),
}
"""Which rows of a table are a project's, and their key; what depends on other tables stands before them.

The rows of `edges` are told by their nodes; those of `series_sources` are digests, of no use to other projects.
"""

ACCOUNTS = {
    "users": ("id IN (SELECT user_id FROM members WHERE project = ?)", "id"),
    "tokens": (_USED, "id"),
}
"""Rows that projects share: those of members are added, and none is replaced."""

DERIVED = {"search_runs", "search_values", "search_metrics"}
"""Tables that are made anew from the others."""

_AT_ONCE = 500
_run, _named = Document(Run), Document(Project)


class ProjectRows:
    """The rows of a project over one connection, in one transaction.

    Args:
        connection: within a transaction.
        project: whose rows.
    """

    def __init__(self, connection: Connection, project: str) -> None:
        self._c, self._project = connection, project

    def count(self) -> int:
        """How many there are, about: edges of others count too."""
        total = 0
        for table, (where, _) in TABLES.items():
            total += int(self._c.rows(f"SELECT COUNT(*) FROM {table}{_clause(where)}", self._params(where))[0][0])
        return total

    def clear(self) -> None:
        """Remove all of them, but for accounts. What is known of runs by their numbers is left to `index`."""
        numbers = "run IN (SELECT number FROM search_runs WHERE project = ?)"
        for table in ("search_values", "search_metrics"):
            self._c.change(f"DELETE FROM {table} WHERE {numbers}", (self._project,))
        edges = [row[:4] for page in self.pages("edges") for row in page]
        self._c.change_many("DELETE FROM edges WHERE source = ? AND target = ? AND role = ? AND run = ?", edges)
        for table, (where, _) in TABLES.items():
            if where:
                self._c.change(f"DELETE FROM {table} WHERE {where}", self._params(where))

    def copy_to(self, target: ProjectRows, *, tell: Callable[[int], None]) -> dict[str, int]:
        """Add them all to an empty place, with the index of searches.

        Args:
            target: the same project elsewhere.
            tell: hears how many rows were copied.

        Returns:
            How many rows each table has.

        Raises:
            Conflict: members have names that are other users' there.
        """
        copied: dict[str, int] = {}
        for table in [*ACCOUNTS, *TABLES]:
            copied[table] = 0
            for page in self.pages(table):
                target.add(table, page)
                copied[table] += len(page)
                tell(sum(copied.values()))
        self._refuse_strangers(target)
        target.index()
        return copied

    def add(self, table: str, rows: Sequence[Row]) -> None:
        """Add rows of a table; numbers are given anew. One whose key is taken is left out, as `digests` shows."""
        names = COLUMNS[table]
        marks = ", ".join("?" * len(names))
        sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks}) ON CONFLICT DO NOTHING"
        self._c.change_many(sql, rows)

    def pages(self, table: str) -> Iterator[list[Row]]:
        """The rows of a table in the order of its key, without generated numbers."""
        where, key = {**TABLES, **ACCOUNTS}[table]
        names = COLUMNS[table]
        mine = self._is_mine() if table == "edges" else None
        columns, marks = len(key.split(", ")), ", ".join("?" * len(key.split(", ")))
        after: Row | None = None
        while True:
            clauses, given = [where] if where else [], self._params(where)
            if after is not None:
                clauses.append(f"({key}) > ({marks})")
                if where and key.startswith(where.lstrip("(").partition(" IN (")[0] + ","):
                    # rows of owners that came before are not gone through again
                    clauses[0] = where.replace("project = ?", "project = ? AND id >= ?")
                    given = [value for one in given for value in (one, after[0])]
            sql = f"SELECT {key}, {', '.join(names)} FROM {table}{_clause(' AND '.join(clauses))}"
            rows = self._c.rows(f"{sql} ORDER BY {key} LIMIT {_AT_ONCE}", [*given, *(after or ())])
            if not rows:
                return
            after = rows[-1][:columns]
            found: list[Row] = [tuple(_plain(value) for value in row[columns:]) for row in rows]
            yield found if mine is None else [row for row in found if mine(row)]

    def ids(self, table: str) -> list[str]:
        """The ids of the rows of a table that has some."""
        sql = f"SELECT id FROM {table} WHERE {TABLES[table][0]} ORDER BY id"
        return [row[0] for row in self._c.rows(sql, (self._project,))]

    def owners(self, table: str, ids: Sequence[str]) -> list[str]:
        """The other projects that have rows of these ids, one for each row."""
        sql = f"SELECT project FROM {table} WHERE project <> ? AND id IN ({{0}})"
        return [row[0] for row in rows_among(self._c, sql, ids, before=(self._project,))]

    def digests(self) -> dict[str, tuple[int, Digest]]:
        """How many rows each table has, and the digest of them all in their order."""
        found: dict[str, tuple[int, Digest]] = {}
        for table in TABLES:
            if table == "series_sources":  # the other ledger may have those of other projects
                continue
            hasher, count = Hasher(), 0
            for page in self.pages(table):
                count += len(page)
                for row in page:
                    hasher.update(msgspec.json.encode(row))
            found[table] = (count, Digest(hasher.hexdigest()))
        return found

    def index(self) -> None:
        """Make the index of searches for them. Runs that were there before keep their numbers: caches know them so."""
        index = SqlSearchIndex(self._c)
        for page in self.pages("runs"):
            index.fill([_run.read(row[-1]) for row in page])
        self._c.change(
            "DELETE FROM search_runs WHERE project = ? AND run NOT IN (SELECT id FROM runs WHERE project = ?)",
            (self._project, self._project),
        )

    def rename(self, name: str) -> None:
        """Give the project another name."""
        for row in self._c.rows("SELECT document FROM projects WHERE id = ?", (self._project,)):
            project = msgspec.structs.replace(_named.read(row[0]), name=name)
            sql = "UPDATE projects SET name = ?, document = ? WHERE id = ?"
            self._c.change(sql, (name, _named.text(project), self._project))

    def _refuse_strangers(self, target: ProjectRows) -> None:
        """A user is not added where another one has the name; the role of the user would be lost by that."""
        sql = "SELECT user_id FROM members WHERE project = ? AND user_id NOT IN (SELECT id FROM users)"
        lost = [row[0] for row in target._c.rows(sql, (self._project,))]
        names = sorted(row[0] for row in rows_among(self._c, "SELECT name FROM users WHERE id IN ({0})", lost))
        if names:
            hint = f"take the roles away here, and give them again there: clew member remove {names[0]}"
            raise Conflict(f"the target has other users named {', '.join(names)}", hint=hint)

    def _is_mine(self) -> Callable[[Row], bool]:
        """Whether an edge is the project's: one of its nodes, or its run, is."""
        ids: set[str] = set()
        for table, (where, _) in TABLES.items():
            if table in _NODES:
                ids.update(row[0] for row in self._c.rows(f"SELECT id FROM {table} WHERE {where}", self._params(where)))
        return lambda row: row[3] in ids or _node_id(row[0]) in ids or _node_id(row[1]) in ids

    def _params(self, where: str) -> list[object]:
        return [self._project] * where.count("?")


_NODES = {"runs", "datasets", "dataset_versions", "models", "model_versions", "endpoints", "logged_models"}

COLUMNS = {
    "users": ["id", "name", "document"],
    "tokens": ["id", "user_id", "hash", "document"],
    "members": ["project", "user_id", "document"],
    "projects": ["id", "name", "document"],
    "datasets": ["id", "project", "name", "document"],
    "dataset_versions": ["dataset", "number", "id", "created_us", "document"],
    "log_batches": [
        *("dataset", "position", "source", "source_end", "rows"),
        *("time_low_us", "time_high_us", "id_low", "id_high", "document"),
    ],
    "experiments": ["id", "project", "name", "number", "document"],
    "runs": ["id", "project", "experiment", "name", "status", "parent", "deleted_us", "document"],
    "series": [
        *("run", "key", "blocks", "count", "nans", "low", "high", "total", "first", "last"),
        *("last_step", "last_time_us", "merged"),
    ],
    "series_blocks": [
        *("run", "key", "position", "source", "count", "nans", "low", "high", "total", "first", "last"),
        *("last_step", "last_time_us", "step_low", "step_high", "time_low_us", "time_high_us", "points"),
    ],
    "series_sources": ["digest"],
    "artifacts": ["run", "path", "document"],
    "run_inputs": ["run", "role", "name", "digest", "model", "document"],
    "beats": ["run", "project", "beats", "at_us"],
    "step_entries": ["project", "key", "step", "created_us", "document"],
    "step_runs": ["run", "position", "document"],
    "models": ["id", "project", "name", "document"],
    "model_versions": ["model", "number", "id", "run", "document"],
    "alias_moves": ["model", "alias", "position", "document"],
    "logged_models": ["id", "project", "experiment", "run", "name", "document"],
    "logged_metrics": ["model", "key", "time_us", "step", "run", "dataset", "digest", "value"],
    "endpoints": ["id", "project", "name", "document"],
    "windows": ["endpoint", "start_us", "version", "document"],
    "trials": ["id", "endpoint", "document"],
    "alerts": ["id", "endpoint", "key", "at_us", "document"],
    "jobs": ["id", "project", "key", "state", "due_us", "lease_until_us", "fence", "document"],
    "events": ["id", "project", "kind", "subject", "document", "position", "hash"],
    "chain_tails": ["project", "position", "hash"],
    "edges": ["source", "target", "role", "run", "at_us"],
}
"""Every column, the same on every database, but `arrival` of events, which each ledger counts by itself."""


def _clause(where: str) -> str:
    return f" WHERE {where}" if where else ""


def _plain(value: object) -> object:
    return bytes(value) if isinstance(value, memoryview | bytearray) else value


def _node_id(node: str) -> str:
    return node.partition(":")[2].partition("/")[0]
