"""Every kind of change, with a fault at any operation of the disk or at any call of a store.

Nothing that was acknowledged is lost, nothing half-done is seen, and the same call again ends where it would have
ended. Rows survive everything here, so that a row which names bytes that were not safe yet is found out.
"""

from __future__ import annotations

import io
import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.clock import SystemClock
from clew.core.contracts.stores import Stores
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest, Ids
from clew.core.types.dataset import DatasetKind
from clew.core.types.package import Environment
from clew.core.types.run import RunStatus
from clew.core.types.signature import Dtype, Field, Scale, Signature, Task
from clew.data.add_files import add_files
from clew.data.add_table import TableRules, add_table
from clew.data.origin import Origin
from clew.data.site import Site
from clew.data.table import read_manifest, scan_table
from clew.data.tree import reader, walk
from clew.loop.labelling import add_labels
from clew.loop.waiting import payloads_from, undrained
from clew.registry.aliases import LedgerAliases
from clew.registry.columns import columns_of
from clew.registry.formats.format import Trust
from clew.registry.models import LedgerModels
from clew.registry.package import Draft, build_package, load_package
from clew.registry.signature import infer_signature, outputs_of
from clew.serving.compaction import compact, journal_folder
from clew.serving.journal import ReplicaJournal, segments
from clew.serving.records import DecisionRecord, LabelRecord, decode, encode
from clew.testing.disk import Fault
from clew.testing.faults import When
from clew.testing.ledger.examples import a_run, an_endpoint
from clew.testing.survival import Deed, Mishap, endure, endure_stores, operations_of, writes_of
from clew.tracking.artifact import Content, keep
from clew.tracking.runs import LedgerRuns

RUN = "01a0" + "0" * 28
DRAW = random.Random(0)
FILES = {f"d{at % 3}/{at}": DRAW.randbytes(DRAW.randrange(6000)) for at in range(20)}
TABLE = pl.DataFrame({"key": range(300), "value": [DRAW.random() for _ in range(300)]})
LARGE = DRAW.randbytes(1 << 20)


def put_objects(stores: Stores) -> None:
    """One of each form that an object may have."""
    stores.objects.put(b"small")
    stores.objects.put(LARGE[:9000] * 3)
    with stores.objects.batch() as batch:
        for at in range(60):
            batch.put(LARGE[at * 1000 : (at + 1) * 1000])
    (source := stores.folder.parent / "source").write_bytes(LARGE + b"!")
    stores.objects.put_file(source)
    stores.objects.put(b"the last one")


def see_objects(stores: Stores) -> object:
    """Whether the last one is there; all that are there must be sound."""
    there = list(stores.objects.list())
    assert all(hash_bytes(stores.objects.get(digest)) == digest for digest in there)
    return len(there) if hash_bytes(b"the last one") in there else 0


def add_folder(stores: Stores) -> None:
    folder = stores.folder.parent / "working"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    add_files(Site.of(stores), "raw", folder)


def see_data(stores: Stores) -> object:
    """Every version of every dataset, with all that it holds."""
    site = Site.of(stores)
    found: dict[str, object] = {}
    for dataset in site.datasets.list():
        for version in site.datasets.versions(dataset.name).items:
            if version.kind is DatasetKind.TABLE:
                content: object = (
                    scan_table(site.objects, read_manifest(site.objects, version.manifest)).collect().rows()
                )
            else:
                content = {
                    p: site.objects.get(Digest(e.content.hex()))
                    for p, e in walk(reader(site.objects), version.digest)
                    if e.files == 1
                }
            found[version.reference] = (version.digest, content)
    return found


def add_flights(stores: Stores) -> None:
    add_table(Site.of(stores), "flights", TABLE, rules=TableRules(key=["key"]), origin=Origin(message="January"))


def add_more(stores: Stores) -> None:
    more = TABLE.with_columns(pl.col("key") + 1000)
    add_table(Site.of(stores), "flights", pl.concat([TABLE, more]), rules=TableRules(), origin=Origin())


def begin_run(stores: Stores) -> None:
    LedgerRuns(stores).create(a_run(RUN), experiment="e")


def end_run(stores: Stores) -> None:
    runs = LedgerRuns(stores)
    if runs.get(RUN).status is RunStatus.RUNNING:
        keep(runs, stores.objects, RUN, "notes.txt", Content(b"what came of it" * 100, "text/plain"), at_us=1)
    runs.finish(RUN, RunStatus.FINISHED, ended_us=9)


def see_run(stores: Stores) -> object:
    runs = LedgerRuns(stores)
    run = runs.get(RUN)
    kept = {each.path: stores.objects.get(each.digest) for each in runs.artifacts(RUN)}
    with stores.ledger.read() as tx:
        ended = len(tx.events.list("p", kind="run.ended").items)
    return (run.status, ended, kept) if run.status is RunStatus.FINISHED else (run.status, ended)


def register(stores: Stores) -> None:
    from sklearn.linear_model import LinearRegression

    frame = pl.DataFrame({"x": [0.0, 1.0, 2.0]})
    table, model = columns_of(frame), LinearRegression().fit(frame, [0.0, 1.0, 2.0])
    draft = Draft(
        model=model,
        signature=infer_signature(model, table),
        example=table,
        environment=Environment(python="3.11", platform="linux", distributions={}),
    )
    LedgerModels(stores, Trust()).register("delay", build_package(stores.objects, draft, Trust()))


