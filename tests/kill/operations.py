"""Commands that are killed, what they need, and what must hold afterwards.

`prepare` makes a project once; each kill gets a copy. `check` looks at what is there after the command was killed and
repeated, with what it said both times; it raises `AssertionError`.
"""

from __future__ import annotations

import atexit
import io
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from clew.audit.seal import seal
from clew.audit.verify import verify
from clew.core.contracts.stores import Stores
from clew.core.hashing import hash_bytes
from clew.core.types.job import JobState
from clew.core.types.run import RunStatus
from clew.data.checkout import checkout
from clew.data.handle import DatasetHandle
from clew.server.hosting import host_of
from clew.store.claim import find_claim
from clew.store.ledger.sqlite import SqliteLedger
from clew.store.objects.local import LocalObjects
from clew.testing.life import ENDPOINT, MODEL, START_US, Life, flights, grow
from clew.testing.postgres import PostgresServer
from clew.testing.serving import serving
from clew.tracking.adopt import adopt
from clew.tracking.series import join, points_of
from clew.tracking.start import start
from clew.worker.worker import queue
from clew.workspace import Workspace, init_project, open_workspace

DAY_US = 86_400_000_000
PIPELINE_LINE = 'pipeline = "train.py:train"'
UNTIL = "2013-02-13"

SCRIPT = """
import clew
with clew.run("loop") as run:
    for step in range(3000):
        run.log(loss=step / 2, step=step)
        if step % 50 == 49:
            print("logged", step + 1, flush=True)
"""

PIPELINE = """
import polars as pl
from sklearn.linear_model import LogisticRegression
import clew

@clew.step
def clean(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(wind=pl.col("wind") * 1.0)

@clew.step
def fit(rows: pl.DataFrame, strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength).fit(rows.select("hour", "wind"), rows["late"].to_numpy())

@clew.pipeline
def train(flights: clew.Dataset, strength: float = 1.0):
    rows = clean(flights.frame())
    model = fit(rows, strength)
    features = ["hour", "wind"]
    return clew.Model("delay", model, train=rows, test=rows, label="late", features=features)
"""


@dataclass(frozen=True)
class Operation:
    """One command. `words` come behind `clew`; a single word that ends with `.py` is a script of its own.

    `places` are words more, of what is made for each copy of the project, such as a database.
    """

    name: str
    words: list[str]
    prepare: Callable[[Path], object]
    check: Callable[[Path, list[str]], object]
    places: Callable[[Path], list[str]] = lambda _: []

    @property
    def heavy(self) -> bool:
        """Whether its project has a model."""
        return self.prepare not in (an_empty_project, a_project_with_photos, a_project_with_runs)


def an_empty_project(folder: Path) -> None:
    init_project(folder, name="killed")
    draw = random.Random(1)
    for at in range(80):
        path = folder / "photos" / f"d{at % 5}" / str(at)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(draw.randbytes(draw.randrange(40_000)))
    flights(20_000, seed=3).with_row_index("id").write_csv(folder / "flights.csv")
    (folder / "loop.py").write_text(SCRIPT)


def a_project_with_photos(folder: Path) -> None:
    an_empty_project(folder)
    with open_workspace(folder) as workspace:
        from clew.data.add_files import add_files

        add_files(workspace.site, "photos", folder / "photos")


def a_project_with_runs(folder: Path) -> None:
    a_project_with_photos(folder)
    with open_workspace(folder) as workspace:
        for number in range(3):
            with start(workspace.recorder, f"run-{number}", capture=False, say=lambda _: None) as run:
                run.log(loss=number, step=number)


