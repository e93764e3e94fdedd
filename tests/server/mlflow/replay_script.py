"""What the replay test asks: run by the real client, once against MLflow's own server and once against clew.

Each `do` records an answer, or the error. Names, times and values are given, so that answers can be compared; ids are
numbered by their first appearance.
"""

# ruff: noqa: F821, B023, BLE001, E402 - names are put in by the process, and lambdas are called at once
import json
import pathlib
import re
import tempfile

import mlflow.sklearn
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunTag,
    ViewType,
)

answers = []
ids = {}
ID = re.compile(r"m-[0-9a-f]{32}|[0-9a-f]{32}")
client = MlflowClient()


def number(match):
    return ids.setdefault(match[0], ("model" if match[0].startswith("m-") else "id") + f"#{len(ids) + 1}")


def plain(value, key=""):
    if isinstance(value, str):
        return ID.sub(number, value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return "time" if value > 1_500_000_000_000 else value
    if isinstance(value, dict):
        found = {plain(k): plain(v, k) for k, v in value.items()}
        return {k: v for k, v in sorted(found.items()) if v not in (None, "", [], {}, 0, "0")}
    if isinstance(value, (list, tuple, set)):
        items = [plain(each) for each in value]
        return sorted(items, key=json.dumps) if key in ("tags", "params", "metrics", "aliases", "inputs") else items
    return (
        plain(dict(value)) if hasattr(value, "__iter__") else plain({k.lstrip("_"): v for k, v in vars(value).items()})
    )


def do(label, call):
    label = ID.sub(number, label)
    assert label not in {each[0] for each in answers}, label
    try:
        told = call()
        answers.append([label, plain(told)])
        return told
    except mlflow.exceptions.MlflowException as error:
        answers.append([label, ["error", error.error_code, plain(error.message)]])
    except Exception as error:
        answers.append([label, ["raised", type(error).__name__, plain(str(error))]])


def rest(label, method, path, more=None, **asked):
    def call():
        answer = requests.request(method, f"{url}/api/2.0/mlflow/{path}", headers={**headers, **(more or {})}, **asked)
        told = answer.json() if answer.content else {}
        told.pop("sqlstate", None)
        told.pop("error_class", None)
        return {"status": answer.status_code, "body": told}

    return do(label, call)


def page(found):
    return {"items": list(found), "more": bool(found.token)}


# Experiments

one = do("experiment create", lambda: client.create_experiment("one", tags={"a": "1"}))
two = do("experiment create two", lambda: client.create_experiment("two"))
do("experiment taken", lambda: client.create_experiment("one"))
do("experiment no name", lambda: client.create_experiment(""))
do("experiment long name", lambda: client.create_experiment("x" * 501))
for place in ("http://host/x", "s3://bucket/x#part", "s3://bucket/x"):
    do(f"experiment at {place}", lambda: bool(client.create_experiment(place, artifact_location=place)))
do("experiment get", lambda: client.get_experiment(one))
do("experiment get default", lambda: client.get_experiment("0"))
do("experiment by name", lambda: client.get_experiment_by_name("one"))
do("experiment by name absent", lambda: client.get_experiment_by_name("none"))
do("experiment get absent", lambda: client.get_experiment("99"))
do("experiment get no number", lambda: client.get_experiment("abc"))
do("experiment tag", lambda: client.set_experiment_tag(one, "b.c/d", "2"))
do("experiment tag bad", lambda: client.set_experiment_tag(one, "../x", "2"))
do("experiment tag bad characters", lambda: client.set_experiment_tag(one, "a!b", "2"))
do("experiment tag long", lambda: client.set_experiment_tag(one, "k", "x" * 20001))
do("experiment tags", lambda: client.get_experiment(one).tags)
do("experiment delete tag", lambda: client.delete_experiment_tag(one, "a"))
do("experiment delete tag absent", lambda: client.delete_experiment_tag(one, "a"))
do("experiment rename", lambda: client.rename_experiment(two, "second"))
do("experiment rename taken", lambda: client.rename_experiment(two, "one"))
for label, filter_string in {
    "name": "name = 'one'",
    "name not": "name != 'one'",
    "like": "name LIKE 'o%'",
    "like case": "name LIKE 'O%'",
    "ilike": "name ILIKE 'O%'",
    "attribute": "attribute.name = 'one'",
    "tag": "tags.`b.c/d` = '2'",
    "tag null": "tags.zzz IS NULL",
    "tag not null": 'tags."b.c/d" IS NOT NULL',
    "id": "experiment_id = '1'",
    "id in": "experiment_id IN ('1', '2')",
    "id like": "experiment_id LIKE '1'",
    "and": "name LIKE '%n%' AND tags.zzz IS NULL",
    "or": "name = 'a' OR name = 'b'",
    "unknown": "zzz = 'a'",
    "unquoted": "name = one",
    "number": "name = 1",
    "time": "creation_time > 0",
    "time text": "creation_time > 'a'",
    "bad entity": "metrics.a > 1",
    "junk": "name = 'one' xyz",
}.items():
    do(f"experiments where {label}", lambda: [e.name for e in client.search_experiments(filter_string=filter_string)])
do("experiments by name", lambda: [e.name for e in client.search_experiments(order_by=["name DESC"])])
do("experiments by id", lambda: [e.name for e in client.search_experiments(order_by=["experiment_id ASC"])])
do("experiments order bad", lambda: client.search_experiments(order_by=["zzz"]))
do("experiments page", lambda: page(client.search_experiments(max_results=1, order_by=["name ASC"])))
do("experiments most", lambda: client.search_experiments(max_results=100000))

# Runs

run = do(
    "run create",
    lambda: client.create_run(one, start_time=1000, tags={"team": "risk", "mlflow.user": "ann"}, run_name="first"),
)
first = run.info.run_id
second = client.create_run(one, start_time=2000, run_name="second", tags={"mlflow.parentRunId": first}).info.run_id
third = client.create_run(one, start_time=3000, tags={"mlflow.runName": "third"}).info.run_id
do("run name twice", lambda: client.create_run(one, tags={"mlflow.runName": "a"}, run_name="b"))
do("run absent", lambda: client.get_run("0" * 32))
do("run no experiment", lambda: client.create_run("77"))
do("run named by tag", lambda: client.get_run(third).info.run_name)
do("metric", lambda: client.log_metric(first, "loss", 0.5, timestamp=1, step=1))
do("metric again", lambda: client.log_metric(first, "loss", 0.5, timestamp=1, step=1))
do("metric next", lambda: client.log_metric(first, "loss", 0.25, timestamp=2, step=2))
do("metric back", lambda: client.log_metric(first, "loss", 0.75, timestamp=3, step=0))
do("metric nan", lambda: client.log_metric(first, "odd", float("nan"), timestamp=1))
do("metric inf", lambda: client.log_metric(first, "large", float("inf"), timestamp=1))
do("metric -inf", lambda: client.log_metric(first, "small", float("-inf"), timestamp=1))
do("metric bad name", lambda: client.log_metric(first, "a!b", 1, timestamp=1))
do("metric path name", lambda: client.log_metric(first, "a/../b", 1, timestamp=1))
do("metric long name", lambda: client.log_metric(first, "x" * 251, 1, timestamp=1))
do("metric of no run", lambda: client.log_metric("0" * 32, "a", 1, timestamp=1))
do("metric far", lambda: client.log_metric(second, "far", 1, timestamp=1, step=2**63 - 1))
do("metric far kept", lambda: client.get_run(second).data.metrics)
do("history", lambda: [(m.step, m.timestamp, m.value) for m in client.get_metric_history(first, "loss")])
do("history nan", lambda: [(m.step, m.timestamp, m.value) for m in client.get_metric_history(first, "odd")])
do("history inf", lambda: [(m.step, m.timestamp, m.value) for m in client.get_metric_history(first, "large")])
do("history none", lambda: list(client.get_metric_history(first, "zzz")))
do("param", lambda: client.log_param(first, "depth", 6))
do("param again", lambda: client.log_param(first, "depth", 6))
do("param other", lambda: client.log_param(first, "depth", 7))
do("param long", lambda: client.log_param(first, "long", "x" * 7000))
do("param long kept", lambda: len(client.get_run(first).data.params["long"]))
do(
    "param texts",
    lambda: [
        client.log_param(first, f"t{n}", v)
        for n, v in enumerate(["1e3", "007", "1.0", "-0", "True", "none", "ü", "1_000", " 1"])
    ],
)
do("tag", lambda: client.set_tag(first, "note", "x"))
do("tag over", lambda: client.set_tag(first, "note", "y"))
do("tag long", lambda: client.set_tag(first, "much", "x" * 9000))
do("tag long kept", lambda: len(client.get_run(first).data.tags["much"]))
do("tag delete", lambda: client.delete_tag(first, "much"))
do("tag delete absent", lambda: client.delete_tag(first, "much"))
do("tag of the name delete", lambda: client.delete_tag(third, "mlflow.runName"))
do("tag of the name", lambda: client.get_run(third).info.run_name)
do("tag bad", lambda: client.set_tag(first, "a\\b", "y"))
do(
    "batch",
    lambda: client.log_batch(
        second,
        metrics=[Metric("m", n / 10, n, n) for n in range(10)] + [Metric("k", 1.0, 1, 1)],
        params=[Param("p", "1"), Param("q", "b")],
        tags=[RunTag("t", "1"), RunTag("mlflow.runName", "second renamed")],
    ),
)
do("batch twice", lambda: client.log_batch(second, params=[Param("z", "1"), Param("z", "2")]))
do(
    "batch other",
    lambda: client.log_batch(second, params=[Param("p", "2"), Param("new", "1")], metrics=[Metric("lost", 1.0, 1, 1)]),
)
rest(
    "batch metrics many",
    "POST",
    "runs/log-batch",
    json={"run_id": second, "metrics": [{"key": "a", "value": 1, "timestamp": 1}] * 1001},
)
rest(
    "batch params many",
    "POST",
    "runs/log-batch",
    json={"run_id": second, "params": [{"key": f"a{n}", "value": "1"} for n in range(101)]},
)
rest(
    "batch tags many",
    "POST",
    "runs/log-batch",
    json={"run_id": second, "tags": [{"key": f"a{n}", "value": "1"} for n in range(101)]},
)
rest(
    "batch all many",
    "POST",
    "runs/log-batch",
    json={
        "run_id": second,
        "metrics": [{"key": "a", "value": 1, "timestamp": 1}] * 901,
        "params": [{"key": f"a{n}", "value": "1"} for n in range(100)],
    },
)
do("batch run", lambda: client.get_run(second))
do("batch history page", lambda: page(client._tracking_client.store.get_metric_history(second, "m", max_results=3)))
do("run get", lambda: client.get_run(first))
rest("metric without value", "POST", "runs/log-metric", json={"run_id": first, "key": "a", "timestamp": 1})
rest("metric text value", "POST", "runs/log-metric", json={"run_id": first, "key": "a", "value": "abc", "timestamp": 1})
rest("metric negative time", "POST", "runs/log-metric", json={"run_id": first, "key": "a", "value": 1, "timestamp": -1})
rest(
    "metric as texts",
    "POST",
    "runs/log-metric",
    json={"run_uuid": first, "key": "texts", "value": "1.5", "timestamp": "7", "step": "3", "x": 1},
)
rest("metric history by rest", "GET", "metrics/get-history", params={"run_uuid": first, "metric_key": "texts"})
rest("metric no key", "POST", "runs/log-metric", json={"run_id": first, "value": 1, "timestamp": 1})
rest("run get nothing", "GET", "runs/get")
rest("run create no start", "POST", "runs/create", json={"experiment_id": two, "run_name": "bare", "start_time": 5})
rest("tag without key", "POST", "runs/set-tag", json={"run_id": first, "value": "a"})
rest(
    "double json",
    "POST",
    "runs/set-tag",
    data=json.dumps(json.dumps({"run_id": first, "key": "dj", "value": "1"})),
    more={"Content-Type": "application/json"},
)
rest("no such endpoint", "GET", "nothing/here")
rest(
    "bulk interval",
    "GET",
    "metrics/get-history-bulk-interval",
    params={"run_ids": [second], "metric_key": "m", "max_results": 4},
)
rest(
    "bulk interval of steps",
    "GET",
    "metrics/get-history-bulk-interval",
    params={"run_ids": [second, first], "metric_key": "m", "start_step": 2, "end_step": 5},
)
rest(
    "bulk interval half",
    "GET",
    "metrics/get-history-bulk-interval",
    params={"run_ids": [second], "metric_key": "m", "start_step": 2},
)
rest(
    "bulk interval wrong",
    "GET",
    "metrics/get-history-bulk-interval",
    params={"run_ids": [second], "metric_key": "m", "start_step": 5, "end_step": 2},
)
rest(
    "bulk interval many",
    "GET",
    "metrics/get-history-bulk-interval",
    params={"run_ids": [second], "metric_key": "m", "max_results": 2501},
)

do("run end", lambda: client.set_terminated(first, "FINISHED", end_time=4000))
do("run ended", lambda: client.get_run(first).info)
do("tag of ended", lambda: client.set_tag(first, "late", "1"))
do("metric of ended", lambda: client.log_metric(first, "late", 1, timestamp=1))
do("param of ended", lambda: client.log_param(first, "late", 1))
do("run fail", lambda: client.set_terminated(second, "FAILED", end_time=5000))
do("run rename", lambda: client.update_run(third, name="third again"))
do("run renamed", lambda: (client.get_run(third).info.run_name, client.get_run(third).data.tags["mlflow.runName"]))
do("run bad status", lambda: client.set_terminated(third, "NOTHING"))

client.log_metric(second, "loss", 0.9, timestamp=1)
client.log_metric(third, "odd", 2.0, timestamp=1)
client.log_param(third, "depth", "a.b")
client.set_tag(third, "with space", "It's")
do(
    "inputs",
    lambda: client.log_inputs(
        first,
        [
            DatasetInput(
                Dataset("iris", "d1", "local", "{}", schema="{}", profile="{}"),
                [InputTag("mlflow.data.context", "train")],
            ),
            DatasetInput(Dataset("wine", "d2", "local", "{}"), []),
        ],
    ),
)
do("inputs again", lambda: client.log_inputs(first, [DatasetInput(Dataset("iris", "d1", "local", "{}"), [])]))
do(
    "inputs of second",
    lambda: client.log_inputs(
        second, [DatasetInput(Dataset("iris", "d9", "local", "{}"), [InputTag("mlflow.data.context", "test")])]
    ),
)
do("inputs long", lambda: client.log_inputs(first, [DatasetInput(Dataset("x" * 501, "d", "local", "{}"), [])]))
do(
    "inputs kept",
    lambda: sorted(
        (i.dataset.name, i.dataset.digest, [t.value for t in i.tags])
        for i in client.get_run(first).inputs.dataset_inputs
    ),
)

names = lambda **asked: [r.info.run_name for r in client.search_runs([one], **asked)]
for filter_string in [
    "metrics.loss > 0.2",
    "metrics.loss >= 0.75",
    "metrics.loss = 0.25",
    "metrics.loss != 0.25",
    "metrics.loss < 0.5",
    "metrics.loss <= 1e0",
    "metric.loss > -1",
    "metrics.odd != 1",
    "metrics.odd > 1",
    "metrics.odd = 0",
    "metrics.large > 1e300",
    "metrics.`loss` > 0",
    'metrics."loss" > 0',
    "metrics.zzz > 0",
    "metrics.loss > '0.2'",
    "metrics.loss LIKE 'a'",
    "metrics.loss IS NULL",
    "params.depth = '6'",
    "params.depth != '6'",
    "params.depth LIKE '%.%'",
    "params.depth ILIKE 'A%'",
    "params.depth = 6",
    "params.depth > '6'",
    "params.depth IS NULL",
    "params.depth IS NOT NULL",
    'param.depth = "6"',
    "parameter.depth = '6'",
    "params.depth IN ('6')",
    "tags.team = 'risk'",
    "tags.note = 'y' and params.depth = '6'",
    "tag.`with space` LIKE 'It%'",
    "tags.mlflow.runName = 'first'",
    "tags.`mlflow.parentRunId` = '" + first + "'",
    "tags.none IS NULL AND tags.team IS NOT NULL",
    "tags.note > 'a'",
    "attributes.status = 'FINISHED'",
    "attributes.status != 'FINISHED'",
    "attr.status = 'FAILED'",
    "attribute.run_name = 'first'",
    "run_name LIKE '%third%'",
    "attributes.`run name` = 'first'",
    "attributes.run_name != 'first'",
    "run_name IN ('first')",
    "start_time > 1500",
    "attributes.created <= 2000",
    "end_time = 4000",
    "start_time > 'a'",
    "start_time LIKE '1'",
    "attributes.user_id = 'ann'",
    "attributes.artifact_uri LIKE '%" + first + "%'",
    "attributes.run_id = '" + first + "'",
    "attributes.run_id IN ('" + first + "', '" + third + "')",
    "attributes.run_id NOT IN ('" + first + "')",
    "run_id IN ()",
    "run_id IN (1)",
    "status IN ('FINISHED')",
    "attributes.zzz = 'a'",
    "params.'depth' = '6'",
    "datasets.name = 'iris'",
    "dataset.digest = 'd9'",
    "datasets.context = 'train'",
    "datasets.name IN ('wine', 'beer')",
    "datasets.name LIKE 'i%'",
    "datasets.name != 'iris'",
    "datasets.zzz = 'a'",
    "zzz.a = 'b'",
    "params.depth = '6' OR params.p = '1'",
    "params.depth",
    "params.depth = ",
    "AND params.depth = '6'",
    "params.depth = '6' AND",
    "params.depth = '6",
    "NOT params.depth = '6'",
]:
    do(f"runs where {filter_string}", lambda: names(filter_string=filter_string))
for order_by in [
    ["metrics.loss ASC"],
    ["metrics.loss DESC"],
    ["metrics.odd ASC"],
    ["metrics.odd DESC"],
    ["params.depth"],
    ["params.depth DESC", "start_time"],
    ["tags.team desc"],
    ["attributes.start_time"],
    ["start_time DESC"],
    ["end_time ASC"],
    ["run_name"],
    ["status", "run_name DESC"],
    ["tags.`with space`"],
    ["zzz"],
    ["datasets.name"],
    ["metrics.loss sideways"],
    ["metrics.loss", "metrics.loss"],
    ["metrics.loss ASC extra"],
]:
    do(f"runs by {order_by}", lambda: names(order_by=order_by))
do("runs page", lambda: page(client.search_runs([one], max_results=2))["more"])
do(
    "runs next page",
    lambda: [
        r.info.run_name
        for r in client.search_runs([one], max_results=2, page_token=client.search_runs([one], max_results=2).token)
    ],
)
do("runs bad token", lambda: client.search_runs([one], page_token="!!"))
for most in (0, -1):
    rest(f"runs {most} at once", "POST", "runs/search", json={"experiment_ids": [one], "max_results": most})
do("runs most", lambda: client.search_runs([one], max_results=50001))
do("runs of two", lambda: [r.info.run_name for r in client.search_runs([one, two])])
do("runs of no number", lambda: client.search_runs([""]))
do("runs of none", lambda: client.search_runs([]))

# Trash

do("run delete", lambda: client.delete_run(third))
do("run deleted", lambda: client.get_run(third).info.lifecycle_stage)
do("runs without", lambda: names())
do("runs deleted", lambda: names(run_view_type=ViewType.DELETED_ONLY))
do("runs all", lambda: names(run_view_type=ViewType.ALL))
do("deleted metric", lambda: client.log_metric(third, "a", 1, timestamp=1))
do("deleted param", lambda: client.log_param(third, "a", 1))
do("deleted tag", lambda: client.set_tag(third, "a", 1))
do("deleted batch", lambda: client.log_batch(third, params=[Param("b", "1")]))
do("deleted end", lambda: client.set_terminated(third))
do("run restore", lambda: client.restore_run(third))
do("runs with", lambda: names())
do("experiment delete", lambda: client.delete_experiment(two))
do("experiment delete again", lambda: client.delete_experiment(two))
do("experiment deleted", lambda: client.get_experiment(two).lifecycle_stage)
do("experiments active", lambda: [e.name for e in client.search_experiments()])
do("experiments deleted", lambda: [e.name for e in client.search_experiments(view_type=ViewType.DELETED_ONLY)])
do("experiments all", lambda: [e.name for e in client.search_experiments(view_type=ViewType.ALL)])
do("experiment deleted run", lambda: client.create_run(two))
do("experiment deleted rename", lambda: client.rename_experiment(two, "x"))
do("experiment deleted tag", lambda: client.set_experiment_tag(two, "x", "y"))
do(
    "experiment deleted runs",
    lambda: [r.info.lifecycle_stage for r in client.search_runs([two], run_view_type=ViewType.ALL)],
)
do("experiment deleted name", lambda: client.create_experiment("second"))
do("experiment restore", lambda: client.restore_experiment(two))
do("experiment restore again", lambda: client.restore_experiment(two))
do("experiment restored runs", lambda: [r.info.lifecycle_stage for r in client.search_runs([two])])

# Files

with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    (root / "a").mkdir()
    (root / "a" / "x.txt").write_text("x")
    (root / "a" / "ü ß.txt").write_text("umlaut")
    (root / "b.bin").write_bytes(b"\0" * 3_000_000)
    do("files log", lambda: client.log_artifacts(first, folder, "in"))
do("files root", lambda: client.list_artifacts(first))
do("files folder", lambda: client.list_artifacts(first, "in"))
do("files below", lambda: client.list_artifacts(first, "in/a"))
do("files absent", lambda: client.list_artifacts(first, "zzz"))
do("files up", lambda: client.list_artifacts(first, "../x"))
do("file text", lambda: mlflow.artifacts.load_text(f"runs:/{first}/in/a/x.txt"))
do("file umlaut", lambda: mlflow.artifacts.load_text(f"runs:/{first}/in/a/ü ß.txt"))
do("file large", lambda: len(pathlib.Path(client.download_artifacts(first, "in/b.bin")).read_bytes()))
do("folder down", lambda: sorted(p.name for p in pathlib.Path(client.download_artifacts(first, "in")).rglob("*")))
rest("file absent", "GET", "../mlflow-artifacts/artifacts/1/" + first + "/artifacts/none.txt")
do("file delete", lambda: client._tracking_client._get_artifact_repo(first).delete_artifacts("in/a/x.txt"))
do("file delete again", lambda: client._tracking_client._get_artifact_repo(first).delete_artifacts("in/a/x.txt"))
do("folder delete absent", lambda: client._tracking_client._get_artifact_repo(first).delete_artifacts("none"))
do("files after delete", lambda: client.list_artifacts(first, "in/a"))
rest("files by rest", "GET", "artifacts/list", params={"run_id": first, "path": "in"})

# Logged models

from mlflow.entities import LoggedModelStatus

made = do(
    "logged create",
    lambda: client.create_logged_model(
        one, "tree", source_run_id=first, tags={"a": "1"}, params={"depth": "6"}, model_type="cls"
    ),
)
other = client.create_logged_model(one, "net", source_run_id=second)
do("logged bad name", lambda: client.create_logged_model(one, "a/b"))
do("logged no experiment", lambda: client.create_logged_model("77", "a"))
do("logged get", lambda: client.get_logged_model(made.model_id))
do("logged absent", lambda: client.get_logged_model("m-" + "0" * 32))
do("logged tag", lambda: client.set_logged_model_tags(made.model_id, {"b": "2"}))
do("logged tag delete", lambda: client.delete_logged_model_tag(made.model_id, "a"))
do("logged tag delete absent", lambda: client.delete_logged_model_tag(made.model_id, "a"))
do("logged params", lambda: client.log_model_params(made.model_id, {f"p{n}": str(n) for n in range(3)}))
do("logged params changed", lambda: client.log_model_params(made.model_id, {"p1": "other"}))
do("logged params kept", lambda: client.get_logged_model(made.model_id).params)
do("logged finalize", lambda: client.finalize_logged_model(made.model_id, LoggedModelStatus.READY))
do("logged outputs", lambda: client.log_outputs(first, [LoggedModelOutput(made.model_id, 3)]))
do("logged inputs", lambda: client.log_inputs(second, models=[LoggedModelInput(made.model_id)]))
do("logged links", lambda: (client.get_run(first).outputs, client.get_run(second).inputs.model_inputs))
do(
    "logged metric",
    lambda: client.log_metric(
        first, "acc", 0.9, timestamp=1, step=1, model_id=made.model_id, dataset_name="iris", dataset_digest="d1"
    ),
)
do("logged metric other", lambda: client.log_metric(second, "acc", 0.5, timestamp=1, step=1, model_id=other.model_id))
do("logged measured", lambda: client.get_logged_model(made.model_id).metrics)
logged = lambda **asked: [m.name for m in client.search_logged_models([one], **asked)]
for filter_string in [
    "name = 'tree'",
    "name LIKE 't%'",
    "metrics.acc > 0.6",
    "params.depth = '6'",
    "tags.b = '2'",
    "model_type = 'cls'",
    "model_type != 'cls'",
    "model_type = ''",
    "source_run_id != 'x'",
    "status = 'READY'",
    "source_run_id = '" + first + "'",
    "model_id = '" + made.model_id + "'",
    "metrics.acc > 'a'",
    "params.depth = 6",
    "name = tree",
    "name IN ('tree', 'net')",
    "name > 'a'",
    "creation_time > 0",
    "zzz = 'a'",
    "attributes.name = 'net'",
]:
    do(f"logged where {filter_string}", lambda: logged(filter_string=filter_string))
do("logged by metric", lambda: logged(order_by=[{"field_name": "metrics.acc", "ascending": True}]))
do("logged by type", lambda: logged(order_by=[{"field_name": "model_type"}]))
do("logged by name", lambda: logged(order_by=[{"field_name": "name", "ascending": False}]))
do("logged by nothing", lambda: logged(order_by=[{"field_name": "zzz"}]))
do("logged by param", lambda: logged(order_by=[{"field_name": "params.a"}]))
do("logged on data", lambda: logged(datasets=[{"dataset_name": "iris"}]))
do("logged on other data", lambda: logged(datasets=[{"dataset_name": "iris", "dataset_digest": "d2"}]))
do("logged delete", lambda: client.delete_logged_model(other.model_id))
do("logged deleted", lambda: client.get_logged_model(other.model_id))
do("logged after delete", lambda: logged())

# Registry

do("model create", lambda: client.create_registered_model("delay", tags={"a": "1"}, description="words"))
do("model taken", lambda: client.create_registered_model("delay"))
do("model bad name", lambda: client.create_registered_model("a/b"))
do("model no name", lambda: client.create_registered_model(" "))
do("model other", lambda: client.create_registered_model("Another model"))
do("model get", lambda: client.get_registered_model("delay"))
do("model absent", lambda: client.get_registered_model("none"))
source = client.get_run(first).info.artifact_uri + "/model"
v1 = do(
    "version create", lambda: client.create_model_version("delay", source, first, tags={"t": "1"}, description="one")
)
v2 = do(
    "version of logged",
    lambda: client.create_model_version("delay", f"models:/{made.model_id}", model_id=made.model_id),
)
do("version at a host", lambda: client.create_model_version("delay", "http://host/model"))
v3 = do("version elsewhere", lambda: client.create_model_version("delay", "s3://bucket/model"))
do("version of run uri", lambda: client.create_model_version("delay", f"runs:/{first}/model", first))
do("version local", lambda: client.create_model_version("delay", "/etc/passwd"))
do("version local file", lambda: client.create_model_version("delay", "file:///etc/passwd", first))
do("version up", lambda: client.create_model_version("delay", source + "/../../x", first))
do("version wrong run", lambda: client.create_model_version("delay", source, second))
do("version no model", lambda: client.create_model_version("none", source, first))
do(
    "version of no logged",
    lambda: client.create_model_version("delay", "models:/m-" + "0" * 32, model_id="m-" + "0" * 32),
)
do("version get", lambda: client.get_model_version("delay", "1"))
do("version absent", lambda: client.get_model_version("delay", "99"))
do("version no number", lambda: client.get_model_version("delay", "abc"))
do("version uri", lambda: client.get_model_version_download_uri("delay", "2"))
do("version update", lambda: client.update_model_version("delay", "1", "other words"))
do("version tag", lambda: client.set_model_version_tag("delay", "1", "k", "v"))
do("version tag delete", lambda: client.delete_model_version_tag("delay", "1", "t"))
do("version tag delete absent", lambda: client.delete_model_version_tag("delay", "1", "t"))
do("version tags", lambda: client.get_model_version("delay", "1").tags)
do("alias set", lambda: client.set_registered_model_alias("delay", "best", "1"))
do("alias move", lambda: client.set_registered_model_alias("delay", "best", "2"))
do("alias second", lambda: client.set_registered_model_alias("delay", "old", "1"))
do("alias get", lambda: client.get_model_version_by_alias("delay", "best").version)
do("alias absent", lambda: client.get_model_version_by_alias("delay", "none"))
do("alias latest get", lambda: client.get_model_version_by_alias("delay", "latest").version)
do("alias latest none", lambda: client.get_model_version_by_alias("Another model", "latest"))
do("alias bad", lambda: client.set_registered_model_alias("delay", "v1", "1"))
do("alias latest", lambda: client.set_registered_model_alias("delay", "latest", "1"))
do("alias no version", lambda: client.set_registered_model_alias("delay", "x", "99"))
do("alias delete", lambda: client.delete_registered_model_alias("delay", "old"))
do("alias delete absent", lambda: client.delete_registered_model_alias("delay", "old"))
do("aliases", lambda: (client.get_registered_model("delay").aliases, client.get_model_version("delay", "2").aliases))
do("stage", lambda: client.transition_model_version_stage("delay", "1", "production").current_stage)
do(
    "stage archive",
    lambda: (
        client.transition_model_version_stage("delay", "2", "Production", archive_existing_versions=True).current_stage
    ),
)
do("stage archived", lambda: client.get_model_version("delay", "1").current_stage)
do("stage bad", lambda: client.transition_model_version_stage("delay", "1", "Nothing"))
do(
    "stage archive bad",
    lambda: client.transition_model_version_stage("delay", "1", "None", archive_existing_versions=True),
)
do("latest", lambda: sorted((v.version, v.current_stage) for v in client.get_latest_versions("delay")))
do("latest of stage", lambda: [v.version for v in client.get_latest_versions("delay", ["Production"])])
do("model latest", lambda: sorted(v.version for v in client.get_registered_model("delay").latest_versions))
do("model copy", lambda: client.copy_model_version("models:/delay/1", "copied").source)
do("model copied", lambda: client.get_model_version("copied", "1"))
for filter_string in [
    "name = 'delay'",
    "name LIKE '%model%'",
    "name ILIKE 'a%'",
    "tags.a = '1'",
    "tags.zzz = '1'",
    "name IN ('delay')",
    "zzz = 'a'",
    "name > 'a'",
    "tags.`a` != '2'",
]:
    do(f"models where {filter_string}", lambda: [m.name for m in client.search_registered_models(filter_string)])
do("models", lambda: [m.name for m in client.search_registered_models()])
do("models by name", lambda: [m.name for m in client.search_registered_models(order_by=["name DESC"])])
do("models by nothing", lambda: client.search_registered_models(order_by=["zzz"]))
do("models page", lambda: page(client.search_registered_models(max_results=1))["more"])
do("models most", lambda: client.search_registered_models(max_results=1001))
for filter_string in [
    "name = 'delay'",
    "name='delay' and version_number > 1",
    "run_id = '" + first + "'",
    "run_id IN ('" + first + "')",
    "tags.k = 'v'",
    "source_path LIKE 's3%'",
    "run_id != 'x'",
    "version_number = 'a'",
    "version_number = '1'",
    "version_number IN (1)",
    "zzz = 'a'",
    "name ILIKE 'DEL%'",
]:
    do(
        f"versions where {filter_string}",
        lambda: sorted((v.name, v.version) for v in client.search_model_versions(filter_string)),
    )
do(
    "versions by number",
    lambda: [v.version for v in client.search_model_versions("name='delay'", order_by=["version_number ASC"])],
)
do("versions by nothing", lambda: client.search_model_versions(order_by=["zzz"]))
do("versions page", lambda: page(client.search_model_versions(max_results=1))["more"])
do("version delete", lambda: client.delete_model_version("delay", "2"))
do("version deleted", lambda: client.get_model_version("delay", "2"))
do("version delete again", lambda: client.delete_model_version("delay", "2"))
do("aliases after delete", lambda: client.get_registered_model("delay").aliases)
do("version after delete", lambda: client.create_model_version("delay", "s3://bucket/model").version)
do("model update", lambda: client.update_registered_model("delay", "new words").description)
do("model tag", lambda: client.set_registered_model_tag("delay", "b", "2"))
do("model tag delete", lambda: client.delete_registered_model_tag("delay", "a"))
do("model tags", lambda: client.get_registered_model("delay").tags)
do("model rename", lambda: client.rename_registered_model("delay", "late").name)
do("model renamed", lambda: sorted(v.version for v in client.search_model_versions("name='late'")))
do("model rename taken", lambda: client.rename_registered_model("late", "copied"))
do("model old name", lambda: client.get_registered_model("delay"))
do("model delete", lambda: client.delete_registered_model("late"))
do("model deleted", lambda: client.get_registered_model("late"))
do("model delete again", lambda: client.delete_registered_model("late"))
do("model anew", lambda: client.create_registered_model("late"))
do("model anew version", lambda: client.create_model_version("late", "s3://bucket/model").version)
do("prompt", lambda: client.create_registered_model("greeting", tags={"mlflow.prompt.is_prompt": "true"}))
do("models without prompts", lambda: [m.name for m in client.search_registered_models()])
do(
    "models with prompts",
    lambda: [m.name for m in client.search_registered_models("tags.`mlflow.prompt.is_prompt` = 'true'")],
)

result = answers
