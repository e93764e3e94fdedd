"""The suite that the services of a project must pass, wherever they are. Subclass it and give a `project` fixture that
starts empty, and `behind`, the stores of the same project; runs and objects have suites of their own (`runs`,
`objects`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from clew.core.canonical import canonical
from clew.core.contracts.services import Services
from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, GateRefused, Invalid, NotFound
from clew.core.ids import Digest
from clew.core.types.dataset import DatasetKind, DatasetVersion
from clew.core.types.edge import Role, node
from clew.core.types.endpoint import AddedLabels
from clew.core.types.job import Job, JobState
from clew.core.types.package import (
    Compilation,
    Environment,
    FileRole,
    ModelFormat,
    Package,
    PackageFile,
    RuntimeKind,
)
from clew.core.types.signature import Dtype, Field, Output, Scale, Signature, Task
from clew.core.types.step import StepEntry, StepOutcome, StepRun
from clew.serving.endpoint import declare
from clew.testing.ledger import examples
from clew.testing.ledger.examples import change
from clew.testing.runs import a_run

__all__ = ["ServicesContract", "a_package", "a_version", "an_entry"]

KEY = Digest("a" * 64)


def a_version(project: Services, number: int = 1, *, name: str = "flights", content: str = "") -> DatasetVersion:
    """A version of a dataset that is about to be committed; its manifest is stored."""
    manifest = project.objects.put(f"{name} {content or number}".encode())
    return DatasetVersion(
        id=project.ids(),
        dataset=project.ids(),
        name=name,
        kind=DatasetKind.FILES,
        number=number,
        digest=manifest,
        manifest=manifest,
        rows=1,
        size_bytes=3,
        created_us=project.clock.now_us(),
        created_by=project.actor,
    )


def a_package(project: Services, seed: int = 0, *, run: str = "") -> Digest:
    """The digest of a stored package whose model nobody can read, which is fine: nobody has to."""
    content = f"model {seed}".encode()
    model = PackageFile(
        role=FileRole.MODEL, format=ModelFormat.ONNX, digest=project.objects.put(content), size_bytes=len(content)
    )
    package = Package(
        estimator="test",
        signature=Signature(
            inputs=(Field(name="x", dtype=Dtype.FLOAT64),),
            outputs=(Output(name="score", dtype=Dtype.FLOAT64),),
            task=Task.REGRESSION,
            scale=Scale.VALUE,
        ),
        files=(model,),
        environment=Environment(python="3.11", platform="linux", distributions={}),
        compilation=Compilation(chosen=RuntimeKind.ORIGINAL, reason="nobody tried"),
        run=run,
    )
    return project.objects.put(canonical(package))


def an_entry(run: str, **changes: Any) -> StepEntry:
    """A result that is about to be kept."""
    return change(examples.an_entry(KEY), run=run, **changes)


class ServicesContract:
    """What holds for `clew.core.contracts.services.Services` wherever it is."""

    @pytest.fixture
    def project(self) -> Services:
        raise NotImplementedError

    @pytest.fixture
    def behind(self) -> Stores:
        raise NotImplementedError

    def test_jobs_are_listed_and_taken_out_of_the_queue(self, project: Services, behind: Stores) -> None:
        assert project.jobs.list() == []
        jobs = [
            Job(id=behind.ids(), project=behind.project, kind="watch", key=key, args={"n": 1},
                state=JobState.QUEUED, due_us=0, created_us=1) for key in "ab"
        ]  # fmt: skip
        with behind.ledger.write() as tx:
            assert all(tx.jobs.queue(job) for job in jobs)
        assert project.jobs.list() == jobs[::-1]
        assert project.jobs.list(limit=1) == jobs[1:]
        now_us = behind.clock.now_us()
        with behind.ledger.write() as tx:
            taken = tx.jobs.lease(behind.project, holder="w", now_us=now_us, until_us=now_us + 60_000_000)
        assert taken is not None
        with pytest.raises(Conflict, match="being done by w"):
            project.jobs.cancel(taken.id)
        [left] = project.jobs.list(state=JobState.QUEUED)
        for _ in range(2):
            cancelled = project.jobs.cancel(left.id)
            assert cancelled.state is JobState.CANCELLED
            assert cancelled.reason.startswith("cancelled by ")
        with behind.ledger.write() as tx:
            tx.jobs.finish(msgspec.structs.replace(taken, state=JobState.DONE))
            assert tx.jobs.lease(behind.project, holder="w", now_us=now_us, until_us=now_us + 1) is None
        with pytest.raises(Conflict, match="has ended"):
            project.jobs.cancel(taken.id)
        with pytest.raises(NotFound):
            project.jobs.cancel("0" * 32)
        [told] = project.events.list(kind="job").items
        assert (told.kind, told.facts["key"]) == ("job.cancelled", left.key)

    def test_a_file_of_labels_is_added_once(self, project: Services, behind: Stores, tmp_path: Path) -> None:
        project.models.register("delay", a_package(project))
        endpoint = declare(behind, "late", model="delay", alias="champion")
        assert [each.name for each in project.endpoints.list()] == ["late"]
        file = tmp_path / "outcomes.csv"
        file.write_text("flight,minutes\na,1.5\nb,2.5\nc,\n")
        added = project.endpoints.add_labels("late", file, label="minutes", by_key="flight", time_us=5)
        assert added == AddedLabels(added=2, unknown=2)
        added = project.endpoints.add_labels("late", file, label="minutes", by_key="flight", time_us=5)
        assert added == AddedLabels(added=0, unknown=0)
        with behind.ledger.read() as tx:
            [batch] = tx.logs.list(endpoint.labels)
        assert (batch.rows, batch.time_low_us) == (2, 5)
        with pytest.raises(Invalid, match="no column 'delay'"):
            project.endpoints.add_labels("late", file, label="delay", by_key="flight")
        with pytest.raises(NotFound):
            project.endpoints.add_labels("early", file, label="minutes", by_key="flight")
        with pytest.raises(NotFound):
            project.endpoints.add_labels("late", tmp_path / "none.csv", label="minutes", by_key="flight")

    def test_versions_of_data_come_in_order(self, project: Services) -> None:
        first = project.datasets.commit(a_version(project))
        assert project.datasets.commit(a_version(project, 2, content="1")) == first
        second = project.datasets.commit(a_version(project, 2), parents=[node("data", first.id)])
        assert [each.number for each in project.datasets.versions("flights").items] == [2, 1]
        assert project.datasets.resolve("flights@1") == first
        assert project.datasets.resolve("flights") == second == project.datasets.version(second.id)
        assert [each.name for each in project.datasets.list()] == ["flights"]
        found = project.datasets.find("flights")
        assert found is not None
        assert found.kind is DatasetKind.FILES
        assert [edge.source for edge in project.lineage.up(node("data", second.id))] == [node("data", first.id)]

    def test_what_is_not_there_is_said(self, project: Services) -> None:
        project.datasets.commit(a_version(project))
        assert project.datasets.find("flight") is None
        assert project.models.find("delay") is None
        with pytest.raises(NotFound):
            project.datasets.resolve("flight")
        with pytest.raises(NotFound):
            project.datasets.version("0" * 32)
        with pytest.raises(NotFound):
            project.models.resolve("delay@1")
        with pytest.raises(NotFound):
            project.models.version("0" * 32)
        with pytest.raises(Invalid):
            project.datasets.resolve("no/name")
        with pytest.raises((Invalid, NotFound)):
            project.models.resolve("")

    def test_a_version_without_its_bytes_is_refused(self, project: Services) -> None:
        gone = msgspec.structs.replace(a_version(project), manifest=Digest("b" * 64))
        with pytest.raises(Invalid, match="not stored"):
            project.datasets.commit(gone)
        with pytest.raises(NotFound):
            project.models.register("delay", Digest("b" * 64))

    def test_the_second_of_two_writers_is_told(self, project: Services) -> None:
        project.datasets.commit(a_version(project))
        with pytest.raises(Conflict):
            project.datasets.commit(a_version(project, 1, content="else"))

    def test_steps_are_found_by_their_key(self, project: Services) -> None:
        run = project.runs.create(a_run(), experiment="e")
        done = StepRun(
            run=run.id,
            position=0,
            step="fit",
            key=KEY,
            outcome=StepOutcome.EXECUTED,
            output=KEY,
            started_us=1,
            duration_us=2,
        )
        assert project.steps.find(KEY) is None
        project.steps.put([an_entry(run.id)], [done])
        found = project.steps.find(KEY)
        assert found is not None
        assert found.output == an_entry(run.id).output
        assert project.steps.newest("fit") == [found]
        assert project.steps.newest("other") == []
        assert project.steps.of_run(run.id) == [done]

    def test_packages_become_versions(self, project: Services) -> None:
        run = project.runs.create(a_run(), experiment="e")
        first = project.models.register("delay", a_package(project, 1, run=run.id), message="January")
        assert project.models.register("delay", a_package(project, 1, run=run.id)) == first
        second = project.models.register("delay", a_package(project, 2))
        assert (first.reference, first.message, second.reference) == ("delay@1", "January", "delay@2")
        assert project.models.resolve("delay@latest") == second == project.models.version(second.id)
        assert [each.number for each in project.models.versions("delay").items] == [2, 1]
        assert [each.name for each in project.models.list()] == ["delay"]
        assert [edge.role for edge in project.lineage.up(node("model", first.id))] == [Role.OUTPUT]
        assert project.lineage.references([node("model", first.id), node("run", run.id)]) == {
            node("model", first.id): "delay@1"
        }
        approval = project.models.approve("delay@1", note="looked at it")
        [stands] = project.models.approvals(first)
        assert (stands.actor, stands.package, stands.note) == (approval.actor, first.package, "looked at it")

    def test_names_move_and_return(self, project: Services) -> None:
        for seed in (1, 2):
            project.models.register("delay", a_package(project, seed))
        assert project.aliases.promote("delay@1", "mine", reason="why").number == 1
        with pytest.raises(Conflict):
            project.aliases.promote("delay@2", "mine", expected=2)
        assert project.aliases.promote("delay@2", "mine", expected=1).position == 2
        assert project.models.resolve("delay@mine").number == 2
        assert project.aliases.rollback("delay", "mine", reason="costs more").number == 1
        assert [move.number for move in project.aliases.moves("delay", "mine")] == [1, 2, 1]
        assert [move.alias for move in project.models.aliases("delay")] == ["mine"]
        told = project.events.list(kind="alias.moved").items
        assert [event.facts["to"] for event in told] == [1, 2, 1]
        with pytest.raises(NotFound) as unknown:
            project.aliases.remove("delay", "mein")
        assert "did you mean delay@mine" in unknown.value.hint
        assert project.aliases.remove("delay", "mine", reason="a typo").number == 0
        assert project.models.aliases("delay") == []

    def test_a_name_that_is_served_stays(self, project: Services, behind: Stores) -> None:
        project.models.register("delay", a_package(project))
        project.aliases.promote("delay@1", "mine")
        declare(behind, "late", model="delay", alias="mine")
        with pytest.raises(Conflict, match="endpoint 'late' serves delay@mine"):
            project.aliases.remove("delay", "mine")

    def test_nothing_passes_the_gate_unseen(self, project: Services) -> None:
        version = project.models.register("delay", a_package(project))
        assert project.aliases.guarded("delay") == ["champion"]
        assert not project.aliases.judge("delay@1", "champion").passed
        with pytest.raises(GateRefused):
            project.aliases.promote("delay@1", "champion")
        assert project.models.aliases("delay") == []
        [refused] = project.events.list(kind="alias.refused", subject=node("model", version.id)).items
        report = project.aliases.report(Digest(str(refused.facts["report"])))
        assert report.sealed
        assert not report.passed

    def test_events_come_in_pages(self, project: Services) -> None:
        for number in (1, 2, 3):
            project.datasets.commit(a_version(project, number))
        page = project.events.list(kind="version", limit=2)
        rest = project.events.list(kind="version", limit=2, after=page.next)
        assert [each.facts["reference"] for each in (*page.items, *rest.items)] == [
            "flights@3",
            "flights@2",
            "flights@1",
        ]
        assert rest.next == ""
        assert project.events.positions([each.id for each in page.items]) == {}
        with pytest.raises(Invalid):
            project.events.list(after="nonsense")
