"""The collector keeps all that something names, however, and frees the rest; killed anywhere, beside writers, too."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt, NotFound
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.core.types.job import Job, JobState
from clew.core.types.run import Artifact
from clew.data.folder import Entry, EntryKind, encode
from clew.loop.care.collect import Collected, Terms, collect
from clew.loop.doctor.needs import needs
from clew.settings import SQLITE
from clew.store.ledger.sql.mentions import tables
from clew.store.ledger.sql.migrate import migrations
from clew.store.objects.bucket import Bucket, open_bucket
from clew.store.objects.cached import CachedObjects
from clew.store.objects.collection import collection_of
from clew.store.objects.remote import RemoteObjects
from clew.testing.life import Life
from clew.testing.project import open_stores
from clew.workspace import Workspace, init_project

NOW = Terms(young_us=-(10**15), grace_us=10**15)
"""Nothing is too young, and nothing is deleted."""
AT_ONCE = Terms(young_us=-(10**15), grace_us=-(10**15))


KINDS = ["folder", "bucket"]
_buckets: dict[Path, Bucket] = {}


def opened(folder: Path, kind: str) -> Stores:
    """A project with objects in its folder, or in a bucket; opened again it is the same one."""
    stores = open_stores(folder)
    if kind == "folder":
        return stores
    bucket = _buckets.setdefault(folder, open_bucket("memory:///"))
    remote = RemoteObjects(bucket, folder / "cache" / "bucket")
    return replace(stores, objects=CachedObjects(remote, folder / "cache" / "objects", limit_bytes=1 << 20))


def collected(stores: Stores, terms: Terms = NOW, *, dry_run: bool = False) -> Collected:
    return collect(stores, terms, dry_run=dry_run, tell=lambda _: None)


def name(stores: Stores, digest: Digest) -> None:
    """Let a row name an object, which may name others."""
    job = Job(
        id=stores.ids(), project=stores.project, kind="k", key=digest, args={"object": digest}, state=JobState.QUEUED,
        due_us=0, created_us=0,
    )  # fmt: skip
    with stores.ledger.write() as tx:
        tx.jobs.queue(job)


def leaf(stores: Stores, digest: Digest, path: str) -> None:
    """Let a run keep an object as a file."""
    with stores.ledger.write() as tx:
        tx.artifacts.put(Artifact(run="r", path=path, digest=digest, size_bytes=0, media_type="", created_us=0))


@pytest.mark.parametrize("database", [SQLITE, "postgresql"], indirect=True)
def test_a_project_with_everything_keeps_what_it_needs(life: Life, database: str) -> None:
    stores, objects = life.workspace.stores, life.workspace.stores.objects
    for day in range(3):
        life.label(life.decide(day, 24), day=day + 0.5)
    life.end_replica()
    life.watch(4.0)
    rubbish = [objects.put(b"rubbish %d" % each * 100) for each in range(5)]
    with stores.ledger.read() as tx:
        needed = {digest for digest, _ in needs(tx, stores.project, objects) if digest}
    assert len(needed) > 20
    before = {digest: objects.get(digest) for digest in needed}
    first = collected(stores)
    assert first.garbage >= 5
    assert not objects.missing(needed)
    assert objects.missing(rubbish) == set(rubbish)
    second = collected(stores, AT_ONCE)
    assert second.freed_bytes > 0
    assert {digest: objects.get(digest) for digest in needed} == before
    for digest in rubbish:
        with pytest.raises(NotFound):
            objects.get(digest)
    assert {digest for digest, damage in objects.check() if damage is None} >= needed


@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_changes_nothing(tmp_path: Path, kind: str) -> None:
    stores = opened(tmp_path, kind)
    digest = stores.objects.put(b"rubbish" * 50)
    found = collected(stores, dry_run=True)
    assert (found.garbage, found.live, found.dry_run) == (1, 0, True)
    assert not stores.objects.missing([digest])
    assert not collection_of(stores.objects).aside()


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_just_written_is_left_alone(tmp_path: Path, kind: str) -> None:
    stores = opened(tmp_path, kind)
    loose = stores.objects.put(b"a writer has not named it yet" * 50)
    with stores.objects.batch() as batch:
        packed = batch.put(b"nor this")
    found = collected(stores, Terms(young_us=3600 * 10**6, grace_us=0))
    assert (found.garbage, found.young) == (0, 2)
    assert not stores.objects.missing([loose, packed])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_set_aside_is_read_and_taken_back_when_it_is_named(tmp_path: Path, kind: str) -> None:
    stores = opened(tmp_path, kind)
    loose = stores.objects.put(b"named too late" * 50)
    with stores.objects.batch() as batch:
        packed, kept = batch.put(b"this too"), batch.put(b"kept")
    leaf(stores, kept, "kept")
    assert collected(stores).garbage == 2
    assert stores.objects.missing([loose, packed, kept]) == {loose, packed}
    assert stores.objects.get(loose) == b"named too late" * 50
    with stores.objects.open(packed) as file:
        assert file.read() == b"this too"
    assert stores.objects.size(packed) == 8
    leaf(stores, loose, "1")
    leaf(stores, packed, "2")
    assert collected(stores, AT_ONCE).taken_back == 2
    assert not stores.objects.missing([loose, packed, kept])
    assert stores.objects.get(packed) == b"this too"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_put_again_is_stored_again(tmp_path: Path, kind: str) -> None:
    stores = opened(tmp_path, kind)
    digest = stores.objects.put(b"again" * 50)
    collected(stores)
    assert stores.objects.missing([digest])
    assert stores.objects.put(b"again" * 50) == digest
    leaf(stores, digest, "again")
    collected(stores, AT_ONCE)
    assert stores.objects.get(digest) == b"again" * 50


def test_names_in_files_that_wait_count(tmp_path: Path) -> None:
    stores = open_stores(tmp_path)
    digest = stores.objects.put(b"of a run whose end is not in the ledger yet" * 9)
    (tmp_path / "journals" / "r").mkdir(parents=True)
    (tmp_path / "journals" / "r" / "0.records").write_bytes(b"\1\2" + digest.encode() + b"\0")
    assert collected(stores).garbage == 0


@pytest.mark.parametrize("at", [(4 << 20) - 1, (4 << 20) - 63, 65 << 20])
def test_names_in_long_files_that_wait_count(tmp_path: Path, at: int) -> None:
    """A run that has shown much has a long outbox."""
    stores = open_stores(tmp_path)
    digest = stores.objects.put(b"shown by a run that goes on" * 9)
    (tmp_path / "journals" / "r").mkdir(parents=True)
    with (tmp_path / "journals" / "r" / "outbox").open("wb") as file:
        file.seek(at)
        file.write(digest.encode())
    assert collected(stores).garbage == 0


def test_an_output_of_a_step_that_lies_in_its_row_names_what_it_holds(life: Life) -> None:
    """A path's small document is base64 in the row, and names the files."""
    from clew.core.types.step import StepEntry, StepOutput

    stores = life.workspace.stores
    digest = stores.objects.put(b"a file that a step made" * 40)
    inline = msgspec.msgpack.encode(["out.csv", False, [], [["", digest, False]]])
    output = StepOutput(codec="path", digest=hash_bytes(inline), size_bytes=len(inline), inline=inline)
    entry = StepEntry(
        key=hash_bytes(b"k"), project=stores.project, step="s", output=output, ingredients={}, run="", created_us=0,
        duration_us=0,
    )  # fmt: skip
    with stores.ledger.write() as tx:
        tx.steps.put([entry])
    collected(stores)
    assert not stores.objects.missing([digest])


