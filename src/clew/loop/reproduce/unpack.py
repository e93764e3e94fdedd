"""Reads a bundle that somebody gave us: looks at all of it before anything is written, and believes nothing."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.objects import Objects
from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt, Invalid, Unavailable
from clew.core.hashing import Hasher, hash_bytes
from clew.core.ids import Digest
from clew.core.types.run import Experiment
from clew.loop.reproduce.bundle import FORMAT, MANIFEST, OBJECTS, PACKAGES, ROWS, WHEEL_NAME, Manifest, Rows

__all__ = ["is_bundle", "open_bundle", "unpack_bundle"]

_MANIFEST_BYTES = 64 << 20
_ROWS_BYTES = 1 << 30
_PLAIN_BYTES = 1 << 30
_MOST_TIMES = 100
_CHUNK_BYTES = 1 << 20
_HEX = frozenset("0123456789abcdef")


def is_bundle(path: Path) -> bool:
    """Whether a file looks like a bundle: it is an archive."""
    return path.is_file() and zipfile.is_zipfile(path)


@contextmanager
def open_bundle(path: Path) -> Iterator[tuple[zipfile.ZipFile, Manifest]]:
    """The archive of a bundle and its manifest, after everything was looked at that can be seen without unpacking.

    Raises:
        Invalid: that is no bundle, one of a newer clew, or one that would unpack to far more than it is.
        Corrupt: it holds something else than its manifest says.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = _manifest(archive, path)
            _check(archive, manifest, path)
            yield archive, manifest
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as error:
        raise Corrupt(f"the bundle {path} is damaged: {error}") from error


def unpack_bundle(archive: zipfile.ZipFile, manifest: Manifest, stores: Stores, wheels: Path) -> None:
    """Put the content of a bundle into an empty project, and its wheels into a folder.

    Args:
        archive: from `open_bundle`.
        manifest: the same.
        stores: a project with nothing in it.
        wheels: an empty folder.

    Raises:
        Corrupt: bytes are not what the manifest says.
        Unavailable: the disk has no room for them.
    """
    total = sum(manifest.entries().values())
    free = shutil.disk_usage(wheels).free
    if total > free:
        raise Unavailable(f"the bundle unpacks to {total:,} bytes, and the disk has room for {free:,}")
    rows = _rows(archive, manifest)
    _put_objects(archive, manifest, stores.objects)
    for name, blob in manifest.packages.items():
        _save(archive, f"{PACKAGES}{name}", blob.size_bytes, blob.digest, wheels / name)
    with stores.ledger.write() as tx:
        _add(tx, rows, stores)


def _manifest(archive: zipfile.ZipFile, path: Path) -> Manifest:
    try:
        info = archive.getinfo(MANIFEST)
    except KeyError:
        raise Invalid(f"{path} is no bundle: it holds no {MANIFEST}", hint="clew reproduce RUN --bundle FILE") from None
    try:
        data = _read(archive, info, min(info.file_size, _MANIFEST_BYTES))
        form = msgspec.json.decode(data, type=_Form).format
        if form != FORMAT:
            raise Invalid(f"{path} has the format {form!r}", hint=f"this clew reads {FORMAT}")
        return msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:
        raise Corrupt(f"the manifest of the bundle {path} cannot be read: {error}") from None


class _Form(msgspec.Struct):
    format: str


def _check(archive: zipfile.ZipFile, manifest: Manifest, path: Path) -> None:
    wanted, infos = manifest.entries(), archive.infolist()
    names = [info.filename for info in infos]
    if sorted(names) != sorted([MANIFEST, *wanted]):
        odd = sorted({name for name in names if names.count(name) > 1} | (set(names) ^ {MANIFEST, *wanted}))
        raise Corrupt(f"the bundle {path} does not hold what its manifest says: {', '.join(map(repr, odd[:3]))}")
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.flag_bits & 0x1 or kind not in (0, stat.S_IFREG):
            raise Corrupt(f"the bundle {path} holds {info.filename!r}, which is encrypted or no plain file")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Corrupt(f"the bundle {path} holds {info.filename!r} in a compression that bundles do not have")
        if info.filename != MANIFEST and info.file_size != wanted[info.filename]:
            raise Corrupt(f"the bundle {path} holds {info.filename!r} in another size than its manifest says")
    _check_names(manifest, path)
    total, size = sum(wanted.values()), path.stat().st_size
    if total > _PLAIN_BYTES and total > _MOST_TIMES * size:
        raise Invalid(f"the bundle {path} has {size:,} bytes and would unpack to {total:,}: it is not unpacked")


