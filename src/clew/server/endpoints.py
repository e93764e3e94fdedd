"""Endpoints over HTTP: which there are, and labels of what they decided. They are served elsewhere."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath, JSONBody

from clew.core.errors import ClewError
from clew.core.ids import Digest
from clew.core.types.endpoint import AddedLabels, Endpoint
from clew.policy.access import Action
from clew.server.request import AnyRequest, services_of, stores_of

__all__ = ["endpoints_router"]

_READ, _WRITE = {"action": Action.READ}, {"action": Action.WRITE}


class LabelFile(msgspec.Struct, frozen=True, kw_only=True):
    """A stored file of labels, by digest; `name` tells its form. What the rest means: `clew labels add --help`."""

    file: Digest
    name: str
    label: str
    by_id: str = ""
    by_key: str = ""
    time_us: int = 0


@get("/endpoints", opt=_READ, sync_to_thread=True)
def list_endpoints(request: AnyRequest) -> list[Endpoint]:
    """All endpoints, by name."""
    return services_of(request).endpoints.list()


@post("/endpoints/{name:str}/labels", opt=_WRITE, status_code=200, sync_to_thread=True)
def add_labels(request: AnyRequest, name: FromPath[str], data: JSONBody[LabelFile]) -> AddedLabels:
    """Add the labels of a stored file, all or none; how many were added, and fit no decision yet. Again adds none."""
    objects = stores_of(request).objects
    with tempfile.TemporaryDirectory(prefix="clew-labels-") as folder:
        form = Path(data.name).suffix[1:16]
        path = Path(folder, f"labels.{form}" if form.isalnum() else "labels")
        objects.save(data.file, path)
        try:
            return services_of(request).endpoints.add_labels(
                name, path, label=data.label, by_id=data.by_id, by_key=data.by_key, time_us=data.time_us
            )
        except ClewError as error:  # the caller knows the file by its own name
            error.what = error.what.replace(str(path), Path(data.name).name or "the file")
            raise


endpoints_router = Router("/", route_handlers=[list_endpoints, add_labels], tags=["endpoints"])