def test_an_object_that_cannot_be_read_stops_it(tmp_path: Path) -> None:
    stores = open_stores(tmp_path)
    lost = stores.objects.put(b"below" * 100)
    names = stores.objects.put(json.dumps([lost] * 20).encode())
    garbage = stores.objects.put(b"garbage" * 100)
    name(stores, names)
    (file,) = (tmp_path / "objects" / "loose").glob(f"*/{names}*")
    file.chmod(0o644)
    file.write_bytes(b"damaged")
    with pytest.raises(Corrupt):
        collected(stores)
    assert not stores.objects.missing([lost, garbage])


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[tuple[str, list[int]]], set[int], list[bool]]:
    """Objects that name earlier ones, each in one of several ways; which of them rows name; which lie in packs."""
    count = draw(st.integers(1, 12))
    kinds = st.sampled_from(["hex", "raw", "folder", "rows", "plain"])
    nodes = [(draw(kinds), draw(st.lists(st.integers(0, at - 1), max_size=3)) if at else []) for at in range(count)]
    packed = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    return nodes, draw(st.sets(st.integers(0, count - 1))), packed


def content(at: int, kind: str, below: list[tuple[Digest, str]]) -> bytes:
    """An object that names others. Rows and plain ones name none."""
    if kind == "hex":
        return json.dumps({"at": at, "parts": [digest for digest, _ in below]}).encode()
    if kind == "raw":
        return b"\x93%d" % at + b"x".join(bytes.fromhex(digest) for digest, _ in below)
    if kind == "folder":
        kinds = [EntryKind.FOLDER if kind == "folder" else EntryKind.FILE for _, kind in below]
        named = enumerate(zip(below, kinds, strict=True))
        return encode(Entry(f"{n}-{at}".encode(), k, 1, 1, bytes.fromhex(d)) for n, ((d, _), k) in named)
    return (b"PAR1" if kind == "rows" else b"plain") + b"%d" % at


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(), st.sampled_from(KINDS))
def test_it_keeps_what_can_be_reached_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, graph: tuple[list[tuple[str, list[int]]], set[int], list[bool]], kind: str
) -> None:
    nodes, roots, packed = graph
    folder = tmp_path_factory.mktemp("graph")
    stores = opened(folder, kind)
    digests: list[Digest] = []
    for at, (form, below) in enumerate(nodes):
        data = content(at, form, [(digests[each], nodes[each][0]) for each in below])
        if packed[at]:
            with stores.objects.batch() as batch:
                digests.append(batch.put(data))
        else:
            digests.append(stores.objects.put(data))
    for root in roots:
        name(stores, digests[root])
    followed: set[int] = set()
    waiting = [*roots]
    live = set(roots)
    while waiting:
        at = waiting.pop()
        if at in followed:
            continue
        followed.add(at)
        form, below = nodes[at]
        if form in ("hex", "raw"):
            live.update(below)
            waiting += below
        elif form == "folder":
            live.update(below)
            waiting += [each for each in below if nodes[each][0] == "folder"]
    found = collected(stores)
    expected = {digests[at] for at in live}
    assert set(stores.objects.list()) == expected
    assert (found.live, found.garbage) == (len(expected), len(set(digests)) - len(expected))
    collected(stores, AT_ONCE)
    assert set(stores.objects.list()) == expected
    inner: Any = getattr(stores.objects, "inner", stores.objects)
    assert all(damage is None for _, damage in inner.check())
    stores.ledger.close()
    _buckets.pop(folder, None)


