"""Writes a bundle: gathers the rows of a run, the objects that they need, and what it read on disk."""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path, PurePosixPath

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.objects import Objects
from clew.core.contracts.stores import Stores
from clew.core.errors import Exists
from clew.core.hashing import hash_bytes, hash_file
from clew.core.ids import Digest
from clew.core.numbers import counted
from clew.core.types.dataset import DatasetKind, DatasetVersion
from clew.core.types.edge import Role, node
from clew.core.types.model import ModelVersion
from clew.core.types.package import FileRole, PackageFile
from clew.core.types.run import Run
from clew.core.types.step import StepEntry
from clew.data.folder import EntryKind
from clew.data.table import read_manifest
from clew.data.tree import reader, walk
from clew.loop.reproduce.bundle import FORMAT, MANIFEST, OBJECTS, PACKAGES, ROWS, Blob, Manifest, Rows
from clew.loop.reproduce.installed import distributions_in
from clew.loop.reproduce.recorded import Recorded, capture_of, check_repeatable, recorded_of
from clew.loop.reproduce.restore import lay_out
from clew.loop.reproduce.scene import Scene, scene_of
from clew.loop.reproduce.wheel import write_wheel
from clew.registry.package import load_package
from clew.tracking.capture import Environment, Source, SourceFile
from clew.tracking.runs import LedgerRuns

__all__ = ["pack_bundle"]

_CHUNK_BYTES = 1 << 20


