"""What a ledger must do for experiments, runs and artifacts."""

from __future__ import annotations

import msgspec
import pytest

from clew.core.contracts.ledger import Ledger
from clew.core.errors import Exists, NotFound
from clew.core.types.run import DEFAULT_EXPERIMENT, Artifact, Experiment, RunStatus
from clew.testing.ledger.examples import NO_DIGEST, a_run

__all__ = ["RunsContract"]


class RunsContract:
    """What holds for `clew.core.contracts.ledger.Experiments`, `Runs` and `Artifacts`."""

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

    def test_the_newest_run_of_a_name_need_not_have_the_greatest_id(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.runs.add(a_run("f0", name="came", created_us=1))
            tx.runs.add(a_run("00", name="came", created_us=2))
            assert [run.id for run in tx.runs.find("p", "came")] == ["00", "f0"]

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

    def test_artifacts_below_a_folder(self, ledger: Ledger) -> None:
        paths = ["a", "a b/c", "a.txt", "a/b", "a/b/c", "a/é", "a0", "b/a/c", "ä/b"]
        with ledger.write() as tx:
            for path in reversed(paths):
                tx.artifacts.put(
                    Artifact(run="r", path=path, digest=NO_DIGEST, size_bytes=1, media_type="", created_us=1)
                )
            for under in ("a", "a/b", "a b", "ä", "b", "none", "a/b/c"):
                wanted = [path for path in paths if path.startswith(f"{under}/")]
                assert [each.path for each in tx.artifacts.list("r", under=under)] == wanted
            assert [each.path for each in tx.artifacts.list("r")] == paths
            assert tx.artifacts.list("s", under="a") == []

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
