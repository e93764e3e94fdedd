"""A comparison names what differs, and nothing that is equal."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from clew.core.contracts.stores import Stores
from clew.core.ids import Digest
from clew.core.types.dataset import Dataset, DatasetKind, DatasetVersion
from clew.core.types.edge import Role
from clew.core.types.run import Run
from clew.loop.in_place import InPlace
from clew.settings import Settings
from clew.testing.runs import ONE, TWO, a_block, a_run
from clew.tracking.capture.environment import Environment
from clew.tracking.capture.seen import Seen
from clew.tracking.capture.source import take_source
from clew.tracking.compare import Comparison, Difference, compare
from clew.tracking.overview import overview_of
from clew.tracking.runs import LedgerRuns

HERE = Environment(python="3.11.7", implementation="cpython", system="linux", machine="x86_64", libc="", packages={})


def captured(stores: Stores, folder: Path, files: dict[str, bytes], packages: dict[str, str]) -> dict[str, Digest]:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    source = take_source(stores.objects, folder, None, Seen(None))
    environment = msgspec.structs.replace(HERE, packages=packages)
    return {
        "source": stores.objects.put(msgspec.json.encode(source)),
        "environment": stores.objects.put(msgspec.json.encode(environment)),
    }


def run_of(stores: Stores, id: str, **changes: object) -> Run:
    return LedgerRuns(stores).create(a_run(id, **changes), experiment="e")


def compared(stores: Stores, *runs: Run) -> Comparison:
    return compare(stores.objects, [overview_of(InPlace(stores, Settings()), run) for run in runs])


@pytest.fixture
def two(stores: Stores, tmp_path: Path) -> tuple[Run, Run]:
    before = {"train.py": b"a = 1\nb = 2\n", "same.py": b"x\n", "gone.py": b"gone\n"}
    after = {"train.py": b"a = 1\nb = 3\n", "same.py": b"x\n", "new.py": b"new"}
    one = captured(stores, tmp_path / "one", before, {"numpy": "1", "polars": "2"})
    two = captured(stores, tmp_path / "two", after, {"numpy": "1.1", "polars": "2", "skops": "3"})
    return (
        run_of(stores, ONE, params={"lr": 0.1, "depth": 6}, capture=one, commit="abc"),
        run_of(stores, TWO, params={"lr": 0.2, "depth": 6, "new": None}, capture=two, commit="abc+"),
    )


def test_parameters_packages_and_machine(stores: Stores, two: tuple[Run, Run]) -> None:
    found = compared(stores, *two)
    assert found.params == [Difference("lr", [0.1, 0.2])]
    assert found.packages == [Difference("numpy", ["1", "1.1"]), Difference("skops", [None, "3"])]
    assert found.machine == [Difference("commit", ["abc", "abc+"])]


def test_code_is_a_diff(stores: Stores, two: tuple[Run, Run]) -> None:
    (change,) = compared(stores, *two).code
    assert (change.run, change.changed, change.added, change.removed) == (TWO, ["train.py"], ["new.py"], ["gone.py"])
    assert "-b = 2\n+b = 3\n" in change.diff
    assert "--- /dev/null\n+++ b/new.py\n@@ -0,0 +1 @@\n+new\n\\ No newline at end of file\n" in change.diff
    assert "--- a/gone.py\n+++ /dev/null\n" in change.diff
    assert "same.py" not in change.diff


def test_metrics_are_side_by_side(stores: Stores, two: tuple[Run, Run]) -> None:
    runs = LedgerRuns(stores)
    runs.append([a_block("j:0-0", run=ONE, last=0.5), a_block("j:0-0", run=TWO, last=0.5)])
    runs.append([a_block("j:0-1", run=TWO, key="auc", last=0.9)])
    assert compared(stores, *two).metrics == [Difference("auc", [None, 0.9]), Difference("loss", [0.5, 0.5])]


def test_data_versions_are_one_line_for_a_dataset(stores: Stores, two: tuple[Run, Run]) -> None:
    runs = LedgerRuns(stores)
    with stores.ledger.write() as tx:
        tx.datasets.add(Dataset(id="d", project="p", name="flights", kind=DatasetKind.TABLE, created_us=1))
        for number in (1, 2):
            tx.datasets.add_version(
                DatasetVersion(
                    id=f"v{number}",
                    dataset="d",
                    name="flights",
                    kind=DatasetKind.TABLE,
                    number=number,
                    digest=Digest("0" * 64),
                    manifest=Digest("0" * 64),
                    rows=1,
                    size_bytes=1,
                    created_us=number,
                    created_by="ann",
                )
            )
    runs.link(ONE, "data:v1", Role.INPUT)
    runs.link(TWO, "data:v2", Role.INPUT)
    runs.link(TWO, "data:unknown", Role.INPUT)
    found = compared(stores, *two)
    assert found.inputs == [Difference("data:unknown", [None, "used"]), Difference("flights", ["1", "2"])]
    links = overview_of(InPlace(stores, Settings()), two[0]).inputs
    assert [(link.reference, link.node) for link in links] == [("flights@1", "data:v1")]


def test_runs_without_records_can_be_compared(stores: Stores) -> None:
    one, two = run_of(stores, ONE), run_of(stores, TWO, params={"a": True})
    found = compared(stores, one, two, one)
    assert found.params == [Difference("a", [None, True, None])]
    assert [(change.changed, change.diff) for change in found.code] == [([], ""), ([], "")]


def test_binary_and_large_files_are_named_only(stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.tracking.compare._DIFF_LINES", 10)
    one = captured(stores, tmp_path / "one", {"a.py": b"\0", "b.py": b"x\n" * 50}, {})
    two = captured(stores, tmp_path / "two", {"a.py": b"\1\0", "b.py": b"y\n" * 50}, {})
    found = compared(stores, run_of(stores, ONE, capture=one), run_of(stores, TWO, capture=two))
    assert "a.py is no text" in found.code[0].diff
    assert found.code[0].diff.endswith("longer than 10 lines\n")