def a_project_that_lives(folder: Path) -> None:
    """An endpoint with two days of decisions in its journal, labels in a file, and data to train on."""
    grow(folder)
    (folder / "train.py").write_text(PIPELINE)
    with Workspace(folder) as workspace:
        from clew.data.add_table import add_table

        add_table(workspace.site, "flights", flights(500, seed=9))
    life = Life(folder)
    names = [name for day in range(2) for name in life.decide(day, 96, shadows=[2])]
    life.label(names[:40], day=1)
    pl.DataFrame({"flight": names[40:], "late": [life.truths[name] for name in names[40:]]}).write_csv(
        folder / "labels.csv"
    )
    life.close()


def a_project_with_a_look_due(folder: Path) -> None:
    a_project_that_lives(folder)
    with open_workspace(folder) as workspace:
        queue(workspace.stores, "watch", f"watch/{ENDPOINT}", {"endpoint": ENDPOINT, "until_us": START_US + 2 * DAY_US})


def a_project_with_a_retraining_due(folder: Path) -> None:
    a_project_that_lives(folder)
    settings = folder / "clew.toml"
    settings.write_text(
        settings.read_text().replace(
            'pipeline = "train.py:train"', 'pipeline = "train.py:train"\ndata = {flights = "flights@latest"}'
        )
    )
    args: dict[str, object] = {"endpoint": ENDPOINT, "until_us": START_US + 2 * DAY_US, "reason": "by hand"}
    with open_workspace(folder) as workspace:
        queue(workspace.stores, "retrain", f"retrain/{MODEL}", args)


def sound(workspace: Workspace) -> None:
    """Everything that is stored is what its name says, and the chain of events is whole and agrees with the rows."""
    objects = workspace.stores.objects
    assert all(hash_bytes(objects.get(digest)) == digest for digest in objects.list())
    seal(workspace.stores)
    found = verify(workspace.stores)
    assert not found.problems, found.problems


def one_table(folder: Path, _said: list[str]) -> None:
    with open_workspace(folder) as workspace:
        sound(workspace)
        assert [version.number for version in workspace.datasets.versions("flights").items] == [1]
        version = workspace.datasets.resolve("flights@1")
        assert DatasetHandle(workspace.site, version).frame().height == 20_000


def one_folder(folder: Path, _said: list[str]) -> None:
    with open_workspace(folder) as workspace:
        sound(workspace)
        assert [version.number for version in workspace.datasets.versions("photos").items] == [1]
        checkout(workspace.site, workspace.datasets.resolve("photos@1"), folder / "again")
    assert contents(folder / "again") == contents(folder / "photos")


def taken_out(folder: Path, _said: list[str]) -> None:
    assert contents(folder / "out") == contents(folder / "photos")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def all_points(folder: Path, said: list[str]) -> None:
    """What a run said it had logged is there, in order and once; the last one has everything."""
    with open_workspace(folder) as workspace:
        adopt(workspace.runs, workspace.stores.objects, workspace.folder)
        runs = list(reversed(workspace.runs.list().items))
        assert runs
        counts = []
        for run in runs:
            blocks = workspace.runs.blocks(run.id, "loss")
            values = join(points_of(block) for block in blocks).values.tolist() if blocks else []
            assert values == [step / 2 for step in range(len(values))]
            assert run.status is not RunStatus.RUNNING
            counts.append(len(values))
        logged = [int(line.split()[1]) for line in said[0].splitlines() if line.startswith("logged ")]
        assert not logged or max(counts) >= max(logged)
        if logged and max(logged) < 3000:
            assert max(counts[:-1], default=0) >= max(logged), (counts, max(logged))
        assert counts[-1] == 3000
        assert runs[-1].status is RunStatus.FINISHED
    assert not any((folder / ".clew" / "journals").glob("*/*.journal"))


def one_model_more(folder: Path, _said: list[str]) -> None:
    with open_workspace(folder) as workspace:
        adopt(workspace.runs, workspace.stores.objects, workspace.folder)
        sound(workspace)
        assert [version.number for version in workspace.models.versions(MODEL).items] == [4, 3, 2, 1]
        newest = workspace.runs.list().items[0]
        assert newest.status is RunStatus.FINISHED
        assert all(run.status is not RunStatus.RUNNING for run in workspace.runs.list().items)


