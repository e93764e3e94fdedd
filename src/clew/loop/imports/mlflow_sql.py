"""Reads MLflow's own SQLite database, without MLflow: every version of its tables, by the columns that they have."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from clew.core.errors import Corrupt, Invalid, NotFound
from clew.core.types.logged_model import LoggedMetric
from clew.core.types.run import Experiment, Run
from clew.core.types.run_input import RunInput
from clew.loop.imports import mlflow_words as words
from clew.loop.imports.foreign import ForeignLogged, ForeignModel, ForeignRun
from clew.loop.imports.mlflow_files import MlflowFiles

__all__ = ["MlflowDatabase"]

Row = dict[str, object]


class MlflowDatabase:
    """`clew.loop.imports.foreign.Source` over the file of a database, which is only read.

    Args:
        file: the database.
        artifacts: the folder or bucket that a server kept files in, where it did.

    Raises:
        NotFound: there is no such file.
        Invalid: it is no database of MLflow.
        Corrupt: it is damaged.
    """

    name = "mlflow"

    def __init__(self, file: Path, *, artifacts: str = "") -> None:
        if not file.is_file():
            raise NotFound("file", str(file))
        self._file = file
        self._files = MlflowFiles(file.absolute().parent, proxied=artifacts)
        self._c = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
        try:
            self._tables = {row[0] for row in self._c.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        except sqlite3.DatabaseError as error:
            self._c.close()
            raise Invalid(f"{file} is no SQLite database: {error}") from error
        if not {"experiments", "runs", "metrics", "params", "tags"} <= self._tables:
            self._c.close()
            raise Invalid(f"{file} is no database of MLflow: it has no tables of experiments and runs")
        self._experiments = {
            row["experiment_id"]: words.experiment_name(str(row["name"])) for row in self._rows("experiments")
        }

    def close(self) -> None:
        """Let go of the file."""
        self._c.close()

    def counts(self) -> dict[str, int]:
        queries = {
            "experiments": "SELECT COUNT(*) FROM experiments",
            "runs": "SELECT COUNT(*) FROM runs",
            "params": "SELECT COUNT(*) FROM params",
            "tags": "SELECT COUNT(*) FROM tags WHERE key <> 'mlflow.runName'",
            "series": "SELECT COUNT(*) FROM (SELECT DISTINCT run_uuid, key FROM metrics)",
            "points": "SELECT COUNT(*) FROM metrics",
        }
        more = {"models": "registered_models", "aliases": "registered_model_aliases"}
        more["logged models"] = "logged_models"
        queries |= {what: f"SELECT COUNT(*) FROM {table}" for what, table in more.items() if table in self._tables}
        if "model_versions" in self._tables:
            queries["versions"] = f"SELECT COUNT(*) FROM model_versions WHERE current_stage <> '{words.DELETED}'"
        return {what: int(str(self._query(sql)[0][0])) for what, sql in queries.items()}

    def experiments(self) -> list[Experiment]:
        tags = self._tags("experiment_tags", "experiment_id", "key", "value")
        rows = self._rows("experiments", order="experiment_id")
        return [words.experiment_of(row, tags[row["experiment_id"]]) for row in rows]

    def runs(self) -> Iterator[ForeignRun]:
        inputs = self._inputs()
        for row in self._rows("runs", order="start_time, run_uuid"):
            run_id = str(row["run_uuid"])
            yield ForeignRun(
                run=self._run(run_id, row),
                experiment=self._experiments[row["experiment_id"]],
                series=words.points_of_rows(self._points(run_id)),
                inputs=tuple(inputs[run_id]),
                files=partial(self._files.at, str(row["artifact_uri"])),
            )

    def logged_models(self) -> Iterator[ForeignLogged]:
        tags = self._tags("logged_model_tags", "model_id", "tag_key", "tag_value")
        params = self._tags("logged_model_params", "model_id", "param_key", "param_value")
        metrics: dict[object, list[LoggedMetric]] = defaultdict(list)
        for row in self._rows("logged_model_metrics"):
            metrics[row["model_id"]].append(_metric(row))
        for row in self._rows("logged_models", order="creation_timestamp_ms, model_id"):
            key = row["model_id"]
            model = words.logged_model_of(row, params=params[key], tags=tags[key])
            files = partial(self._files.at, str(row["artifact_location"]))
            yield ForeignLogged(model, self._experiments[row["experiment_id"]], tuple(metrics[key]), files)

    def models(self) -> Iterator[ForeignModel]:
        tags = self._tags("registered_model_tags", "name", "key", "value")
        version_tags: dict[tuple[object, object], dict[str, str]] = defaultdict(dict)
        for row in self._rows("model_version_tags"):
            version_tags[row["name"], row["version"]][str(row["key"])] = str(row["value"])
        aliases: dict[object, dict[str, int]] = defaultdict(dict)
        for row in self._rows("registered_model_aliases"):
            aliases[row["name"]][str(row["alias"])] = int(str(row["version"]))
        versions: dict[object, list[Row]] = defaultdict(list)
        for row in self._rows("model_versions", order="name, version"):
            if row.get("current_stage") != words.DELETED:
                versions[row["name"]].append(row)
        for row in self._rows("registered_models", order="name"):
            name = row["name"]
            made = tuple(words.model_version_of(each, version_tags[name, each["version"]]) for each in versions[name])
            yield ForeignModel(words.model_of(row, tags[name]), made, aliases[name])

    def _run(self, id: str, row: Mapping[str, object]) -> Run:
        params = {str(key): str(value) for key, value in self._query(_PARAMS, (id,))}
        tags = {str(key): str(value or "") for key, value in self._query(_TAGS, (id,))}
        return words.run_of(
            id,
            name=str(row.get("name") or ""),
            status=str(row["status"]),
            user=str(row.get("user_id") or ""),
            times=(row["start_time"], row["end_time"], row.get("deleted_time")),
            params=params,
            tags=tags,
            deleted=row["lifecycle_stage"] == "deleted",
        )

    def _points(self, run: str) -> list[Sequence[object]]:
        columns = self._columns("metrics")
        step = "step" if "step" in columns else "0"
        nan = "is_nan" if "is_nan" in columns else "0"
        return self._query(f"SELECT key, timestamp, {step}, value, {nan} FROM metrics WHERE run_uuid = ?", (run,))

    def _inputs(self) -> dict[str, list[RunInput]]:
        """What flowed into runs and out of them, by run."""
        found: dict[str, list[RunInput]] = defaultdict(list)
        datasets = {row["dataset_uuid"]: _dataset(row) for row in self._rows("datasets")}
        tags = self._tags("input_tags", "input_uuid", "name", "value")
        for row in self._rows("inputs"):
            kind, source, target = row["source_type"], str(row["source_id"]), str(row["destination_id"])
            step = int(str(row.get("step") or 0))
            if kind == "DATASET" and row["destination_type"] == "RUN" and row["source_id"] in datasets:
                found[target].append(words.dataset_input(target, datasets[row["source_id"]], tags[row["input_uuid"]]))
            elif kind == "RUN_OUTPUT":
                found[source].append(words.model_input(source, target, output=True, step=step))
            elif kind == "RUN_INPUT":
                found[source].append(words.model_input(source, target, output=False, step=step))
        return found

    def _tags(self, table: str, owner: str, key: str, value: str) -> dict[object, dict[str, str]]:
        found: dict[object, dict[str, str]] = defaultdict(dict)
        for row in self._rows(table):
            found[row[owner]][str(row[key])] = str(row[value] or "")
        return found

    def _columns(self, table: str) -> list[str]:
        return [str(row[1]) for row in self._query(f"PRAGMA table_info({table})")]

    def _rows(self, table: str, *, order: str = "") -> Iterator[Row]:
        """All rows of a table; none where an older MLflow has no such table."""
        if table not in self._tables:
            return
        columns = self._columns(table)
        for row in self._query(f"SELECT * FROM {table}" + (f" ORDER BY {order}" if order else "")):
            yield dict(zip(columns, row, strict=True))

    def _query(self, sql: str, params: Sequence[object] = ()) -> list[Sequence[object]]:
        try:
            return self._c.execute(sql, params).fetchall()
        except sqlite3.DatabaseError as error:
            raise Corrupt(f"{self._file} cannot be read: {error}", hint="copy it while no server writes it") from error


_PARAMS = "SELECT key, value FROM params WHERE run_uuid = ?"
_TAGS = "SELECT key, value FROM tags WHERE run_uuid = ?"


def _dataset(row: Row) -> Row:
    return {
        "name": row["name"],
        "digest": row["digest"],
        "source_type": row["dataset_source_type"],
        "source": row["dataset_source"],
        "schema": row["dataset_schema"],
        "profile": row["dataset_profile"],
    }


def _metric(row: Row) -> LoggedMetric:
    return LoggedMetric(
        model=str(row["model_id"]),
        key=str(row["metric_name"]),
        value=float(str(row["metric_value"])),
        step=int(str(row["metric_step"])),
        time_us=words.us(row["metric_timestamp_ms"]),
        run=str(row["run_id"]),
        dataset=str(row["dataset_name"] or ""),
        digest=str(row["dataset_digest"] or ""),
    )
