"""Large objects past the server: where a bucket can sign addresses, a client reads from it and writes into it."""

from __future__ import annotations

import msgspec
from litestar import Router, post
from litestar.params import FromPath, FromQuery

from clew.core.errors import Invalid
from clew.core.ids import Digest
from clew.policy.access import Action
from clew.server.request import AnyRequest, stores_of
from clew.store.objects.direct import LARGEST_BYTES, direct_of

__all__ = ["VALID_S", "direct_router"]

_WRITE = {"action": Action.WRITE}
VALID_S = 900
"""How long a signed address counts; a transfer that has begun may take longer."""


class SignedAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where the bytes of an object may be sent, and the name of that; empty where only the server takes them."""

    url: str = ""
    name: str = ""


@post("/uploads/{digest:str}/address", opt=_WRITE, status_code=200, sync_to_thread=True)
def sign_upload(request: AnyRequest, digest: FromPath[str], size: FromQuery[int]) -> SignedAddress:
    """An address to which the bytes of an object may be sent with PUT; empty where there is none for so many bytes."""
    direct = direct_of(stores_of(request).objects) if 0 <= size <= LARGEST_BYTES else None
    found = direct.find_address(Digest(digest), valid_s=VALID_S) if direct is not None else None
    return SignedAddress(url=found.url, name=found.name) if found is not None else SignedAddress()


@post("/uploads/{digest:str}/arrived", opt=_WRITE, status_code=204, sync_to_thread=True)
def take_upload(request: AnyRequest, digest: FromPath[str], name: FromQuery[str]) -> None:
    """Make what was sent to a signed address an object, if it has this digest."""
    direct = direct_of(stores_of(request).objects)
    if direct is None:
        raise Invalid("this server signs no addresses", hint="send the bytes to the server")
    direct.take_in(Digest(digest), name)


direct_router = Router("/", route_handlers=[sign_upload, take_upload], tags=["objects"])