def alias_moved_once(folder: Path, _said: list[str]) -> None:
    with open_workspace(folder) as workspace, workspace.stores.ledger.read() as tx:
        model = tx.models.find(workspace.stores.project, MODEL)
        assert model is not None
        held = {move.alias: move.number for move in tx.models.aliases(model.id)}
        assert held == {"champion": 1, "candidate": 2}
        events = tx.events.list(workspace.stores.project, kind="alias.moved").items
        assert len(events) == 2, events
    with open_workspace(folder) as workspace:
        sound(workspace)


def looked_at(folder: Path, _said: list[str]) -> None:
    """All decisions and labels are in the logs once, and the windows are judged."""
    life = Life(folder)
    try:
        rows = logged(life, life.endpoint.predictions)
        assert rows.height == rows["id"].n_unique() == 192
        assert logged(life, life.endpoint.shadows).height == 192
        assert logged(life, life.endpoint.labels).height == 40
        assert [window.rows for window in life.windows] == [96, 96]
        sound(life.workspace)
        journals = Counter(path.suffix for path in (folder / ".clew" / "decisions").rglob("*.*"))
        assert journals == {}, journals
    finally:
        life.close()


def jobs_done(folder: Path, said: list[str]) -> None:
    looked_at(folder, said)
    no_job_left(folder)


def no_job_left(folder: Path) -> None:
    with open_workspace(folder) as workspace, workspace.stores.ledger.read() as tx:
        states = {job.state for job in tx.jobs.list(workspace.stores.project)}
        assert states == {JobState.DONE}, [
            (job.key, job.state, job.reason) for job in tx.jobs.list(workspace.stores.project)
        ]


def retrained_once(folder: Path, said: list[str]) -> None:
    no_job_left(folder)
    one_model_more(folder, said)
    life = Life(folder)
    try:
        held = {move.alias: move.number for move in life.workspace.models.aliases(MODEL)}
        assert held == {"champion": 1, "challenger": 4}
        assert len(life.trials) == 1
    finally:
        life.close()


def logged(life: Life, log: str) -> pl.DataFrame:
    with life.stores.ledger.read() as tx:
        batches = tx.logs.list(log)
    return pl.concat([pl.read_parquet(io.BytesIO(life.stores.objects.get(batch.object))) for batch in batches])


def witnessed(folder: Path, _said: list[str]) -> None:
    """The checkpoints agree with the chain, and none stands there twice."""
    lines = (folder / "records.jsonl").read_text().splitlines()
    assert 1 <= len(lines) == len(set(lines))
    words = [sys.executable, "-m", "clew", "audit", "verify", "--checkpoint", "records.jsonl"]
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "HOME": str(folder)}
    )
    assert done.returncode == 0, done.stdout + done.stderr


def labels_once(folder: Path, _said: list[str]) -> None:
    life = Life(folder)
    try:
        rows = logged(life, life.endpoint.labels)
        assert rows.height == rows["key"].n_unique() == 152
        sound(life.workspace)
    finally:
        life.close()


