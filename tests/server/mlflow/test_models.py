"""Models by the unmodified client: autologged, registered, loaded, gated, and served by clew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clew.core.errors import Denied
from clew.core.types.edge import node
from clew.core.types.package import ModelFormat
from clew.core.types.signature import Dtype
from clew.registry.formats.format import Trust
from clew.registry.package import load_package
from clew.serving.mlflow_process import MlflowRuntime

Run = Callable[[str], Any]
PYTHON = Path(__file__).parents[3] / ".venv-mlflow" / "bin" / "python"


def test_autologged_models_are_registered_loaded_and_served(run: Run, served: Any) -> None:
    told = run("""
        from sklearn.linear_model import LinearRegression
        import pandas as pd
        X = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [1, 0, 1, 0]})
        y = 2 * X["a"] + X["b"]
        mlflow.set_experiment("fits")
        mlflow.sklearn.autolog(registered_model_name="delay", log_input_examples=True, silent=True)
        with mlflow.start_run() as active:
            LinearRegression().fit(X, y)
        mlflow.sklearn.autolog(disable=True, silent=True)
        client = MlflowClient()
        client.set_registered_model_alias("delay", "best", 1)
        def predicted(uri):
            return [round(v, 6) for v in mlflow.pyfunc.load_model(uri).predict(X[:2]).tolist()]
        version = client.get_model_version_by_alias("delay", "best")
        result = dict(
            run=active.info.run_id,
            model=version.source.rpartition("/")[2],
            version=version.version,
            version_run=version.run_id,
            metric=client.get_run(active.info.run_id).data.metrics["training_r2_score"],
            inputs=len(client.get_run(active.info.run_id).inputs.dataset_inputs),
            logged=[m.name for m in mlflow.search_logged_models(["1"], output_format="list")],
            tag=client.get_logged_model(version.source.rpartition("/")[2]).tags["mlflow.modelVersions"],
            by_alias=predicted("models:/delay@best"),
            by_number=predicted("models:/delay/1"),
            by_run=predicted(f"runs:/{active.info.run_id}/model"),
            by_id=predicted(version.source),
            native=type(mlflow.sklearn.load_model("models:/delay/1")).__name__,
        )
    """)
    assert told["by_alias"] == told["by_number"] == told["by_run"] == told["by_id"] == [3.0, 4.0]
    assert (told["version"], told["version_run"], told["native"]) == ("1", told["run"], "LinearRegression")
    assert (told["metric"], told["inputs"], told["logged"]) == (1.0, 1, ["model"])
    assert '"delay"' in told["tag"]

    stores = served.host.stores(served.host.project("late"), actor="x")
    with stores.ledger.read() as tx:
        model = tx.models.find("p", "delay")
        version = tx.models.newest(model.id)
        up = {edge.source for edge in tx.edges.up(node("model", version.id))}
    assert {node("run", told["run"]), node("logged", told["model"])} <= up
    assert any(source.startswith("external:dataset@") for source in up)

    package = load_package(stores.objects, version.package)
    assert package.model.format is ModelFormat.MLFLOW
    assert [(field.name, field.dtype) for field in package.signature.inputs] == [
        ("a", Dtype.FLOAT64),
        ("b", Dtype.INT64),
    ]
    assert package.environment.distributions["scikit-learn"]
    assert version.unsafe
    with pytest.raises(Denied):
        MlflowRuntime(package, stores.objects, Trust())
    runtime = MlflowRuntime(package, stores.objects, Trust(allow_pickle=True, mlflow_python=str(PYTHON)))
    try:
        scores, decisions = runtime.decide({"a": [1.0, 2.0], "b": [1, 0]})
        assert [round(score, 6) for score in scores] == [3.0, 4.0]
        assert decisions == scores
        assert runtime.predict({"a": [5.0], "b": [1]}).score.round(6).tolist() == [11.0]
        assert runtime.id.startswith("mlflow-3.")
    finally:
        runtime.close()


def test_lightgbm_logs_itself(run: Run) -> None:
    told = run("""
        import lightgbm
        X = np.random.default_rng(0).random((60, 3)); y = (X[:, 0] > 0.5).astype(int)
        mlflow.lightgbm.autolog(silent=True)
        with mlflow.start_run() as active:
            lightgbm.train({"objective": "binary", "verbose": -1, "min_data_in_leaf": 2},
                           lightgbm.Dataset(X, y), num_boost_round=5, valid_sets=[lightgbm.Dataset(X, y)])
        mlflow.lightgbm.autolog(disable=True, silent=True)
        got = MlflowClient().get_run(active.info.run_id)
        history = MlflowClient().get_metric_history(active.info.run_id, "valid_0-binary_logloss")
        loaded = mlflow.lightgbm.load_model(f"runs:/{active.info.run_id}/model")
        result = dict(points=len(history), objective=got.data.params["objective"], trees=loaded.num_trees())
    """)
    assert told == {"points": 5, "objective": "binary", "trees": 5}


def test_async_logging_and_large_batches(run: Run) -> None:
    told = run("""
        client = MlflowClient()
        with mlflow.start_run() as active:
            for step in range(300):
                mlflow.log_metric("slow", step, step=step, synchronous=False)
            mlflow.log_params({f"p{n}": n for n in range(250)}, synchronous=False)
            mlflow.flush_async_logging()
            mlflow.log_metrics({f"m{n}": n for n in range(1000)}, step=1)
        got = client.get_run(active.info.run_id)
        history = client.get_metric_history(active.info.run_id, "slow")
        result = dict(points=[m.step for m in history] == list(range(300)), params=len(got.data.params),
                      metrics=len(got.data.metrics))
    """)
    assert told == {"points": True, "params": 250, "metrics": 1001}


def test_evaluation_of_a_model(run: Run) -> None:
    told = run("""
        import pandas as pd
        data = pd.DataFrame({"truth": [0.0, 1, 2, 3], "said": [0.0, 1, 2, 4]})
        with mlflow.start_run() as active:
            found = mlflow.models.evaluate(data=data, targets="truth", predictions="said", model_type="regressor",
                                           evaluator_config={"log_explainer": False})
        kept = MlflowClient().get_run(active.info.run_id)
        result = dict(found=found.metrics["mean_absolute_error"], kept=kept.data.metrics["mean_absolute_error"])
    """)
    assert told == {"found": 0.25, "kept": 0.25}


def test_files_are_deleted_but_for_those_that_a_version_is_loaded_from(run: Run, served: Any) -> None:
    told = run("""
        import pathlib, tempfile
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
        client = MlflowClient()
        with mlflow.start_run() as active:
            for path in ("net/MLmodel", "net/part/a.bin", "rest/b.txt", "net2.txt"):
                mlflow.log_text("flavors: {}", path)
        made = client.create_logged_model("0", "tree", source_run_id=active.info.run_id)
        logged = get_artifact_repository(made.artifact_location)
        folder = pathlib.Path(tempfile.mkdtemp())
        (folder / "MLmodel").write_text("flavors: {}")
        logged.log_artifacts(str(folder))
        for name in ("a", "b"):
            client.create_registered_model(name)
        client.create_model_version("a", f"runs:/{active.info.run_id}/net", active.info.run_id)
        client.create_model_version("b", f"models:/{made.model_id}", model_id=made.model_id)
        of_run = get_artifact_repository(active.info.artifact_uri)

        def deleted(repository, path=None):
            try:
                repository.delete_artifacts(path)
            except Exception as error:
                return str(error)
            return sorted(each.path for each in repository.list_artifacts())

        tries = [deleted(of_run, path) for path in ("net/part/a.bin", "net", None)] + [deleted(logged, "MLmodel")]
        free = [deleted(of_run, path) for path in ("rest", "rest", "net2.txt")]
        client.delete_model_version("a", "1")
        client.delete_registered_model("b")
        gone = [deleted(of_run), deleted(logged), deleted(logged)]
        result = dict(tries=tries, free=free, gone=gone, model=made.model_id)
    """)
    assert all("409" in each and "RESOURCE_CONFLICT" in each for each in told["tries"]), told["tries"]
    assert ["a@1" in each for each in told["tries"]] == [True, True, True, False]
    assert "b@1" in told["tries"][3]
    assert told["free"] == [["net", "net2.txt"], ["net", "net2.txt"], ["net"]]
    assert told["gone"] == [[], [], []]
    with served.host.ledger.read() as tx:
        events = [event.facts for event in tx.events.list("p", kind="model.artifact_removed").items]
    assert events == [{"paths": ["MLmodel"], "artifacts": ""}]
