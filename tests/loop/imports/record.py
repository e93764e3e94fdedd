"""Records with the real MLflow client what the tests import: run by the environment that has MLflow."""

from __future__ import annotations

import sys

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, LoggedModelStatus, Metric, Param

URI, FILES = sys.argv[1:]
mlflow.set_tracking_uri(URI)
client = MlflowClient(URI)

flights = client.create_experiment("flights")
client.set_experiment_tag(flights, "team", "delay")
parent = client.create_run(flights, run_name="parent", start_time=1_700_000_000_000).info.run_id
metrics = [Metric("loss", 1 / (step + 1), 1_700_000_000_000 + step, step) for step in range(900)]
metrics += [Metric("odd", float("nan"), 1_700_000_000_000, 0), Metric("odd", float("inf"), 1_700_000_000_001, 1)]
metrics += [Metric("odd", 1.5, 1_699_999_999_999, -3), Metric("a/b", 2.0, 1_700_000_000_000, 0)]
for at in range(0, len(metrics), 500):
    client.log_batch(parent, metrics[at : at + 500], [Param("lr", "0.1"), Param("note/long", "ü" * 400)])
client.set_tag(parent, "mlflow.note.content", "A note.\nOf two lines: with a colon.")
client.set_tag(parent, "mlflow.user", "ann")
client.log_text(parent, "hello", "notes/hello.txt")
client.log_artifact(parent, FILES)
client.log_text(parent, "flavors:\n  python_function:\n    loader_module: net\nmlflow_version: 3.1.0\n", "net/MLmodel")
data = Dataset(name="rows", digest="300830b9", source_type="code", source="{}", schema='{"x": 1}', profile="{}")
client.log_inputs(parent, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])
made = client.create_logged_model(flights, name="net", source_run_id=parent, params={"depth": "3"}, tags={"k": "v"})
client.log_model_artifact(made.model_id, FILES)
client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
client.log_outputs(parent, [LoggedModelOutput(made.model_id, 4)])
child = client.create_run(flights, run_name="child", tags={"mlflow.parentRunId": parent}).info.run_id
client.set_terminated(child, "FAILED", 1_700_000_009_000)
client.set_terminated(parent, "FINISHED", 1_700_000_010_000)
open_run = client.create_run("0", run_name="open").info.run_id
client.log_metric(open_run, "m", 1.0, timestamp=1_700_000_000_000, step=3)
client.delete_run(client.create_run("0", run_name="gone").info.run_id)
client.delete_experiment(client.create_experiment("old"))
client.create_registered_model("delay", tags={"team": "x"}, description="late or not")
for source in ("notes", "notes", "net"):
    where = f"runs:/{parent}/{source}"
    client.create_model_version("delay", where, parent, tags={"ok": "yes"}, description="a version")
client.delete_model_version("delay", "2")
client.set_registered_model_alias("delay", "best", "3")
client.set_registered_model_alias("delay", "champion", "1")
print(parent, child, open_run, made.model_id)
