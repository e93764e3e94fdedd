"""The suite that every run service must pass. Subclass it and give a `service` fixture that starts empty."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from clew.core.contracts.services import RunService
from clew.core.errors import Conflict, Invalid, NotFound, Unreadable
from clew.core.ids import Digest
from clew.core.types.edge import Role
from clew.core.types.run import Artifact, Run, RunStatus
from clew.core.types.series import SeriesBlock
from clew.testing.ledger import examples
from clew.testing.ledger.examples import change
from clew.tracking.series import Points, block_of, points_of
from clew.tracking.stop import STOP_TAG

__all__ = ["RunServiceContract", "a_block", "a_run"]

ONE, TWO, OTHER = "01a0" + "0" * 28, "01a0" + "1" * 28, "02b0" + "2" * 28


def a_run(id: str = ONE, **changes: Any) -> Run:
    """A run that is about to be created."""
    return examples.a_run(id, **{"experiment": "", "name": f"run-{id[-1]}", "params": {}, **changes})


def a_block(source: str, *, run: str = ONE, key: str = "loss", last: float = 1.0, step: float = 0.0) -> SeriesBlock:
    """A block of one point, whose bytes nobody reads."""
    return change(examples.a_block(source, last, step=step, key=key), run=run)


class RunServiceContract:
    """What holds for `clew.core.contracts.services.RunService` wherever it runs."""

    @pytest.fixture
    def service(self) -> RunService:
        raise NotImplementedError

    def test_a_run_is_created_once(self, service: RunService) -> None:
        first = service.create(a_run(), experiment="flights")
        assert service.create(a_run(name="other"), experiment="else") == first
        assert service.get(ONE) == first
        assert first.experiment

    def test_runs_of_one_experiment_share_it(self, service: RunService) -> None:
        one = service.create(a_run(), experiment="flights")
        two = service.create(a_run(TWO), experiment="flights")
        other = service.create(a_run(OTHER), experiment="else")
        assert one.experiment == two.experiment != other.experiment
        assert [run.id for run in service.list(experiment="flights").items] == [TWO, ONE]
        assert [run.id for run in service.list().items] == [OTHER, TWO, ONE]
        assert [(each.name, each.id) for each in service.experiments()] == [
            ("else", other.experiment),
            ("flights", one.experiment),
        ]
        with pytest.raises(NotFound, match="flights"):
            service.list(experiment="flight")

    def test_lists_come_in_pages(self, service: RunService) -> None:
        for each in (ONE, TWO, OTHER):
            service.create(a_run(each), experiment="e")
        page = service.list(limit=2)
        assert [run.id for run in page.items] == [OTHER, TWO]
        assert [run.id for run in service.list(limit=2, after=page.next).items] == [ONE]

    def test_a_run_is_found_by_prefix_and_by_name(self, service: RunService) -> None:
        service.create(a_run(name="baseline"), experiment="e")
        newest = service.create(a_run(TWO, name="baseline"), experiment="e")
        service.create(a_run(OTHER), experiment="e")
        assert service.get("02b0").id == OTHER
        assert service.get("baseline") == newest
        for text in ("02b", "nothing", "f" * 32):
            with pytest.raises(NotFound):
                service.get(text)
        with pytest.raises((Invalid, NotFound)):
            service.get("")
        with pytest.raises(Invalid, match="more digits"):
            service.get("01a0")

    def test_describe_merges(self, service: RunService) -> None:
        service.create(a_run(params={"a": 1}, tags={"t": "x"}), experiment="e")
        service.describe(ONE, params={"b": 0.5, "a": 1}, capture={"source": Digest("1" * 64)})
        run = service.describe(ONE, tags={"t": "y", "u": "z"}, commit="abc+", name="renamed", experiment="other")
        assert run == service.get(ONE)
        assert (run.params, run.tags) == ({"a": 1, "b": 0.5}, {"t": "y", "u": "z"})
        assert (run.capture, run.commit, run.name) == ({"source": "1" * 64}, "abc+", "renamed")
        assert [found.id for found in service.list(experiment="other").items] == [ONE]

    @pytest.mark.parametrize("value", [2, 1.0, True, "1", None])
    def test_a_parameter_keeps_its_value(self, service: RunService, value: Any) -> None:
        service.create(a_run(params={"a": 1}), experiment="e")
        with pytest.raises(Conflict, match="'a'"):
            service.describe(ONE, params={"b": 2, "a": value})
        assert service.get(ONE).params == {"a": 1}

    def test_blocks_of_one_source_land_once(self, service: RunService) -> None:
        service.create(a_run(), experiment="e")
        service.append([a_block("j:0-0"), a_block("j:1-1", last=3.0, step=1.0)])
        service.append([a_block("j:1-1", last=3.0, step=1.0), a_block("j:2-2", key="acc")])
        assert [block.source for block in service.blocks(ONE, "loss")] == ["j:0-0", "j:1-1"]
        assert [(s.key, s.count, s.last) for s in service.summaries([ONE])] == [("acc", 1, 1.0), ("loss", 2, 3.0)]
        assert [(s.key, s.count) for s in service.summaries([ONE], keys=["loss", "none"])] == [("loss", 2)]
        with pytest.raises(NotFound):
            service.append([a_block("j:0-0", run=TWO)])

    def test_artifacts_replace_each_other_by_path(self, service: RunService) -> None:
        service.create(a_run(), experiment="e")
        first = Artifact(run=ONE, path="a.txt", digest=Digest("1" * 64), size_bytes=1, media_type="t", created_us=1)
        second = msgspec.structs.replace(first, digest=Digest("2" * 64))
        for artifact in (first, second, second):
            service.add_artifact(artifact)
        assert service.artifacts(ONE) == [second]

    def test_links_may_be_repeated(self, service: RunService) -> None:
        service.create(a_run(), experiment="e")
        for _ in range(2):
            service.link(ONE, "data:x", Role.INPUT)
            service.link(ONE, "model:y", Role.OUTPUT)

    def test_a_run_ends_once(self, service: RunService) -> None:
        service.create(a_run(), experiment="e")
        ended = service.finish(ONE, RunStatus.FAILED, ended_us=9, reason="it broke")
        assert (ended.status, ended.ended_us, ended.reason) == (RunStatus.FAILED, 9, "it broke")
        assert service.finish(ONE, RunStatus.FAILED, ended_us=10) == ended
        with pytest.raises(Conflict, match="has ended"):
            service.finish(ONE, RunStatus.FINISHED, ended_us=10)

    def test_an_ended_run_takes_late_points_and_nothing_else(self, service: RunService) -> None:
        service.create(a_run(params={"a": 1}), experiment="e")
        service.finish(ONE, RunStatus.FINISHED, ended_us=9)
        service.append([a_block("j:0-0")])
        assert len(service.blocks(ONE, "loss")) == 1
        assert service.describe(ONE, params={"a": 1}).params == {"a": 1}
        late = Artifact(run=ONE, path="a", digest=Digest("1" * 64), size_bytes=1, media_type="t", created_us=1)
        for write in (
            lambda: service.describe(ONE, params={"b": 1}),
            lambda: service.add_artifact(late),
            lambda: service.link(ONE, "data:x", Role.INPUT),
        ):
            with pytest.raises(Conflict, match="has ended"):
                write()

    def test_searches_filter_sort_and_page(self, service: RunService) -> None:
        for at, each in enumerate((ONE, TWO, OTHER)):
            service.create(a_run(each, params={"depth": at}, tags={"team": "risk"}), experiment=f"e{at % 2}")
            service.append([a_block("j:0-0", run=each, last=math.inf if at == 1 else float(at))])
        assert [one.run.id for one in service.search().items] == [OTHER, TWO, ONE]
        found = service.search(where="metric.loss > 0 and tag.team = risk", sort="-metric.loss", limit=1)
        (best,) = found.items
        assert (best.run.id, best.experiment, best.metrics["loss"].last) == (TWO, "e1", math.inf)
        more = service.search(where="metric.loss > 0 and tag.team = risk", sort="-metric.loss", after=found.next)
        assert [one.run.id for one in more.items] == [OTHER]
        assert not more.next
        (only,) = service.search(experiment="e0", where="param.depth = 0", metrics=[]).items
        assert (only.run.id, only.metrics) == (ONE, {})
        with pytest.raises(NotFound, match="e9"):
            service.search(experiment="e9")

    def test_the_newest_runs_are_found_first_whatever_their_ids(self, service: RunService) -> None:
        for each, created_us in ((ONE, 3_000), (TWO, 1_000), (OTHER, 2_000)):
            service.create(a_run(each, created_us=created_us), experiment="e")
        first = service.search(limit=1)
        rest = service.search(after=first.next)
        assert [one.run.id for one in (*first.items, *rest.items)] == [ONE, OTHER, TWO]
        assert [one.run.id for one in service.search(experiment="e", where="name is not null").items] == [
            ONE,
            OTHER,
            TWO,
        ]

    def test_a_search_that_cannot_be_read_points_at_the_character(self, service: RunService) -> None:
        for where, sort, position in (("metric.a > x", "", 11), ("", "name,size", 5)):
            with pytest.raises(Unreadable) as caught:
                service.search(where=where, sort=sort)
            assert caught.value.position == position
        with pytest.raises(Invalid, match="page token"):
            service.search(sort="name", after="nothing")

    def test_small_blocks_are_merged_when_the_run_ends(self, service: RunService) -> None:
        service.create(a_run(), experiment="e")
        values = np.array([math.nan, -0.0, math.inf, 1.5, 2.5, 1e-310] * 5)
        whole = Points(np.arange(30) // 2, np.arange(30)[::-1].copy(), values)
        blocks = [
            block_of(ONE, "loss", f"j:{at}-{at + 4}", Points._make(column[at : at + 5] for column in whole))
            for at in range(0, 30, 5)
        ]
        service.append(blocks)
        before = service.summaries([ONE])
        service.finish(ONE, RunStatus.FINISHED, ended_us=9)
        service.append([blocks[2], a_block("j:2-2")])
        (merged, late) = service.blocks(ONE, "loss")
        assert (merged.source, late.source) == ("j:0-29", "j:2-2")
        for got, sent in zip(points_of(merged), whole, strict=True):
            assert got.tobytes() == sent.tobytes()
        assert (before[0].count, service.summaries([ONE])[0].count) == (30, 31)

    def test_samples_share_one_axis(self, service: RunService) -> None:
        points = Points(np.arange(100), np.arange(100), np.array([float(at % 10) for at in range(99)] + [math.inf]))
        service.create(a_run(), experiment="e")
        service.create(a_run(TWO), experiment="e")
        service.append([block_of(ONE, "loss", "j:0-99", points)])
        service.append([block_of(TWO, "loss", "j:0-0", Points._make(column[:1] for column in points))])
        one, two = service.sample([ONE, TWO, OTHER], "loss", width=10)
        assert (one.run, one.count, one.exact, two.count, two.exact) == (ONE, 100, False, 1, True)
        assert (one.steps, one.lows) == ([float(at * 10 + 9) for at in range(10)], [0.0] * 10)
        assert (one.highs[-2:], one.lasts[-2:]) == ([9.0, math.inf], [9.0, math.inf])
        (part,) = service.sample([ONE], "loss", width=50, low=20, high=24)
        assert (part.steps, part.lasts, part.exact) == ([20, 21, 22, 23, 24], [0, 1, 2, 3, 4], True)
        assert service.sample([OTHER], "loss") == []
        with pytest.raises(Invalid, match="pixels"):
            service.sample([ONE], "loss", width=0)

    def test_tags_and_name_of_a_run_that_has_ended_can_change_and_nothing_else(self, service: RunService) -> None:
        service.create(a_run(params={"depth": 1}), experiment="e")
        service.finish(ONE, RunStatus.FINISHED, ended_us=9)
        after = service.describe(ONE, tags={"note": "the good one"}, name="good")
        assert (after.tags, after.name, after.status) == ({"note": "the good one"}, "good", RunStatus.FINISHED)
        assert service.get("good") == after
        with pytest.raises(Conflict, match="has ended"):
            service.describe(ONE, params={"width": 2})

    def test_an_ended_run_goes_on(self, service: RunService) -> None:
        service.create(a_run(), experiment="e")
        service.finish(ONE, RunStatus.FAILED, ended_us=9, reason="it broke")
        for _ in range(2):
            after = service.resume(ONE)
            assert (after.status, after.ended_us, after.reason) == (RunStatus.RUNNING, 0, "")
        service.describe(ONE, params={"late": True})
        assert service.finish(ONE, RunStatus.FINISHED, ended_us=11).ended_us == 11
        with pytest.raises(NotFound):
            service.resume(TWO)

    def test_a_run_that_was_stopped_goes_on_without_being_asked_again(self, service: RunService) -> None:
        service.create(a_run(tags={STOP_TAG: "ann", "team": "risk"}), experiment="e")
        assert service.resume(ONE).tags == {STOP_TAG: "ann", "team": "risk"}, "it has not heard that yet"
        service.finish(ONE, RunStatus.INTERRUPTED, ended_us=7)
        assert service.resume(ONE).tags == service.get(ONE).tags == {"team": "risk"}

    def test_a_filter_names_runs_as_people_do(self, service: RunService) -> None:
        service.create(a_run(name="search"), experiment="e")
        service.create(a_run(TWO, name="trial", parent=ONE), experiment="e")
        for word in (ONE, "search", ONE[:-1]):
            assert [each.run.id for each in service.search(where=f"parent = '{word}'").items] == [TWO]
        with pytest.raises(NotFound, match="did you mean search"):
            service.search(where="parent = serach")
        with pytest.raises(NotFound, match="did you mean trial"):
            service.get("trail")

    def test_a_fork_shares_the_history_up_to_a_step(self, service: RunService) -> None:
        service.create(a_run(params={"lr": 0.1, "depth": 4}), experiment="e")
        points = Points(np.arange(10), np.arange(10) * 1000, np.arange(10) / 4)
        service.append([block_of(ONE, "loss", "j:0-9", points), block_of(ONE, "late", "j:20-29", late_by(points, 10))])
        service.create(a_run(TWO, params={"lr": 0.2}), experiment="e")
        for _ in range(2):
            forked = service.fork(TWO, of=ONE, step=6)
        assert forked.params == {"lr": 0.2, "depth": 4}
        (block,) = service.blocks(TWO, "loss")
        assert points_of(block).values.tolist() == [at / 4 for at in range(7)]
        assert [(each.key, each.count, each.last_step) for each in service.summaries([TWO])] == [("loss", 7, 6.0)]
        assert [each.count for each in service.summaries([ONE])] == [10, 10]

    def test_a_beat_is_the_run_as_it_is_now(self, service: RunService) -> None:
        service.create(a_run(), experiment="e")
        service.describe(ONE, tags={"team": "risk"})
        assert service.beat(ONE).tags == {"team": "risk"}
        service.finish(ONE, RunStatus.FINISHED, ended_us=9)
        assert service.beat(ONE).status is RunStatus.FINISHED
        with pytest.raises(NotFound):
            service.beat(TWO)


def late_by(points: Points, steps: int) -> Points:
    """The same points at later steps."""
    return Points(points.steps + steps, points.times_us, points.values)