VERBS = st.sampled_from(["put", "pack", "name", "read", "collect"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    stored=st.lists(st.sampled_from(["", "loose", "packed"]), min_size=6, max_size=6),
    roots=st.sets(st.integers(0, 5)),
    writes=st.lists(st.tuples(st.integers(0, 9), VERBS, st.integers(0, 5)), max_size=25),
    kind=st.sampled_from(KINDS),
)
def test_whatever_a_writer_does_at_any_moment_what_it_names_is_kept(
    tmp_path_factory: pytest.TempPathFactory,
    stored: list[str],
    roots: set[int],
    writes: list[tuple[int, str, int]],
    kind: str,
) -> None:
    """The writer acts between any two steps of the collector; in a bucket another collector may, too."""
    folder = tmp_path_factory.mktemp("beside")
    first = opened(folder, kind)
    contents = [b"content %d" % at * 20 for at in range(6)]
    with first.objects.batch() as batch:
        for at, how in enumerate(stored):
            if how == "packed":
                batch.put(contents[at])
            elif how == "loose":
                first.objects.put(contents[at])
    writer, other = opened(folder, kind), opened(folder, kind)
    left, put = [act for wait, verb, at in writes for act in [("wait", 0)] * wait + [(verb, at)]], set[int]()
    named = {at for at in roots if stored[at]}
    for at in named:
        leaf(first, hash_bytes(contents[at]), str(at))

    def acts() -> None:
        verb, at = left.pop(0) if left else ("wait", 0)
        if verb == "put":
            writer.objects.put(contents[at])
            put.add(at)
        elif verb == "pack":
            with writer.objects.batch() as batch:
                for each in range(at + 1):
                    batch.put(contents[each])
            put.update(range(at + 1))
        elif verb == "name" and at in put:
            leaf(writer, hash_bytes(contents[at]), str(at))
            named.add(at)
        elif verb == "read":
            assert all(opened(folder, kind).objects.get(hash_bytes(contents[each])) == contents[each] for each in named)
        elif verb == "collect" and kind == "bucket":
            collected(other)

    class Watched:
        """A store before whose every step the writer acts."""

        def __init__(self, inner: object) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Callable[..., object]:
            found: Callable[..., object] = getattr(self._inner, name)

            def step(*given: object, **more: object) -> object:
                acts()
                return found(*given, **more)

            return step

    if isinstance(first.objects, CachedObjects):
        inner = first.objects.inner
        assert isinstance(inner, RemoteObjects)
        watched = Watched(inner.bucket)
        mine = RemoteObjects(cast("Bucket", watched), folder / "cache" / "bucket")
        watched.__dict__["address"] = inner.bucket.address
        collected(replace(first, objects=mine))
    else:
        module = import_module("clew.loop.care.collect")
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(module, "collection_of", lambda objects: Watched(collection_of(objects)))
            collected(first)
    for at in named:
        assert opened(folder, kind).objects.get(hash_bytes(contents[at])) == contents[at]
    while left:
        acts()
    for terms in (NOW, AT_ONCE, AT_ONCE):
        collected(other, terms)
        last = opened(folder, kind)
        assert not last.objects.missing({hash_bytes(contents[at]) for at in named})
        assert all(last.objects.get(hash_bytes(contents[at])) == contents[at] for at in named)
    for each in (first, writer, other):
        each.ledger.close()
    _buckets.pop(folder, None)


def test_projects_in_one_bucket_do_not_touch_each_other(s3_bucket: str, tmp_path: Path) -> None:
    """Two folders with ledgers of their own keep bytes in one bucket, and the same bytes too."""
    ours = []
    for name in ("one", "two"):
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("CLEW_OBJECTS", s3_bucket)
            init_project(tmp_path / name)
            workspace = Workspace(tmp_path / name)
        kept, gone = workspace.stores.objects.put(b"same" * 99), workspace.stores.objects.put(name.encode() * 99)
        if name == "two":
            leaf(workspace.stores, kept, "kept")
            leaf(workspace.stores, gone, "gone")
        ours.append((workspace, kept, gone))
    (one, kept, gone), (two, _, its) = ours
    for terms in (NOW, AT_ONCE):
        collected(one.stores, terms)
    assert one.stores.objects.missing([kept, gone]) == {kept, gone}
    assert two.stores.objects.missing([kept, its]) == set()
    with pytest.raises(NotFound):
        one.stores.objects.get(gone)
    assert two.stores.objects.get(its) == b"two" * 99
    assert collected(two.stores, AT_ONCE).garbage == 0
    assert two.stores.objects.get(kept) == b"same" * 99
    for workspace in (one, two):
        workspace.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from clew.loop.care.collect import Terms, collect
from clew.testing.project import open_stores
left = int(sys.argv[2])
def count(event, args):
    global left
    if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.utime", "os.rmdir"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
stores = open_stores(Path(sys.argv[1]))
sys.addaudithook(count)
collect(stores, Terms(young_us=-10**15, grace_us=int(sys.argv[3])), tell=lambda _: None)
"""


def half_named(folder: Path) -> tuple[set[Digest], set[Digest]]:
    """A store, loose and packed, of which every other object is named."""
    stores = open_stores(folder)
    digests = [stores.objects.put(b"loose %d" % at * 30) for at in range(6)]
    for pack in range(3):
        with stores.objects.batch() as batch:
            digests += [batch.put(b"packed %d %d" % (pack, at)) for at in range(6)]
    with stores.objects.batch() as batch:
        rest = {batch.put(b"rest %d" % at) for at in range(4)}
    kept = set(digests[::2])
    for digest in kept:
        leaf(stores, digest, digest)
    stores.ledger.close()
    return kept, set(digests[1::2]) | rest


@pytest.mark.parametrize("kill_at", [15, 22, 30, 38, 46, 55, 65, 80, 100])
@pytest.mark.parametrize("grace_us", [10**15, -(10**15)])
def test_killed_anywhere_it_loses_nothing(tmp_path: Path, kill_at: int, grace_us: int) -> None:
    kept, garbage = half_named(tmp_path)
    if grace_us < 0:  # a first collection has set things aside; this one is killed while it deletes
        stores = open_stores(tmp_path)
        collected(stores)
        stores.objects.put(b"newer rubbish")
        stores.ledger.close()
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(kill_at), str(grace_us)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode in (0, -signal.SIGKILL), process.stderr
    stores = open_stores(tmp_path)
    assert not stores.objects.missing(kept), "at every instant"
    for digest in kept:
        stores.objects.get(digest)
    collected(stores)
    assert set(stores.objects.list()) == kept
    collected(stores, AT_ONCE)
    for digest in garbage:
        with pytest.raises(NotFound):
            stores.objects.get(digest)
    stores.ledger.close()


class Killed(BaseException):
    """Stands for kill -9."""


def test_killed_at_any_request_to_a_bucket_it_loses_nothing(tmp_path: Path) -> None:
    """A bucket does a request or does not, so that death between any two of them is death at any instant."""

    class Dying:
        """A bucket whose caller dies before its n-th request."""

        def __init__(self, inner: Bucket, left: int) -> None:
            self._inner, self.left, self.address = inner, left, inner.address

        def __getattr__(self, name: str) -> Callable[..., object]:
            found: Callable[..., object] = getattr(self._inner, name)

            def request(*given: object, **more: object) -> object:
                self.left -= 1
                if self.left < 0:
                    raise Killed
                return found(*given, **more)

            return request

    for at in range(0, 1000, 2):
        folder = tmp_path / str(at)
        stores = opened(folder, "bucket")
        with stores.objects.batch() as batch:
            digests = [batch.put(b"packed %d" % each) for each in range(4)]
        digests += [stores.objects.put(b"loose %d" % each * 30) for each in range(4)]
        for digest in digests[::2]:
            leaf(stores, digest, digest)
        dying = Dying(_buckets[folder], at)
        remote = RemoteObjects(cast("Bucket", dying), folder / "cache" / "bucket")
        ended = False
        with suppress(Killed):
            for terms in (NOW, AT_ONCE):
                collected(replace(stores, objects=remote), terms)
            ended = True
        again = opened(folder, "bucket")
        assert all(again.objects.get(digest) for digest in digests[::2])
        for terms in (NOW, AT_ONCE):
            collected(again, terms)
        assert set(again.objects.list()) == set(digests[::2])
        assert not collection_of(again.objects).aside()
        for each in (stores, again):
            each.ledger.close()
        _buckets.pop(folder)
        if ended:
            break
    assert at > 25


@pytest.mark.parametrize("kind", KINDS)
def test_a_writer_beside_it_loses_nothing(tmp_path: Path, kind: str) -> None:
    """The writer stores what is there already as garbage, and names it a moment later, over and over."""
    stores = opened(tmp_path, kind)
    contents = [b"content %d" % at * 20 for at in range(30)]
    for data in contents:
        stores.objects.put(data)
    stop = threading.Event()

    def collects() -> None:
        mine = opened(tmp_path, kind)
        while not stop.is_set():
            collected(mine)
        mine.ledger.close()

    collector = threading.Thread(target=collects)
    collector.start()
    try:
        for at, data in enumerate(contents * 2):
            digest = stores.objects.put(data)
            leaf(stores, digest, str(at))
            assert stores.objects.get(digest) == data
    finally:
        stop.set()
        collector.join()
    collected(stores)
    collected(stores, AT_ONCE)
    for data in contents:
        assert opened(tmp_path, kind).objects.get(hash_bytes(data)) == data
    stores.ledger.close()


def test_every_table_is_read() -> None:
    """What the migrations make is what the collector reads; bytes that could hide names are points alone."""
    found = {table.name: table for table in tables()}
    assert {"runs", "artifacts", "dataset_versions", "model_versions", "step_entries", "events"} <= set(found)
    assert all(table.key and table.texts for table in found.values())
    made = "\n".join(migrations().values())
    blobs = {line.split()[0] for line in made.splitlines() if " BLOB" in line}
    assert blobs == {"points"}, "the collector does not look into bytes: name objects in a column of text"
