"""Experiments, runs, metrics and files, by the unmodified client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clew.core.types.run import RunStatus
from clew.tracking.runs import LedgerRuns

Run = Callable[[str], Any]


def test_a_script_of_mlflow_makes_an_ordinary_run(run: Run, served: Any) -> None:
    told = run("""
        mlflow.set_experiment("trees")
        with mlflow.start_run(run_name="first", tags={"team": "risk"}) as active:
            mlflow.log_params({"depth": 6, "rate": 0.1, "name": "a b", "flag": True, "none": None})
            for step in range(5):
                mlflow.log_metrics({"loss": 1 / (step + 1), "acc": step / 5}, step=step)
            mlflow.log_metric("odd", float("nan"))
            mlflow.log_metric("large", float("inf"))
            mlflow.log_text("hello", "notes/a.txt")
            mlflow.log_dict({"a": 1}, "notes/b.json")
        client = MlflowClient()
        got = client.get_run(active.info.run_id)
        history = client.get_metric_history(active.info.run_id, "loss")
        result = dict(
            id=active.info.run_id,
            params=got.data.params,
            metrics=got.data.metrics,
            tags=got.data.tags["team"],
            status=got.info.status,
            history=[(m.step, m.value) for m in history],
            files=sorted(f.path for f in client.list_artifacts(active.info.run_id, "notes")),
            text=mlflow.artifacts.load_text(active.info.artifact_uri + "/notes/a.txt"),
            names=[e.name for e in client.search_experiments()],
        )
    """)
    assert told["params"] == {"depth": "6", "rate": "0.1", "name": "a b", "flag": "True", "none": "None"}
    assert told["metrics"]["loss"] == 0.2
    assert str(told["metrics"]["odd"]) == "nan"
    assert told["metrics"]["large"] == 1.7976931348623157e308
    assert (told["tags"], told["status"], told["text"]) == ("risk", "FINISHED", "hello")
    assert told["history"] == [[step, 1 / (step + 1)] for step in range(5)]
    assert told["files"] == ["notes/a.txt", "notes/b.json"]
    assert told["names"] == ["trees", "Default"]
    kept = LedgerRuns(served.host.stores(served.host.project("late"), actor="x")).get("first")
    assert (kept.id, kept.status, kept.params["depth"], kept.params["rate"]) == (
        told["id"],
        RunStatus.FINISHED,
        6,
        0.1,
    )
    assert kept.created_by == "bob"


def test_runs_nest_and_go_on(run: Run, served: Any) -> None:
    told = run("""
        with mlflow.start_run() as parent:
            with mlflow.start_run(nested=True) as child:
                mlflow.log_metric("a", 1)
        with mlflow.start_run(run_id=parent.info.run_id):
            mlflow.log_metric("b", 2)
            running = MlflowClient().get_run(parent.info.run_id).info.status
        got = MlflowClient().get_run(parent.info.run_id)
        children = MlflowClient().search_runs(["0"], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
        result = dict(parent=parent.info.run_id, child=child.info.run_id, running=running, status=got.info.status,
                      metrics=got.data.metrics, children=[r.info.run_id for r in children])
    """)
    assert (told["running"], told["status"], told["metrics"]) == ("RUNNING", "FINISHED", {"b": 2.0})
    assert told["children"] == [told["child"]]
    runs = LedgerRuns(served.host.stores(served.host.project("late"), actor="x"))
    assert runs.get(told["child"]).parent == told["parent"]
