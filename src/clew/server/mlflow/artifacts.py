"""Files of runs and logged models: listed, sent, received and removed through the server."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import BinaryIO

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.errors import NotFound
from clew.core.types.edge import Role, node
from clew.core.types.run import Artifact
from clew.server.mlflow.answers import Json, artifact_root
from clew.server.mlflow.body import run_id_of
from clew.server.mlflow.call import Call, run_of
from clew.server.mlflow.place import Place, check_owner, children, place_of, place_of_uri
from clew.server.mlflow.refusal import Refusal, invalid, missing
from clew.server.mlflow.versions import storage_of
from clew.server.receive import put_received
from clew.store.account import artifacts_digest
from clew.tracking.artifact import check_path, media_type_of
from clew.tracking.revise import put_artifacts, remove_artifacts

__all__ = [
    "Download",
    "checked_folder",
    "delete_artifact",
    "download",
    "list_artifacts",
    "list_proxied",
    "receive",
    "tell_files",
]


class List(msgspec.Struct, frozen=True):
    run_id: str = ""
    run_uuid: str = ""
    path: str = ""


class Folder(msgspec.Struct, frozen=True):
    path: str = ""


class Download(msgspec.Struct, frozen=True):
    """A file on its way out."""

    file: BinaryIO
    size_bytes: int
    media_type: str
    name: str
    digest: str


def list_artifacts(call: Call, asked: List) -> Json:
    """What a run keeps in a folder; paths begin at the run."""
    run_id = run_id_of(asked)
    folder = checked_folder(asked.path)
    with call.stores.ledger.read() as tx:
        run = run_of(tx, call, run_id)
        root = artifact_root(tx.experiments.get(run.experiment), run_id)
        files = tell_files(tx.artifacts.list(run_id, under=folder), folder, whole=True)
    return {"root_uri": root, "files": files}


def list_proxied(call: Call, asked: Folder) -> Json:
    """What a folder below the root of all artifacts holds; paths begin at the folder."""
    place = place_of(asked.path)
    with call.stores.ledger.read() as tx:
        check_owner(tx, call.stores, place)
        return {"files": tell_files(tx.artifacts.list(place.owner, under=place.path), place.path, whole=False)}


def tell_files(artifacts: list[Artifact], folder: str, *, whole: bool) -> list[Json]:
    """The files and folders in a folder, by their paths as a `whole`, or from the folder on."""
    told: list[Json] = []
    for name, is_folder, size_bytes in children(artifacts, folder):
        path = f"{folder}/{name}" if folder and whole else name
        told.append({"path": path, "is_dir": is_folder} | ({} if is_folder else {"file_size": size_bytes}))
    return told


def download(call: Call) -> Download:
    """One file."""
    place = place_of(call.path["path"])
    with call.stores.ledger.read() as tx:
        check_owner(tx, call.stores, place)
        try:
            artifact = tx.artifacts.get(place.owner, place.path)
        except NotFound:
            raise missing(f"No such artifact: '{call.path['path']}'") from None
    return Download(
        size_bytes=call.stores.objects.size(artifact.digest),
        file=call.stores.objects.open(artifact.digest),
        media_type=artifact.media_type,
        name=PurePosixPath(artifact.path).name,
        digest=artifact.digest,
    )


def receive(call: Call, content: bytes | Path) -> Json:
    """Keep what was sent as a file, in place of one that has its path."""
    place = place_of(call.path["path"])
    if not place.path:
        raise invalid("Invalid path")
    with call.stores.ledger.read() as tx:
        check_owner(tx, call.stores, place)
    keep(call, place, content)
    return {}


def keep(call: Call, place: Place, content: bytes | Path) -> None:
    """Store bytes, and name them as a file of a run or of a logged model."""
    stores = call.stores
    digest = put_received(stores.objects, content)
    artifact = Artifact(
        run=place.owner,
        path=place.path,
        digest=digest,
        size_bytes=content.stat().st_size if isinstance(content, Path) else len(content),
        media_type=media_type_of(place.path),
        created_us=stores.clock.now_us(),
    )
    with stores.ledger.write() as tx:
        if place.is_run:
            put_artifacts(stores, tx, tx.runs.get(place.owner), [artifact])
        else:
            tx.artifacts.put(artifact)


def delete_artifact(call: Call) -> Json:
    """Forget a file, or a folder with all that it holds; one that is not there is no error, as in MLflow.

    Raises:
        Refusal: clients load a version of a registered model from it.
    """
    place = place_of(call.path["path"])
    with call.stores.ledger.write() as tx:
        check_owner(tx, call.stores, place)
        paths = [each.path for each in tx.artifacts.list(place.owner) if place.holds(each.path)]
        loaded = _loaded_from(tx, place) if paths else []
        if loaded:
            raise Refusal(
                "RESOURCE_CONFLICT",
                f"'{place.path}' of {place.owner} is needed by {', '.join(loaded[:5])}: delete the version first",
            )
        if paths and place.is_run:
            remove_artifacts(call.stores, tx, tx.runs.get(place.owner), paths)
        elif paths:
            tx.artifacts.remove(place.owner, paths)
            facts = {"paths": paths, "artifacts": artifacts_digest(tx, place.owner)}
            call.stores.tell(tx, "model.artifact_removed", node("logged", place.owner), facts)
    return {}


def _loaded_from(tx: Transaction, place: Place) -> list[str]:
    """The versions of registered models whose files clients read at a place, or above or below it."""
    found = []
    for edge in tx.edges.down(node("run" if place.is_run else "logged", place.owner), depth=1):
        kind, _, id_ = edge.target.partition(":")
        if kind == "model" and edge.role is Role.OUTPUT:
            version = tx.models.version(id_)
            gone = version.deleted_us or tx.models.get(version.model).deleted_us
            there = place_of_uri(storage_of(version))
            if not gone and there is not None and there.meets(place):
                found.append(version.reference)
    return found


def checked_folder(path: str) -> str:
    """A folder within the files of a run or logged model; the empty one is all of them."""
    path = path.strip("/")
    if ".." in path.split("/"):
        raise invalid("Invalid path")
    return check_path(path) if path else ""
