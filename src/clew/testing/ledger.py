"""The suite that every ledger must pass. Subclass it and give a `ledger` fixture that starts empty."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from clew.core.contracts.ledger import Durability, Ledger, Transaction
from clew.core.errors import Conflict, Exists, Invalid, NotFound
from clew.core.ids import Digest
from clew.core.types.account import Member, ProjectRole, Token, User
from clew.core.types.dataset import Dataset, DatasetKind, DatasetVersion, LogBatch
from clew.core.types.edge import Edge, Role
from clew.core.types.endpoint import Alert, Endpoint, Severity, Trial, TrialState, Window
from clew.core.types.event import START, ChainTail, Event, chain_hash
from clew.core.types.job import Job, JobState
from clew.core.types.logged_model import LoggedModel, LoggedModelStatus
from clew.core.types.model import Alias, Model, ModelVersion
from clew.core.types.project import Project
from clew.core.types.run import DEFAULT_EXPERIMENT, Artifact, Experiment, Run, RunKind, RunStatus
from clew.core.types.run_input import RunInput
from clew.core.types.series import SeriesBlock
from clew.core.types.step import StepEntry, StepOutcome, StepOutput, StepRun

__all__ = ["LedgerContract"]

change = msgspec.structs.replace
NO_DIGEST = Digest("0" * 64)


def a_dataset(name: str = "flights", project: str = "p") -> Dataset:
    return Dataset(id=f"id-{name}", project=project, name=name, kind=DatasetKind.TABLE, created_us=1)


def a_version(number: int, *, dataset: str = "id-flights", created_us: int = 0) -> DatasetVersion:
    return DatasetVersion(
        id=f"{dataset}-{number}",
        dataset=dataset,
        name="flights",
        kind=DatasetKind.TABLE,
        number=number,
        digest=NO_DIGEST,
        manifest=NO_DIGEST,
        rows=3,
        size_bytes=10,
        created_us=created_us or number,
        created_by="ann",
        schema={"a": "int64"},
    )


def a_batch(source: str, *, low: int = 0, high: int = 9, ids: tuple[str, str] = ("a", "b")) -> LogBatch:
    return LogBatch(
        dataset="log",
        position=0,
        object=NO_DIGEST,
        rows=2,
        size_bytes=5,
        time_low_us=low,
        time_high_us=high,
        id_low=ids[0],
        id_high=ids[1],
        created_us=1,
        source=source,
    )


def a_run(id: str, **changes: Any) -> Run:
    run = Run(
        id=id,
        project="p",
        experiment="e",
        name=f"run {id}",
        kind=RunKind.SCRIPT,
        status=RunStatus.RUNNING,
        created_us=1,
        created_by="ann",
        params={"depth": 3, "rate": 0.1, "flag": True, "none": None, "text": "ü"},
    )
    return msgspec.structs.replace(run, **changes)


def a_block(source: str, value: float, *, step: float = 0.0, time_us: int = 1, key: str = "loss") -> SeriesBlock:
    nan = math.isnan(value)
    return SeriesBlock(
        run="r",
        key=key,
        source=source,
        count=1,
        nans=int(nan),
        low=value,
        high=value,
        total=value,
        first=value,
        last=value,
        last_step=step,
        last_time_us=time_us,
        step_low=step,
        step_high=step,
        time_low_us=time_us,
        time_high_us=time_us,
        points=source.encode(),
    )


def a_model_version(number: int) -> ModelVersion:
    return ModelVersion(
        id=f"v{number}",
        model="m",
        name="delay",
        number=number,
        package=NO_DIGEST,
        run="r",
        created_us=number,
        created_by="ann",
    )


def a_move(position: int, number: int, alias: str = "champion") -> Alias:
    return Alias(
        model="m",
        alias=alias,
        position=position,
        number=number,
        version=f"v{number}",
        moved_us=position,
        moved_by="ann",
    )


def a_job(id: str, *, key: str = "k", due_us: int = 0) -> Job:
    return Job(
        id=id, project="p", kind="watch", key=key, args={"n": 1}, state=JobState.QUEUED, due_us=due_us, created_us=0
    )


def a_window(start_us: int, version: str = "v1", rows: int = 1) -> Window:
    return Window(
        endpoint="e",
        version=version,
        start_us=start_us,
        end_us=start_us + 10,
        rows=rows,
        labels=0,
        profile=NO_DIGEST,
        report={"auc": 0.5},
        revision=1,
        judged_us=1,
    )


def an_event(id: str, *, kind: str = "alias.moved", subject: str = "model:m") -> Event:
    return Event(id=id, project="p", at_us=1, actor="ann", kind=kind, subject=subject, facts={"n": 1})


def an_alert(id: str, *, key: str, at_us: int) -> Alert:
    return Alert(
        id=id,
        endpoint="e",
        key=key,
        kind="drift",
        severity=Severity.WARN,
        at_us=at_us,
        raised_us=at_us,
        text="hm",
        facts={},
    )


def an_entry(key: str, *, step: str = "fit", created_us: int = 1) -> StepEntry:
    output = StepOutput(codec="json", digest=NO_DIGEST, size_bytes=2, inline=b"\x00\xff")
    return StepEntry(
        key=Digest(key),
        project="p",
        step=step,
        output=output,
        ingredients={"code": "c"},
        run="r",
        created_us=created_us,
        duration_us=1,
    )


def a_step(position: int, outcome: StepOutcome = StepOutcome.EXECUTED) -> StepRun:
    return StepRun(
        run="r",
        position=position,
        step="fit",
        key=NO_DIGEST,
        outcome=outcome,
        output=NO_DIGEST,
        started_us=1,
        duration_us=1,
        inputs=[0],
    )


class LedgerContract:
    """What holds for every ledger."""

    def test_an_exception_rolls_everything_back(self, ledger: Ledger) -> None:
        with pytest.raises(RuntimeError), ledger.write() as tx:  # noqa: PT012
            tx.datasets.add(a_dataset())
            tx.events.add(an_event("1"))
            raise RuntimeError
        with ledger.read() as tx:
            assert tx.datasets.list("p") == []
            assert tx.events.count("p") == 0

    @pytest.mark.parametrize("durability", list(Durability))
    def test_what_is_committed_is_read(self, ledger: Ledger, durability: Durability) -> None:
        with ledger.write(durability) as tx:
            tx.datasets.add(a_dataset())
        with ledger.read() as tx:
            assert tx.datasets.get("id-flights") == a_dataset()

    def test_a_reader_sees_one_state(self, ledger: Ledger) -> None:
        with ledger.read() as reader:
            before = reader.events.count("p")

            def write() -> None:
                with ledger.write() as tx:
                    tx.events.add(an_event("1"))

            thread = threading.Thread(target=write)
            thread.start()
            thread.join()
            assert reader.events.count("p") == before
        with ledger.read() as reader:
            assert reader.events.count("p") == before + 1

    def test_writers_queue(self, ledger: Ledger) -> None:
        def append(name: str) -> None:
            for i in range(20):
                with ledger.write(Durability.KILL) as tx:
                    tx.logs.append([a_batch(f"{name}/{i}")])

        threads = [threading.Thread(target=append, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with ledger.read() as tx:
            assert [batch.position for batch in tx.logs.list("log")] == list(range(1, 61))

    def test_a_reading_block_changes_nothing(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.runs.add(a_run("0a"))
        changes: list[Callable[[Transaction], None]] = [
            lambda tx: tx.runs.add(a_run("0b")),
            lambda tx: tx.runs.put(a_run("0a", name="other")),
            lambda tx: tx.edges.add([Edge(source="a", target="b", role=Role.INPUT)]),
        ]
        for change in changes:
            with pytest.raises(TypeError), ledger.read() as tx:
                change(tx)
        with ledger.read() as tx:
            assert (tx.runs.get("0a"), tx.runs.count("p"), tx.edges.down("a")) == (a_run("0a"), 1, [])

    def test_a_reader_sees_one_state_of_several_rows(self, ledger: Ledger) -> None:
        """A writer that changes two rows at once is never seen half."""
        done = threading.Event()
        with ledger.write() as tx:
            for id in "ab":  # noqa: A001
                tx.runs.add(a_run(id, ended_us=0))

        def write() -> None:
            for at_us in range(1, 30):
                with ledger.write(Durability.KILL) as tx:
                    for id in "ab":  # noqa: A001
                        tx.runs.put(a_run(id, ended_us=at_us))
            done.set()

        thread = threading.Thread(target=write)
        thread.start()
        while not done.is_set():
            with ledger.read() as tx:
                assert tx.runs.get("a").ended_us == tx.runs.get("b").ended_us
        thread.join()

    def test_texts_are_ordered_by_code_point(self, ledger: Ledger) -> None:
        names = ["b", "A", "a", "B", "_", "ä", "Z", "z", "1", "\U0001f600", "\uffee", "a b", "a-b", "aB"]
        with ledger.write() as tx:
            for name in names:
                tx.datasets.add(a_dataset(name))
                tx.runs.add(a_run(name))
            assert [dataset.name for dataset in tx.datasets.list("p")] == sorted(names)
            assert [run.id for run in tx.runs.list("p", limit=99).items] == sorted(names, reverse=True)
            assert tx.datasets.find("p", "Ä") is None

    def test_large_and_odd_values_come_back(self, ledger: Ledger) -> None:
        points = bytes(range(256)) * 16_384
        block = msgspec.structs.replace(
            a_block("j/1", math.inf, step=-0.5), points=points, low=-math.inf, total=1e-310, last_step=-math.inf
        )
        long, text = "x" * 1_000, "\u0000 \\ ' \" % ? ü 中 \U0001f600"
        with ledger.write() as tx:
            tx.series.append([block])
            tx.runs.add(a_run("0a", name=long, params={"text": text, "big": 2**53}, ended_us=2**62))
        with ledger.read() as tx:
            assert tx.series.blocks("r", "loss") == [block]
            [found] = tx.series.summaries(["r"])
            assert (found.low, found.high, found.total, found.last_step) == (-math.inf, math.inf, 1e-310, -math.inf)
            run = tx.runs.find("p", long)[0]
            assert (run.params, run.ended_us) == ({"text": text, "big": 2**53}, 2**62)

    def test_many_rows_enter_at_once(self, ledger: Ledger) -> None:
        edges = [Edge(source=f"data:{i:05}", target="run:1", role=Role.INPUT, run="1") for i in range(3_000)]
        with ledger.write(Durability.KILL) as tx:
            tx.edges.add(edges)
            tx.edges.add([])
            tx.edges.add(edges[:10])
            assert [edge.source for edge in tx.edges.up("run:1")] == [edge.source for edge in edges]

    def test_projects(self, ledger: Ledger) -> None:
        project = Project(id="1", name="late", created_us=1)
        with ledger.write() as tx:
            tx.projects.add(project)
        with ledger.write() as tx:
            with pytest.raises(Exists):
                tx.projects.add(msgspec.structs.replace(project, id="2"))
            with pytest.raises(NotFound):
                tx.projects.get("early")
            assert tx.projects.find("late") == tx.projects.get("late") == project
            assert tx.projects.list() == [project]

    def test_users_and_their_tokens(self, ledger: Ledger) -> None:
        ann = User(id="u1", name="ann", created_us=1, admin=True)
        token = Token(id="t1", user="u1", name="laptop", hash="h1", created_us=2)
        with ledger.write() as tx:
            tx.accounts.add_user(ann)
            tx.accounts.put_token(token)
        gone = msgspec.structs.replace(ann, disabled_us=5)
        over = msgspec.structs.replace(token, revoked_us=6)
        with ledger.write() as tx:
            with pytest.raises(Exists):
                tx.accounts.add_user(msgspec.structs.replace(ann, id="u2"))
            with pytest.raises(NotFound):
                tx.accounts.put_user(User(id="u9", name="bob", created_us=1))
            assert tx.accounts.find_token("h1") == token
            assert tx.accounts.find_token("h2") is None
            tx.accounts.put_user(gone)
            tx.accounts.put_token(over)
        with ledger.read() as tx:
            assert tx.accounts.find_user("ann") == tx.accounts.get_user("u1") == gone
            assert tx.accounts.find_user("bob") is None
            with pytest.raises(NotFound):
                tx.accounts.get_user("u9")
            assert tx.accounts.users() == [gone]
            assert tx.accounts.tokens("u1") == [over]

    def test_members_of_projects(self, ledger: Ledger) -> None:
        ann = Member(project="p", user="u1", role=ProjectRole.VIEWER)
        bob = Member(project="p", user="u2", role=ProjectRole.ADMIN)
        with ledger.write() as tx:
            tx.accounts.put_member(bob)
            tx.accounts.put_member(ann)
            tx.accounts.put_member(msgspec.structs.replace(ann, project="q"))
        more = msgspec.structs.replace(ann, role=ProjectRole.MAINTAINER)
        with ledger.write() as tx:
            tx.accounts.put_member(more)
            assert tx.accounts.remove_member("p", "u2")
            assert not tx.accounts.remove_member("p", "u2")
        with ledger.read() as tx:
            assert tx.accounts.members("p") == [more]
            assert tx.accounts.find_member("q", "u1") == msgspec.structs.replace(ann, project="q")
            assert tx.accounts.find_member("p", "u2") is None

    def test_names_are_unique_in_a_project(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.datasets.add(a_dataset("b"))
            tx.datasets.add(a_dataset("a"))
            tx.datasets.add(msgspec.structs.replace(a_dataset("a", project="q"), id="other"))
            with pytest.raises(Exists):
                tx.datasets.add(msgspec.structs.replace(a_dataset("a"), id="new"))
            assert [dataset.name for dataset in tx.datasets.list("p")] == ["a", "b"]
            assert tx.datasets.find("p", "c") is None
            with pytest.raises(NotFound):
                tx.datasets.get("nothing")

    def test_dataset_versions_count_up(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            for number in (1, 2, 3):
                tx.datasets.add_version(a_version(number, created_us=number * 10))
            for number in (3, 5):
                with pytest.raises(Conflict):
                    tx.datasets.add_version(a_version(number))
            assert tx.datasets.newest("id-flights") == a_version(3, created_us=30)
            assert tx.datasets.newest("id-flights", until_us=29) == a_version(2, created_us=20)
            assert tx.datasets.newest("id-flights", until_us=9) is None
            assert tx.datasets.newest("nothing") is None
            assert tx.datasets.find_version("id-flights", 2) == a_version(2, created_us=20)
            assert tx.datasets.find_version("id-flights", 4) is None
            assert tx.datasets.version("id-flights-1").number == 1
            with pytest.raises(NotFound):
                tx.datasets.version("nothing")

    def test_versions_page_newest_first(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            for number in range(1, 6):
                tx.datasets.add_version(a_version(number))
            first = tx.datasets.versions("id-flights", limit=2)
            second = tx.datasets.versions("id-flights", limit=2, after=first.next)
            third = tx.datasets.versions("id-flights", limit=2, after=second.next)
            numbers = [[version.number for version in page.items] for page in (first, second, third)]
            assert numbers == [[5, 4], [3, 2], [1]]
            assert third.next == ""
            with pytest.raises(Invalid):
                tx.datasets.versions("id-flights", after="x")
            with pytest.raises(Invalid):
                tx.datasets.versions("id-flights", after="9" * 30)

    def test_log_batches_enter_once_and_are_found(self, ledger: Ledger) -> None:
        batches = [
            a_batch("j/1", low=0, high=9, ids=("a", "c")),
            a_batch("j/2", low=10, high=19, ids=("b", "f")),
            a_batch("j/3", low=20, high=20, ids=("g", "h")),
        ]
        with ledger.write() as tx:
            assert tx.logs.position("log") == 0
            assert [batch.position for batch in tx.logs.append(batches)] == [1, 2, 3]
            assert tx.logs.append(batches[1:]) == []
            assert [batch.position for batch in tx.logs.append([*batches, a_batch("j/4", low=30, high=30)])] == [4]
            assert [batch.source for batch in tx.logs.between("log", 9, 20)] == ["j/1", "j/2"]
            assert [batch.source for batch in tx.logs.between("log", 20, 21)] == ["j/3"]
            assert [batch.source for batch in tx.logs.holding("log", "c")] == ["j/1", "j/2"]
            assert tx.logs.holding("log", "z") == []
            assert [batch.position for batch in tx.logs.list("log", after=1, until=2)] == [2]
            assert (tx.logs.position("log"), tx.logs.rows("log"), tx.logs.rows("other")) == (4, 8, 0)

    def test_a_log_knows_how_far_a_journal_is_drained(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            for source, end in (("r/1@0", 50), ("r/1@50", 75), ("r/10@0", 900), ("r/2@0", 5)):
                tx.logs.append([msgspec.structs.replace(a_batch(source), source_end=end)])
            assert [tx.logs.drained("log", journal) for journal in ("r/1", "r/2", "r/3")] == [75, 5, 0]

    def test_runs(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.runs.add(a_run("0a"))
            tx.runs.add(a_run("0b", status=RunStatus.FAILED))
            tx.runs.add(a_run("1c", experiment="f", name="best"))
            tx.runs.add(a_run("1d", parent="0a", name="best"))
            with pytest.raises(Exists):
                tx.runs.add(a_run("0a"))
            assert tx.runs.get("0a") == a_run("0a")
            tx.runs.put(a_run("0a", status=RunStatus.FINISHED, ended_us=5))
            assert tx.runs.get("0a").ended_us == 5
            with pytest.raises(NotFound):
                tx.runs.put(a_run("zz"))
            assert [run.id for run in tx.runs.find("p", "0")] == ["0b", "0a"]
            assert [run.id for run in tx.runs.find("p", "best")] == ["1d", "1c"]
            assert [run.id for run in tx.runs.list("p", status=RunStatus.FAILED).items] == ["0b"]
            assert [run.id for run in tx.runs.list("p", experiment="f").items] == ["1c"]
            assert [run.id for run in tx.runs.list("p", parent="0a").items] == ["1d"]
            page = tx.runs.list("p", limit=3)
            assert [run.id for run in page.items] == ["1d", "1c", "0b"]
            assert [run.id for run in tx.runs.list("p", limit=3, after=page.next).items] == ["0a"]
            assert (tx.runs.count("p"), tx.runs.count("q")) == (4, 0)
            assert tx.runs.among("p", ["0a", "zz", "1c"]) == {"0a", "1c"}
            assert tx.runs.among("q", ["0a"]) == tx.runs.among("p", []) == set()

    def test_experiments_and_artifacts(self, ledger: Ledger) -> None:
        experiment = Experiment(id="e", project="p", name="trees", created_us=1)
        artifact = Artifact(run="r", path="a/b", digest=NO_DIGEST, size_bytes=1, media_type="image/png", created_us=1)
        with ledger.write() as tx:
            tx.experiments.add(experiment)
            assert tx.experiments.find("p", "trees") == msgspec.structs.replace(experiment, number=1)
            tx.artifacts.put(artifact)
            tx.artifacts.put(msgspec.structs.replace(artifact, size_bytes=2))
            assert [each.size_bytes for each in tx.artifacts.list("r")] == [2]
            assert tx.artifacts.get("r", "a/b").size_bytes == 2
            with pytest.raises(NotFound):
                tx.artifacts.get("r", "c")
            tx.artifacts.remove("r", ["a/b", "c"])
            assert tx.artifacts.list("r") == []

    def test_experiments_have_numbers(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            for name, number in (("trees", 1), (DEFAULT_EXPERIMENT, 0), ("nets", 2)):
                added = tx.experiments.add(Experiment(id=f"e-{name}", project="p", name=name, created_us=1))
                assert added.number == number
            assert tx.experiments.add(Experiment(id="q", project="q", name="trees", created_us=1)).number == 1
            trees = tx.experiments.get("e-trees")
            tx.experiments.put(msgspec.structs.replace(trees, number=7, name="forests", tags={"a": "b"}))
            forests = tx.experiments.find_number("p", 1)
            assert forests is not None
            assert (forests.name, forests.tags, forests.number) == ("forests", {"a": "b"}, 1)
            assert tx.experiments.find("p", "trees") is tx.experiments.find_number("p", 9) is None
            with pytest.raises(Exists):
                tx.experiments.put(msgspec.structs.replace(forests, name="nets"))
            assert [(each.name, each.number) for each in tx.experiments.list("p")] == [
                ("default", 0),
                ("forests", 1),
                ("nets", 2),
            ]

    def test_the_trash_of_runs(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            for which in ("0a", "0b"):
                tx.runs.add(a_run(which))
            tx.runs.put(a_run("0a", deleted_us=9))
            assert [run.id for run in tx.runs.list("p").items] == [run.id for run in tx.runs.find("p", "0")] == ["0b"]
            assert [run.id for run in tx.runs.list("p", deleted=True).items] == ["0a"]
            assert [run.id for run in tx.runs.list("p", deleted=None).items] == ["0b", "0a"]
            assert tx.runs.get("0a").deleted_us == 9

    def test_what_runs_say_that_they_used(self, ledger: Ledger) -> None:
        data = RunInput(run="r", role=Role.INPUT, name="iris", digest="d1", source="s3://x")
        made = RunInput(run="r", role=Role.OUTPUT, model="m-1", step=3)
        with ledger.write() as tx:
            tx.inputs.put([made, data])
            tx.inputs.put([msgspec.structs.replace(data, tags={"context": "train"})])
            assert tx.inputs.list(["r", "s"]) == [msgspec.structs.replace(data, tags={"context": "train"}), made]
            assert tx.inputs.list(["s"]) == tx.inputs.list([]) == []

    def test_logged_models(self, ledger: Ledger) -> None:
        one = LoggedModel(
            id="m-1", project="p", experiment="e", run="r", name="tree", status=LoggedModelStatus.PENDING, created_us=1
        )
        with ledger.write() as tx:
            tx.logged_models.add(one)
            tx.logged_models.add(msgspec.structs.replace(one, id="m-2", experiment="f", run="s"))
            with pytest.raises(Exists):
                tx.logged_models.add(one)
            ready = msgspec.structs.replace(one, status=LoggedModelStatus.READY, tags={"a": "b"})
            tx.logged_models.put(ready)
            assert tx.logged_models.get("m-1") == ready
            assert [each.id for each in tx.logged_models.list("p")] == ["m-2", "m-1"]
            assert tx.logged_models.list("p", experiments=["e", "g"]) == tx.logged_models.list("p", run="r") == [ready]
            assert tx.logged_models.list("q") == []
            for missing in (lambda: tx.logged_models.get("x"), lambda: tx.logged_models.put(change(one, id="x"))):
                with pytest.raises(NotFound):
                    missing()

    def test_series_blocks_enter_once_and_sum_up(self, ledger: Ledger) -> None:
        blocks = [
            a_block("j/1", 2.0, step=1),
            a_block("j/2", math.nan, step=5),
            a_block("j/3", -1.0, step=3),
            a_block("j/4", 7.0, step=5),
        ]
        with ledger.write() as tx:
            assert tx.series.append(blocks) == 4
            assert tx.series.append([*blocks[2:], a_block("j/1", 0.0, key="acc")]) == 1
            acc, loss = tx.series.summaries(["r", "s"])
            assert (acc.key, loss.key) == ("acc", "loss")
            assert tx.series.summaries(["r", "s"], keys=["loss", "none"]) == [loss]
            assert tx.series.summaries(["s"], keys=["loss"]) == tx.series.summaries([]) == []
            assert (loss.count, loss.nans, loss.low, loss.high, loss.total) == (4, 1, -1.0, 7.0, 8.0)
            assert (loss.first, loss.last, loss.last_step) == (2.0, 7.0, 5)
            assert [block.points for block in tx.series.blocks("r", "loss")] == [b"j/1", b"j/2", b"j/3", b"j/4"]
            assert math.isnan(tx.series.blocks("r", "loss")[1].last)
            assert [block.points for block in tx.series.blocks("r", "loss", after=1, limit=2)] == [b"j/2", b"j/3"]
            assert tx.series.blocks("r", "loss", after=4) == []

    def test_steps(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.steps.put([an_entry("a"), an_entry("b", created_us=2), an_entry("c", step="other")])
            tx.steps.put([an_entry("a", created_us=9)])
            assert tx.steps.find("p", Digest("a")) == an_entry("a")
            assert tx.steps.find("q", Digest("a")) is None
            assert [entry.key for entry in tx.steps.newest("p", "fit")] == ["b", "a"]
            tx.steps.record([a_step(2), a_step(1)])
            tx.steps.record([a_step(2, StepOutcome.CACHED)])
            assert [(step.position, step.outcome) for step in tx.steps.of_run("r")] == [(1, "executed"), (2, "cached")]

    def test_models_and_aliases(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.models.add(Model(id="m", project="p", name="delay", created_us=1))
            for number in (1, 2):
                tx.models.add_version(a_model_version(number))
            with pytest.raises(Conflict):
                tx.models.add_version(a_model_version(2))
            assert tx.models.newest("m") == a_model_version(2)
            assert tx.models.find_version("m", 1) == tx.models.version("v1") == a_model_version(1)
            assert [version.number for version in tx.models.versions("m").items] == [2, 1]
            tx.models.move_alias(a_move(1, 1))
            tx.models.move_alias(a_move(2, 2))
            tx.models.move_alias(a_move(1, 1, alias="baseline"))
            with pytest.raises(Conflict):
                tx.models.move_alias(a_move(2, 1))
            assert [(move.alias, move.number) for move in tx.models.aliases("m")] == [("baseline", 1), ("champion", 2)]
            assert [move.number for move in tx.models.moves("m", "champion")] == [1, 2]
            assert tx.models.move("m", "champion", 2) == a_move(2, 2)
            with pytest.raises(NotFound):
                tx.models.move("m", "champion", 3)
            tx.models.move_alias(change(a_move(3, 0), version=""))
            assert [move.alias for move in tx.models.aliases("m")] == ["baseline"]
            assert [move.number for move in tx.models.moves("m", "champion")] == [1, 2, 0]

    def test_models_change_and_go(self, ledger: Ledger) -> None:
        model = Model(id="m", project="p", name="delay", created_us=1)
        with ledger.write() as tx:
            tx.models.add(model)
            tx.models.add(Model(id="n", project="p", name="other", created_us=1))
            with pytest.raises(Exists):
                tx.models.put(change(model, name="other"))
            tx.models.add_version(a_model_version(1))
            tx.models.put_version(change(a_model_version(1), tags={"a": "b"}))
            assert tx.models.version("v1").tags == {"a": "b"}
            with pytest.raises(NotFound):
                tx.models.put_version(a_model_version(2))
            tx.models.put(change(model, name="~m", deleted_us=5))
            assert [each.name for each in tx.models.list("p")] == ["other"]
            assert tx.models.find("p", "delay") is None
            tx.models.add(change(model, id="m2"))

    def test_endpoints_and_windows(self, ledger: Ledger) -> None:
        endpoint = Endpoint(
            id="e",
            project="p",
            name="delay",
            model="m",
            alias="champion",
            predictions="x",
            shadows="z",
            labels="y",
            created_us=1,
        )
        with ledger.write() as tx:
            tx.endpoints.add(endpoint)
            tx.endpoints.put(msgspec.structs.replace(endpoint, alias="stable"))
            assert tx.endpoints.get("e").alias == "stable"
            for start in (30, 10, 20):
                tx.windows.put(a_window(start))
            tx.windows.put(a_window(20, rows=5))
            tx.windows.put(a_window(20, version="v2"))
            assert [(w.start_us, w.version) for w in tx.windows.list("e")] == [
                (10, "v1"),
                (20, "v1"),
                (20, "v2"),
                (30, "v1"),
            ]
            assert [w.rows for w in tx.windows.list("e", low_us=20, high_us=30, version="v1")] == [5]
            assert tx.windows.find("e", "v2", 10) is None

    def test_trials_and_alerts(self, ledger: Ledger) -> None:
        trial = Trial(
            id="1",
            endpoint="e",
            champion="v1",
            challenger="v2",
            state=TrialState.RUNNING,
            started_us=1,
            ended_us=0,
            test={"n": 3, "sum": 0.25},
        )
        with ledger.write() as tx:
            tx.trials.put(trial)
            tx.trials.put(msgspec.structs.replace(trial, state=TrialState.PROMOTED))
            assert tx.trials.get("1").state is TrialState.PROMOTED
            assert len(tx.trials.list("e")) == 1
            assert tx.alerts.raise_(an_alert("1", key="a", at_us=10))
            assert not tx.alerts.raise_(an_alert("2", key="a", at_us=11))
            assert tx.alerts.raise_(an_alert("3", key="b", at_us=20))
            assert [alert.id for alert in tx.alerts.list("e")] == ["3", "1"]
            assert [alert.id for alert in tx.alerts.list("e", low_us=11)] == ["3"]

    def test_a_job_is_queued_once_until_it_is_done(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            assert tx.jobs.queue(a_job("1"))
            assert not tx.jobs.queue(a_job("2"))
            job = tx.jobs.lease("p", holder="w", now_us=0, until_us=10)
            assert job is not None
            assert not tx.jobs.queue(a_job("3"))
            tx.jobs.finish(msgspec.structs.replace(job, state=JobState.DONE, result={"ok": True}))
            assert tx.jobs.get("1").result == {"ok": True}
            assert tx.jobs.queue(a_job("4"))
            assert [each.id for each in tx.jobs.list("p")] == ["4", "1"]
            assert [each.id for each in tx.jobs.list("p", state=JobState.DONE)] == ["1"]

    def test_the_longest_due_job_is_leased_first(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.jobs.queue(a_job("1", key="later", due_us=5))
            tx.jobs.queue(a_job("2", key="sooner", due_us=3))
            assert tx.jobs.lease("p", holder="w", now_us=2, until_us=10) is None
            assert [tx.jobs.due("p", now_us=now_us) for now_us in (2, 3)] == [False, True]
            leased = [tx.jobs.lease("p", holder="w", now_us=6, until_us=10) for _ in range(3)]
            assert [job.id if job else None for job in leased] == ["2", "1", None]

    def test_an_old_fence_is_refused(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.jobs.queue(a_job("1"))
            slow = tx.jobs.lease("p", holder="slow", now_us=0, until_us=10)
            assert slow is not None
            assert tx.jobs.lease("p", holder="quick", now_us=9, until_us=20) is None
            quick = tx.jobs.lease("p", holder="quick", now_us=10, until_us=20)
            assert quick is not None
            assert quick.fence > slow.fence
            with pytest.raises(Conflict):
                tx.jobs.finish(slow)
            with pytest.raises(Conflict):
                tx.jobs.renew(slow, until_us=99)
            tx.jobs.renew(quick, until_us=30)
            assert tx.jobs.lease("p", holder="third", now_us=25, until_us=40) is None

    def test_events(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.events.add(an_event("1"))
            tx.events.add(an_event("2", kind="alias.refused"))
            tx.events.add(an_event("3", kind="aliased.x", subject="model:n"))
            assert [event.id for event in tx.events.list("p").items] == ["3", "2", "1"]
            assert [event.id for event in tx.events.list("p", kind="alias").items] == ["2", "1"]
            assert [event.id for event in tx.events.list("p", kind="alias.moved").items] == ["1"]
            assert [event.id for event in tx.events.list("p", subject="model:n").items] == ["3"]
            page = tx.events.list("p", limit=2)
            assert [event.id for event in tx.events.list("p", limit=2, after=page.next).items] == ["1"]
            assert tx.events.count("p") == 3

    def test_events_are_sealed_in_the_order_in_which_they_arrived(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            assert (tx.events.tail("p"), tx.events.seal("p")) == (ChainTail(), 0)
            for name in "312":
                tx.events.add(an_event(name))
            tx.events.add(msgspec.structs.replace(an_event("other"), project="q"))
            assert [event.id for event in tx.events.waiting("p")] == ["3", "1", "2"]
        with ledger.write() as tx:
            assert [tx.events.seal("p", limit=2), tx.events.seal("p"), tx.events.seal("p")] == [2, 1, 0]
        with ledger.write() as tx:
            tx.events.add(an_event("0"))
            assert tx.events.seal("p") == 1
            assert tx.events.seal("q") == 1
        with ledger.read() as tx:
            chain = tx.events.sealed("p")
            assert [(event.position, event.id) for event in chain] == [(1, "3"), (2, "1"), (3, "2"), (4, "0")]
            assert [event.position for event in tx.events.sealed("p", after=1, limit=2)] == [2, 3]
            assert tx.events.positions("p", ["0", "1", "nothing"]) == {"0": 4, "1": 2}
            assert tx.events.waiting("p") == []
            assert (tx.events.tail("p").position, tx.events.tail("q").position) == (4, 1)

    def test_a_hash_covers_the_place_the_hash_before_and_the_event(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            for name in "12":
                tx.events.add(an_event(name))
            tx.events.seal("p")
        with ledger.read() as tx:
            first, second = tx.events.sealed("p")
            assert (first.kind, first.subject, first.project) == ("alias.moved", "model:m", "p")
            assert msgspec.json.decode(first.document, type=Event) == an_event("1")
            assert first.hash == chain_hash(1, START, first.document)
            assert second.hash == chain_hash(2, first.hash, second.document)
            assert tx.events.tail("p") == ChainTail(2, second.hash)

    def test_what_is_rolled_back_is_not_sealed(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.events.add(an_event("1"))
        with pytest.raises(RuntimeError), ledger.write() as tx:  # noqa: PT012
            tx.events.seal("p")
            raise RuntimeError
        with ledger.read() as tx:
            assert (tx.events.tail("p"), len(tx.events.waiting("p"))) == (ChainTail(), 1)

    def test_sealers_do_not_fork_the_chain(self, ledger: Ledger) -> None:
        def live(name: str) -> None:
            for i in range(20):
                with ledger.write(Durability.KILL, within=f"run:{name}") as tx:
                    tx.events.add(an_event(f"{name}{i}"))
                with ledger.write(Durability.KILL, within="chain:p") as tx:
                    tx.events.seal("p", limit=3)

        threads = [threading.Thread(target=live, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with ledger.write() as tx:
            tx.events.seal("p")
        with ledger.read() as tx:
            chain = tx.events.sealed("p")
            assert [event.position for event in chain] == list(range(1, 61))
            assert len({event.id for event in chain}) == 60
            previous = START
            for event in chain:
                assert event.hash == chain_hash(event.position, previous, event.document)
                previous = event.hash

    def test_lineage_goes_both_ways_and_ends_in_circles(self, ledger: Ledger) -> None:
        edges = [
            Edge(source="data:1", target="run:1", role=Role.INPUT, run="1"),
            Edge(source="data:2", target="run:1", role=Role.INPUT, run="1"),
            Edge(source="run:1", target="model:1", role=Role.OUTPUT, run="1"),
            Edge(source="model:1", target="endpoint:1", role=Role.SERVED),
            Edge(source="endpoint:1", target="data:2", role=Role.LOGGED),
        ]
        with ledger.write() as tx:
            tx.edges.add(edges)
            tx.edges.add(edges)
            up = tx.edges.up("model:1")
            assert [edge.source for edge in up] == ["run:1", "data:1", "data:2", "endpoint:1", "model:1"]
            assert {edge.target for edge in tx.edges.down("data:1")} == {"run:1", "model:1", "endpoint:1", "data:2"}
            assert [edge.source for edge in tx.edges.up("model:1", depth=1)] == ["run:1"]
            assert tx.edges.up("data:1") == []
