"""Large objects in pieces: a client that was cut off asks how far it came, and goes on, also after a restart.

What has come lies in a file of the project beside its objects, named by the digest that it is to have; it becomes an
object when it is whole and has that digest. Pieces of one object go to one server.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

import msgspec
from litestar import Router, get, post, put
from litestar.params import FromPath, FromQuery

from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, Invalid, NotFound
from clew.core.ids import Digest
from clew.policy.access import Action
from clew.server.request import AnyRequest, in_thread, stores_of
from clew.store.objects.disk import disk_errors
from clew.store.objects.names import checked

__all__ = ["forget_old_uploads", "uploads_router", "uploads_folder"]

_WRITE = {"action": Action.WRITE}
_MOST_PIECE_BYTES = 32 << 20
_KEPT_S = 7 * 86_400


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """How many bytes of an object have come; `stored` when all of them are there, as an object."""

    digest: str
    offset: int
    stored: bool = False


def uploads_folder(stores: Stores) -> Path:
    """Where what has come of a project's large objects and files lies until they are whole."""
    return stores.folder / "uploads" / stores.project


def forget_old_uploads(folder: Path) -> None:
    """Remove what nobody went on with for a week."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another process may do the same
            if path.stat().st_mtime < time.time() - _KEPT_S:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _file_of(request: AnyRequest, digest: str) -> Path:
    """Where the pieces of an object are."""
    return uploads_folder(stores_of(request)) / checked(Digest(digest))


@get("/uploads/{digest:str}", opt={"action": Action.READ}, sync_to_thread=True)
def find_upload(request: AnyRequest, digest: FromPath[str]) -> Upload:
    """How far an upload has come; 0 for one that has not begun."""
    file = _file_of(request, digest)
    if not stores_of(request).objects.missing([Digest(digest)]):
        return Upload(digest=digest, offset=0, stored=True)
    return Upload(digest=digest, offset=file.stat().st_size if file.exists() else 0)


@put("/uploads/{digest:str}", opt=_WRITE, status_code=200, request_max_body_size=_MOST_PIECE_BYTES)
async def append_upload(request: AnyRequest, digest: FromPath[str], offset: FromQuery[int]) -> Upload:
    """Add a piece behind the first `offset` bytes. 409 when there are more or fewer of them: ask, and go on there."""
    file = _file_of(request, digest)
    piece = await request.body()
    return Upload(digest=digest, offset=await in_thread(_append, file, offset, piece))


@post("/uploads/{digest:str}/end", opt=_WRITE, status_code=200, sync_to_thread=True)
def end_upload(request: AnyRequest, digest: FromPath[str]) -> Upload:
    """Make what has come an object; it survives power loss once this answers. Wrong pieces are thrown away."""
    file, objects = _file_of(request, digest), stores_of(request).objects
    if not file.exists():
        if objects.missing([Digest(digest)]):
            raise NotFound("upload", digest)
        return Upload(digest=digest, offset=0, stored=True)
    size = file.stat().st_size
    stored = objects.put_file(file)
    file.unlink(missing_ok=True)
    if stored != digest:
        raise Invalid(f"the pieces have the digest {stored}, not {digest}", hint="send them again")
    return Upload(digest=digest, offset=size, stored=True)


def _append(file: Path, offset: int, piece: bytes) -> int:
    with disk_errors("keep a piece of an upload"):
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            forget_old_uploads(file.parent)
        with file.open("ab") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            there = os.fstat(held.fileno()).st_size
            if there != offset:
                raise Conflict(f"{there} bytes are there, not {offset}", hint="go on behind those")
            held.write(piece)
            return there + len(piece)


uploads_router = Router("/", route_handlers=[find_upload, append_upload, end_upload], tags=["objects"])