def _check_names(manifest: Manifest, path: Path) -> None:
    for digest in manifest.objects:
        if len(digest) != 64 or not _HEX.issuperset(digest):
            raise Corrupt(f"the bundle {path} names an object {digest!r}, which is no digest")
    for name in manifest.packages:
        if WHEEL_NAME.fullmatch(name) is None:
            raise Corrupt(f"the bundle {path} names a package {name!r}, which is no plain name of a wheel")
    for text in (manifest.inside, *(file.path for file in manifest.files)):
        pure = PurePosixPath(text)
        if not text or "\0" in text or pure.is_absolute() or ".." in pure.parts:
            raise Corrupt(f"the bundle {path} names {text!r}, which leads out of its folder")
    for file in manifest.files:
        if file.digest not in manifest.objects:
            raise Corrupt(f"the bundle {path} does not hold the bytes of {file.path!r}")


def _rows(archive: zipfile.ZipFile, manifest: Manifest) -> Rows:
    if manifest.rows.size_bytes > _ROWS_BYTES:
        raise Invalid(f"the bundle has {manifest.rows.size_bytes:,} bytes of rows", hint="at most 1 GiB is read")
    data = _read(archive, archive.getinfo(ROWS), manifest.rows.size_bytes)
    if hash_bytes(data) != manifest.rows.digest:
        raise Corrupt(f"{ROWS} of the bundle is not what its manifest says")
    try:
        return msgspec.msgpack.decode(data, type=Rows)
    except msgspec.DecodeError as error:
        raise Corrupt(f"{ROWS} of the bundle cannot be read: {error}") from None


def _put_objects(archive: zipfile.ZipFile, manifest: Manifest, objects: Objects) -> None:
    """Small ones together, longer ones one by one through a file."""
    with objects.batch() as batch:
        for digest, size in manifest.objects.items():
            if size <= _CHUNK_BYTES:
                data = _read(archive, archive.getinfo(f"{OBJECTS}{digest}"), size)
                if hash_bytes(data) != digest:
                    raise Corrupt(f"the object {digest} of the bundle is not what its name says")
                batch.put(data)
    with tempfile.TemporaryDirectory(prefix="clew-") as folder:
        path = Path(folder) / "object"
        for digest, size in manifest.objects.items():
            if size > _CHUNK_BYTES:
                _save(archive, f"{OBJECTS}{digest}", size, digest, path)
                objects.put_file(path)
                path.unlink()


def _add(tx: Transaction, rows: Rows, stores: Stores) -> None:
    """The rows, as those of another project."""
    project, run = stores.project, rows.run
    experiment = Experiment(id=run.experiment, project=project, name=rows.experiment, created_us=run.created_us)
    tx.experiments.add(experiment)
    tx.runs.add(msgspec.structs.replace(run, project=project))
    tx.steps.put([msgspec.structs.replace(entry, project=project) for entry in rows.entries])
    tx.steps.record(rows.steps)
    tx.series.append(rows.blocks)
    for artifact in rows.artifacts:
        tx.artifacts.put(artifact)
    for dataset in rows.datasets:
        tx.datasets.add(msgspec.structs.replace(dataset, project=project))
    for version in rows.versions:
        tx.datasets.add_version(version)
    for model in rows.models:
        tx.models.add(msgspec.structs.replace(model, project=project))
    for made in rows.model_versions:
        tx.models.add_version(made)
    for move in rows.moves:
        tx.models.move_alias(move)
    tx.edges.add(rows.edges)


def _save(archive: zipfile.ZipFile, name: str, size: int, digest: Digest, path: Path) -> None:
    """Write an entry to a new file, to its stated size and no further."""
    hasher, left = Hasher(), size
    with archive.open(name) as data, path.open("xb") as out:
        while left and (chunk := data.read(min(left, _CHUNK_BYTES))):
            hasher.update(chunk)
            out.write(chunk)
            left -= len(chunk)
        more = data.read(1)
    if left or more or hasher.hexdigest() != digest:
        raise Corrupt(f"{name} of the bundle is not what its manifest says")


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, size: int) -> bytes:
    with archive.open(info) as data:
        found = data.read(size)
        if len(found) != size or data.read(1):
            raise Corrupt(f"{info.filename} of the bundle has another size than it states")
    return found