def pack_bundle(
    stores: Stores,
    run: str,
    path: Path,
    *,
    with_packages: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Write everything that it takes to repeat a run into one file.

    Args:
        stores: the project.
        run: id, its beginning, or name.
        path: the file; it must not exist.
        with_packages: put the installed packages in, as wheels.
        tell: hears what is going on.

    Raises:
        NotFound: there is no such run, or an object of it is lost.
        Invalid, Conflict: it cannot be repeated.
        Exists: the file does.
    """
    original = LedgerRuns(stores).get(run)
    was = capture_of(stores, original)
    source, command = check_repeatable(original, was)
    scene, recorded = scene_of(original, source, command), recorded_of(stores, original)
    if path.exists():
        raise Exists("file", str(path), hint="name one that is new")
    rows, certificate = _rows(stores, original, recorded)
    with tempfile.TemporaryDirectory(prefix="clew-") as name:
        place = Path(name)
        sources = counted(len(source.files), "source files")
        tell(f"gathering {sources} and {counted(len(recorded.inputs), 'dataset versions')}")
        files, missing = _files_of(stores.objects, source, scene, recorded, place / "source")
        wheels, left = _wheels(was.environment, place / "wheels") if with_packages else ([], [])
        needed = dict.fromkeys([*_objects(stores, recorded, source), certificate])
        digests = [digest for digest in needed if digest]  # a model whose files are elsewhere has none
        laid = {file.digest: place / "source" / file.path for file in files}
        sizes = {digest: stores.objects.size(digest) for digest in digests}
        encoded = msgspec.msgpack.encode(rows)
        manifest = Manifest(
            format=FORMAT,
            clew=_version(),
            run=original.id,
            name=original.name,
            inside=_inside(stores, scene),
            rows=Blob(size_bytes=len(encoded), digest=hash_bytes(encoded)),
            objects={**sizes, **{file.digest: file.size_bytes for file in files}},
            packages={each.name: Blob(size_bytes=each.stat().st_size, digest=hash_file(each)) for each in wheels},
            files=files,
            certificate=certificate,
            missing=[*missing, *left],
        )
        _write(path, manifest, encoded, stores.objects, laid, wheels)
    return manifest


def _write(
    path: Path, manifest: Manifest, rows: bytes, objects: Objects, laid: dict[Digest, Path], wheels: list[Path]
) -> None:
    """The archive, under its name only when it is whole."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            archive.writestr(MANIFEST, msgspec.json.encode(manifest, order="deterministic"))
            archive.writestr(ROWS, rows)
            for digest in manifest.objects:
                with (
                    laid[digest].open("rb") if digest in laid else objects.open(digest) as data,
                    archive.open(f"{OBJECTS}{digest}", "w", force_zip64=True) as out,
                ):
                    while chunk := data.read(_CHUNK_BYTES):
                        out.write(chunk)
            for wheel in wheels:
                archive.write(wheel, f"{PACKAGES}{wheel.name}", zipfile.ZIP_STORED)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _rows(stores: Stores, run: Run, recorded: Recorded) -> tuple[Rows, Digest]:
    """The rows that hang on a run, and the object of its newest certificate."""
    mine = node("run", run.id)
    with stores.ledger.read() as tx:
        edges = [*tx.edges.up(mine, depth=1), *tx.edges.down(mine, depth=1)]
        used = [
            tx.models.version(e.source[6:]) for e in edges if e.role is Role.INPUT and e.source.startswith("model:")
        ]
        models = [*used, *recorded.models]
        told = tx.events.list(stores.project, subject=mine, kind="run.reproduced").items
        signed = [Digest(str(event.facts["certificate"])) for event in told if event.facts.get("certificate")]
        return Rows(
            run=run,
            experiment=tx.experiments.get(run.experiment).name,
            steps=list(recorded.steps),
            entries=_entries(tx, stores.project, recorded),
            blocks=[block for blocks in recorded.blocks.values() for block in blocks],
            artifacts=list(recorded.artifacts),
            edges=edges,
            datasets=[tx.datasets.get(each) for each in _unique(version.dataset for version in _data(recorded))],
            versions=_versions(tx, _data(recorded)),
            models=[tx.models.get(each) for each in _unique(version.model for version in models)],
            model_versions=_model_versions(tx, models),
            moves=[
                move
                for each in _unique(version.model for version in models)
                for alias in tx.models.aliases(each)
                for move in tx.models.moves(each, alias.alias)
                if move.moved_us <= run.created_us
            ],
        ), (signed[0] if signed else Digest(""))


def _data(recorded: Recorded) -> list[DatasetVersion]:
    return [*recorded.inputs, *recorded.made]


def _entries(tx: Transaction, project: str, recorded: Recorded) -> list[StepEntry]:
    """What the keys of steps were made of, with the closures that they name."""
    entries = [entry for step in recorded.steps if (entry := tx.steps.find(project, step.key)) is not None]
    closures = [tx.steps.find(project, Digest(entry.ingredients.get("closure", ""))) for entry in entries]
    found = {entry.key: entry for entry in [*entries, *filter(None, closures)]}
    return list(found.values())


def _versions(tx: Transaction, used: list[DatasetVersion]) -> list[DatasetVersion]:
    """All versions of each dataset up to the last one that is needed: their numbers have no gaps."""
    last: dict[str, int] = {}
    for version in used:
        last[version.dataset] = max(last.get(version.dataset, 0), version.number)
    found = [tx.datasets.find_version(each, number) for each, most in last.items() for number in range(1, most + 1)]
    return [version for version in found if version is not None]


def _model_versions(tx: Transaction, used: list[ModelVersion]) -> list[ModelVersion]:
    last: dict[str, int] = {}
    for version in used:
        last[version.model] = max(last.get(version.model, 0), version.number)
    found = [tx.models.find_version(each, number) for each, most in last.items() for number in range(1, most + 1)]
    return [version for version in found if version is not None]


def _objects(stores: Stores, recorded: Recorded, source: Source) -> Iterator[Digest]:
    """Every object that repeating and comparing need."""
    yield from recorded.run.capture.values()
    yield from (file.digest for file in source.files)
    for version in recorded.inputs:
        yield from _objects_of_data(stores.objects, version)
    for made in recorded.models:
        yield made.package
        yield from (file.digest for file in _package_files(stores, made) if file.role is FileRole.EVALUATION)
        yield from _standing(stores, made, recorded.run.created_us)
    mine = node("run", recorded.run.id)
    with stores.ledger.read() as tx:
        sources = [
            e.source[6:] for e in tx.edges.up(mine, depth=1) if e.role is Role.INPUT and e.source[:6] == "model:"
        ]
        used = [tx.models.version(each) for each in sources]
    for model in used:
        yield model.package
        yield from (file.digest for file in _package_files(stores, model))


def _standing(stores: Stores, made: ModelVersion, at_us: int) -> Iterator[Digest]:
    """What a new version was compared with: the one before it, and those that had a name, whole, to score with them."""
    with stores.ledger.read() as tx:
        moves = [tx.models.moves(made.model, each.alias) for each in tx.models.aliases(made.model)]
        held = [[move for move in each if move.moved_us <= at_us][-1:] for each in moves]
        named = {move.number for each in held for move in each}
        earlier = [tx.models.find_version(made.model, number) for number in {*named, made.number - 1}]
    for version in earlier:
        if version is None or version.id == made.id or not version.package or stores.objects.missing([version.package]):
            continue
        files = _package_files(stores, version)
        wanted = [file.digest for file in files if version.number in named or file.role is FileRole.EVALUATION]
        lost = stores.objects.missing(wanted)
        yield from (digest for digest in [version.package, *wanted] if digest not in lost)


def _objects_of_data(objects: Objects, version: DatasetVersion) -> Iterator[Digest]:
    yield version.manifest
    if version.kind is DatasetKind.TABLE:
        yield from (part.object for part in read_manifest(objects, version.manifest).parts)
    else:
        yield from (
            entry.digest for _, entry in walk(reader(objects), version.manifest) if entry.kind != EntryKind.LINK
        )


def _files_of(
    objects: Objects, source: Source, scene: Scene, recorded: Recorded, place: Path
) -> tuple[list[SourceFile], list[str]]:
    """What the run read on disk that is neither in the snapshot nor in a dataset, laid out; and what is missing."""
    missing = lay_out(objects, source, scene, recorded, place)
    known = {file.path for file in source.files}
    paths = sorted(path for path in place.rglob("*") if path.is_file() and not path.is_symlink())
    found = [
        SourceFile(name, hash_file(path), path.stat().st_size, bool(path.stat().st_mode & 0o100))
        for path in paths
        if (name := path.relative_to(place).as_posix()) not in known and path.stat().st_size
    ]
    return found, missing


def _wheels(recorded: Environment | None, place: Path) -> tuple[list[Path], list[str]]:
    """Wheels of the installed packages, and which of the recorded ones are not among them."""
    place.mkdir()
    known = distributions_in(sys.path)
    wheels, left = [], []
    if recorded is None:
        return [], []
    for name, version in recorded.packages.items():
        each = known.get(name)
        if each is not None and each.version == version and name not in recorded.in_place and each.is_whole():
            wheels.append(write_wheel(each, place))
        elif name != "clew":
            left.append(f"{name} {version} is not among the packages: it is not installed here")
    return wheels, left


def _inside(stores: Stores, scene: Scene) -> str:
    project = PurePosixPath(stores.folder.parent)
    return str(project.relative_to(scene.root)) if project.is_relative_to(scene.root) else "."


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _package_files(stores: Stores, version: ModelVersion) -> list[PackageFile]:
    return list(load_package(stores.objects, version.package).files) if version.package else []


def _version() -> str:
    try:
        return metadata.version("clew")
    except metadata.PackageNotFoundError:
        return ""
