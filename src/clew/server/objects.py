"""Objects of a project over HTTP: bytes in and out, streamed, named by their digest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from itertools import islice
from typing import BinaryIO

import msgspec
from litestar import Response, Router, get, head, post, put
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Stream

from clew.core.contracts.objects import Objects
from clew.core.errors import Corrupt, Invalid
from clew.core.ids import Digest
from clew.core.paging import Page
from clew.policy.access import Action
from clew.server.direct import VALID_S
from clew.server.ranges import span_of
from clew.server.receive import put_received, received
from clew.server.request import AnyRequest, checked_limit, in_thread, packed, stores_of
from clew.server.uploads import uploads_folder

__all__ = ["objects_router"]

_READ, _WRITE = {"action": Action.READ}, {"action": Action.WRITE}
_PIECE = 1 << 20
_DIRECT_BYTES = 8 << 20
"""From so many bytes on the way past the server is worth another request."""
_MOST_BATCH_BYTES = 64 << 20
_several = msgspec.msgpack.Decoder(list[bytes])


class Digests(msgspec.Struct, frozen=True, kw_only=True):
    """Some objects by name."""

    digests: list[Digest]


@put("/objects/{digest:str}", opt=_WRITE, status_code=204, request_max_body_size=None)
async def put_object(request: AnyRequest, digest: FromPath[str]) -> None:
    """Store bytes, which must have this digest. They survive power loss once this answers."""
    stores = stores_of(request)
    objects, folder = stores.objects, uploads_folder(stores)
    await in_thread(objects.missing, [Digest(digest)])  # refuses what is no digest before a byte is read
    async with received(request.stream(), folder) as content:
        stored = await in_thread(put_received, objects, content)
    if stored != digest:  # its bytes are garbage under their own name
        raise Invalid(f"the body has the digest {stored}, not {digest}", hint="send it again")


@post("/objects", opt=_WRITE, status_code=200, request_max_body_size=_MOST_BATCH_BYTES)
async def put_objects(request: AnyRequest) -> Digests:
    """Store many small objects together: a MessagePack list of bytes."""
    objects, several = stores_of(request).objects, packed(_several, await request.body())
    return await in_thread(_store_several, objects, several)


@post("/objects/missing", opt=_READ, status_code=200, sync_to_thread=True)
def missing_objects(request: AnyRequest, data: JSONBody[Digests]) -> Digests:
    """Which of these are not stored."""
    return Digests(digests=sorted(stores_of(request).objects.missing(data.digests)))


@post("/objects/delete", opt={"action": Action.ADMINISTER}, status_code=204, sync_to_thread=True)
def delete_objects(request: AnyRequest, data: JSONBody[Digests]) -> None:
    """Remove objects. Those that are not there are ignored."""
    stores_of(request).objects.delete(data.digests)


@get("/objects", opt=_READ, sync_to_thread=True)
def list_objects(request: AnyRequest, after: FromQuery[str] = "", limit: FromQuery[int] = 10_000) -> Page[Digest]:
    """Every stored digest, in order, in pages."""
    behind = stores_of(request).objects.list(after=after)
    found = list(islice(behind, checked_limit(limit) + 1))
    return Page(items=found[:limit], next=found[limit - 1] if len(found) > limit else "")


@head("/objects/{digest:str}", opt=_READ, sync_to_thread=True)
def size_of_object(request: AnyRequest, digest: FromPath[str]) -> Response[None]:
    """The size of an object in bytes, as Content-Length."""
    size = stores_of(request).objects.size(Digest(digest))
    return Response(None, headers={"content-length": str(size), "accept-ranges": "bytes"})


@get("/objects/{digest:str}", opt=_READ, media_type="application/octet-stream")
async def get_object(
    request: AnyRequest, digest: FromPath[str], direct: FromQuery[bool] = False
) -> Stream | Response[bytes]:
    """The bytes of an object, or a range of them; with `direct`, a redirection (307) where a bucket hands them out."""
    objects, name = stores_of(request).objects, Digest(digest)
    size = await in_thread(objects.size, name)
    if direct and size >= _DIRECT_BYTES and "range" not in request.headers:
        url = await in_thread(partial(objects.find_url, name, valid_s=VALID_S))
        if url is not None:
            return Response(b"", status_code=307, headers={"location": url, "cache-control": "no-store"})
    span = span_of(request.headers.get("range", ""), size)
    start, stop = span or (0, size)
    file = await in_thread(objects.open, name)
    headers = {"content-length": str(stop - start), "accept-ranges": "bytes", "etag": f'"{digest}"'}
    if span is not None:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
    return Stream(_pieces(file, start, stop), status_code=200 if span is None else 206, headers=headers)


async def _pieces(file: BinaryIO, start: int, stop: int) -> AsyncIterator[bytes]:
    with file:
        await in_thread(file.seek, start)
        while start < stop:
            piece = await in_thread(file.read, min(_PIECE, stop - start))
            if not piece:
                raise Corrupt(f"an object ends {stop - start} bytes too early", hint="clew doctor")
            start += len(piece)
            yield piece


def _store_several(objects: Objects, several: list[bytes]) -> Digests:
    with objects.batch() as batch:
        return Digests(digests=[batch.put(each) for each in several])


objects_router = Router(
    "/",
    route_handlers=[
        put_object,
        put_objects,
        missing_objects,
        delete_objects,
        list_objects,
        size_of_object,
        get_object,
    ],
    tags=["objects"],
)
