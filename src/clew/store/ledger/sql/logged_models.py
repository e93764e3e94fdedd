"""Logged models, and what runs say that they used, in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from clew.core.errors import Exists, NotFound
from clew.core.types.logged_model import LoggedMetric, LoggedModel
from clew.core.types.run_input import RunInput
from clew.store.ledger.sql.connection import Connection, Document, rows_among

__all__ = ["SqlLoggedModels", "SqlRunInputs"]

_input = Document(RunInput)
_model = Document(LoggedModel)
_METRIC = "model, key, time_us, step, run, dataset, digest, value"


class SqlRunInputs:
    """`clew.core.contracts.ledger.RunInputs`."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def put(self, inputs: Sequence[RunInput]) -> None:
        self._c.change_many(
            "INSERT INTO run_inputs (run, role, name, digest, model, document) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (run, role, name, digest, model) DO UPDATE SET document = excluded.document",
            ((each.run, each.role, each.name, each.digest, each.model, _input.text(each)) for each in inputs),
        )

    def list(self, runs: Sequence[str]) -> list[RunInput]:
        sql = "SELECT document FROM run_inputs WHERE run IN ({0}) ORDER BY run, role, name, digest, model"
        return _input.all(rows_among(self._c, sql, sorted(set(runs))))


class SqlLoggedModels:
    """`clew.core.contracts.ledger.LoggedModels`."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def add(self, model: LoggedModel) -> None:
        added = self._c.change(
            "INSERT INTO logged_models (id, project, experiment, run, name, document) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (model.id, model.project, model.experiment, model.run, model.name, _model.text(model)),
        )
        if not added:
            raise Exists("logged model", model.id)

    def put(self, model: LoggedModel) -> None:
        changed = self._c.change(
            "UPDATE logged_models SET experiment = ?, run = ?, name = ?, document = ? WHERE id = ?",
            (model.experiment, model.run, model.name, _model.text(model), model.id),
        )
        if not changed:
            raise NotFound("logged model", model.id)

    def get(self, id: str) -> LoggedModel:
        return _model.get(self._c.rows("SELECT document FROM logged_models WHERE id = ?", (id,)), "logged model", id)

    def measure(self, metrics: Sequence[LoggedMetric]) -> None:
        self._c.change_many(
            f"INSERT INTO logged_metrics ({_METRIC}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            ((m.model, m.key, m.time_us, m.step, m.run, m.dataset, m.digest, repr(m.value)) for m in metrics),
        )

    def metrics(self, models: Sequence[str], *, key: str = "") -> list[LoggedMetric]:
        of_key, values = (" AND key = ?", [key]) if key else ("", [])
        sql = f"SELECT {_METRIC} FROM logged_metrics WHERE model IN ({{0}}){of_key} ORDER BY {_METRIC}"
        return [_metric(*row) for row in rows_among(self._c, sql, sorted(set(models)), after=values)]

    def forget_metrics(self, model: str) -> None:
        self._c.change("DELETE FROM logged_metrics WHERE model = ?", (model,))

    def list(self, project: str, *, experiments: Sequence[str] = (), run: str = "") -> list[LoggedModel]:
        where, params = ["project = ?"], [project]
        if experiments:
            where.append(f"experiment IN ({', '.join('?' * len(experiments))})")
            params += experiments
        if run:
            where.append("run = ?")
            params.append(run)
        sql = f"SELECT document FROM logged_models WHERE {' AND '.join(where)} ORDER BY id DESC"
        return _model.all(self._c.rows(sql, params))


def _metric(
    model: str, key: str, time_us: int, step: int, run: str, dataset: str, digest: str, value: str
) -> LoggedMetric:
    return LoggedMetric(
        model=model, key=key, value=float(value), step=step, time_us=time_us, run=run, dataset=dataset, digest=digest
    )