def see_model(stores: Stores) -> object:
    models, found = LedgerModels(stores, Trust()), []
    for model in models.list():
        for version in models.versions(model.name).items:
            package = load_package(stores.objects, version.package)
            files = sorted((file.role, stores.objects.get(file.digest)) for file in package.files)
            found.append((version.reference, files))
    with stores.ledger.read() as tx:
        events = len(tx.events.list("p", kind="version.added").items)
        moves = [(m.alias, m.number) for m in tx.models.aliases(models.list()[0].id)] if found else []
    return found, moves, events


class NoGate:
    def guarded(self, model: str) -> tuple[str, ...]:
        return ()


def move_alias(stores: Stores) -> None:
    LedgerAliases(stores, NoGate()).promote("delay@1", "champion", reason="the first")  # type: ignore[arg-type]


IDS = Ids(SystemClock())
ENDPOINT = an_endpoint(name="late")


def tell_labels(stores: Stores) -> None:
    rows = pl.DataFrame({"flight": ["a", "b"], "late": [True, False]})
    add_labels(stores, ENDPOINT, rows, label="late", by_key="flight")


def see_labels(stores: Stores) -> object:
    with stores.ledger.read() as tx:
        batches = tx.logs.list("ll")
    return [pl.read_parquet(io.BytesIO(stores.objects.get(b.object))).select("key", "label").rows() for b in batches]


SIGNATURE = Signature(
    inputs=(Field(name="x", dtype=Dtype.FLOAT64),),
    outputs=outputs_of(()),
    task=Task.REGRESSION,
    scale=Scale.VALUE,
    classes=(),
)


def answer(stores: Stores) -> None:
    """Two segments of requests and labels."""
    journal = ReplicaJournal(journal_folder(stores, "e") / "replica-1", IDS, segment_bytes=1500, sync_s=3600)
    for number in range(12):
        first = f"{number:016x}" + "0" * 16
        journal.append(
            encode(
                DecisionRecord(
                    first, "", number, number, 1, "v", "r", 2, ["a", "b"], {"x": [0.5, 1.5]}, [0.1, 0.2], [1.0, 2.0]
                )
            )
        )
        journal.append(encode(LabelRecord(number, number, [first], [""], [1.0])))
    journal.close()


def compact_log(stores: Stores) -> None:
    compact(stores, ENDPOINT, signature_of=lambda _version: SIGNATURE)
    assert waiting_in(stores) == []
    assert segments(journal_folder(stores, "e") / "replica-1") == []


def waiting_in(stores: Stores) -> list[str]:
    with stores.ledger.read() as tx:
        starts = undrained(tx, stores, ENDPOINT)
    found = []
    for record in map(decode, payloads_from(starts)):
        if isinstance(record, DecisionRecord):
            found += [record.first_id] * record.rows
        elif isinstance(record, LabelRecord):
            found += [f"label of {each}" for each in record.ids]
    return found


def see_log(stores: Stores) -> object:
    """Everything that is known of the endpoint, once, wherever it stands."""
    found = waiting_in(stores)
    with stores.ledger.read() as tx:
        decided, labels = tx.logs.list("lp"), tx.logs.list("ll")
    for batch in decided:
        found += pl.read_parquet(io.BytesIO(stores.objects.get(batch.object)))["request"].to_list()
    for batch in labels:
        ids = pl.read_parquet(io.BytesIO(stores.objects.get(batch.object)))["id"]
        found += [f"label of {each}" for each in ids]
    return sorted(found)


DEEDS = {
    "objects": Deed(put_objects, see_objects),
    "files": Deed(add_folder, see_data),
    "table": Deed(add_flights, see_data),
    "table, version 2": Deed(add_more, see_data, prepare=add_flights),
    "run": Deed(end_run, see_run, prepare=begin_run),
    "model": Deed(register, see_model),
    "alias": Deed(move_alias, see_model, prepare=register),
    "labels": Deed(tell_labels, see_labels),
    "compaction": Deed(compact_log, see_log, prepare=answer),
}
ON_DISK = [name for name in DEEDS if name != "alias"]


@pytest.fixture(scope="module")
def counts() -> dict[str, int]:
    return {}


@pytest.mark.parametrize("name", ON_DISK)
@settings(max_examples=25)
@given(data=st.data())
def test_a_disk_that_fails(
    tmp_path_factory: pytest.TempPathFactory, counts: dict[str, int], name: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("disk")
    if name not in counts:
        counts[name] = operations_of(DEEDS[name], folder)
    mishap = Mishap(
        at=data.draw(st.integers(1, counts[name] + 1), "at"),
        fault=data.draw(st.sampled_from([fault for fault in Fault if fault is not Fault.SLOW]), "fault"),
        power=data.draw(st.booleans(), "power"),
        again=data.draw(st.booleans(), "again"),
        seed=data.draw(st.integers(0, 1000), "seed"),
    )
    endure(DEEDS[name], folder, mishap)


def test_a_disk_that_breaks_at_any_operation_of_a_compaction(tmp_path: Path) -> None:
    for at in range(1, operations_of(DEEDS["compaction"], tmp_path) + 1):
        endure(DEEDS["compaction"], tmp_path / str(at), Mishap(at=at, fault=Fault.BROKEN))


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("name", list(DEEDS))
def test_stores_that_fail(tmp_path: Path, name: str, when: When) -> None:
    for at in range(1, writes_of(DEEDS[name], tmp_path) + 1):
        endure_stores(DEEDS[name], tmp_path / str(at), at=at, when=when)