class Targets:
    """Where projects move to in a session: databases and servers, each for one copy of a project."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._lock = threading.Lock()
        self._postgres: PostgresServer | None = None
        self._servers: dict[Path, ExitStack] = {}
        atexit.register(self._open.close)

    def database(self, folder: Path) -> list[str]:
        """A new database, and a folder for the bytes."""
        with self._lock:
            if self._postgres is None:
                self._postgres = PostgresServer(Path(tempfile.gettempdir()) / f"clew-kill-postgres-{os.getpid()}")
                self._open.callback(self._postgres.stop)
            return ["--to", self._postgres.make(), "--to", str(folder.with_name(f"{folder.name}-disk"))]

    def server(self, folder: Path) -> list[str]:
        """A server in a process of its own."""
        team = init_project(folder.with_name(f"{folder.name}-team"), name="team")
        with self._lock:
            self._servers[folder] = opened = self._open.enter_context(ExitStack())
        url, _ = opened.enter_context(serving(team, open=True))
        return ["--to", url]

    def moved_to_database(self, folder: Path, _said: list[str]) -> None:
        """The rows and bytes are there, all of them, and nowhere else counts."""
        claim = find_claim(folder / ".clew")
        assert claim is not None
        with Workspace(folder, environ={"CLEW_LEDGER": claim.ledger}) as workspace:
            arrived(folder, workspace.stores)
        shutil.rmtree(folder.with_name(f"{folder.name}-disk"))
        assert self._postgres is not None
        self._postgres.drop(claim.ledger)

    def moved_to_server(self, folder: Path, _said: list[str]) -> None:
        """As above, seen where the server runs."""
        with self._lock:
            self._servers.pop(folder).close()
        team, claim = folder.with_name(f"{folder.name}-team"), find_claim(folder / ".clew")
        assert claim is not None
        assert claim.ledger.endswith("/projects/killed")
        with Workspace(team, environ={}) as workspace:
            host = host_of(workspace)
            arrived(folder, host.stores(host.project("killed"), actor="killer"))
        shutil.rmtree(team)


def arrived(folder: Path, there: Stores) -> None:
    """What the folder left behind is what is there."""
    left = SqliteLedger(folder / ".clew" / "ledger.moved.db")
    with left.read() as tx, there.ledger.read() as other:
        mine, its = tx.rows_of(there.project).digests(), other.rows_of(there.project).digests()  # type: ignore[attr-defined]
    left.close()
    assert not [table for table in mine if table not in ("events", "chain_tails") and mine[table] != its[table]]
    assert mine["runs"][0] == 3
    assert its["events"][0] > mine["events"][0] - 1
    old = LocalObjects(folder / ".clew" / "objects")
    assert not there.objects.missing(old.list())
    assert all(hash_bytes(there.objects.get(digest)) == digest for digest in old.list())
    seal(there)
    found = verify(there)
    assert not found.problems, found.problems
    assert not list((folder / ".clew").glob("move*"))


TARGETS = Targets()
TRAIN = ["run", "train.py:train", "flights=flights@latest"]
OPERATIONS = [
    Operation("data add TABLE", ["data", "add", "flights", "flights.csv", "--key", "id"], an_empty_project, one_table),
    Operation("data add FOLDER", ["data", "add", "photos", "photos"], an_empty_project, one_folder),
    Operation("data checkout", ["data", "checkout", "photos@1", "out"], a_project_with_photos, taken_out),
    Operation("move to a database", ["move"], a_project_with_runs, TARGETS.moved_to_database, TARGETS.database),
    Operation("move to a server", ["move"], a_project_with_runs, TARGETS.moved_to_server, TARGETS.server),
    Operation("run SCRIPT", ["run", "loop.py"], an_empty_project, all_points),
    Operation("a logging loop", ["loop.py"], an_empty_project, all_points),
    Operation(
        "run PIPELINE", ["run", "train.py:train", "flights=flights@latest"], a_project_that_lives, one_model_more
    ),
    Operation("model promote", ["model", "promote", "delay@2", "candidate"], a_project_that_lives, alias_moved_once),
    Operation("watch", ["watch", ENDPOINT, "--until", UNTIL], a_project_that_lives, looked_at),
    Operation("worker --once", ["worker", "--once"], a_project_with_a_look_due, jobs_done),
    Operation("a retraining", ["worker", "--once"], a_project_with_a_retraining_due, retrained_once),
    Operation(
        "labels add",
        ["labels", "add", ENDPOINT, "labels.csv", "--label", "late", "--key", "flight"],
        a_project_that_lives,
        labels_once,
    ),
    Operation("audit checkpoint", ["audit", "checkpoint", "--to", "records.jsonl"], a_project_that_lives, witnessed),
]
