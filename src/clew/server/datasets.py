"""Datasets over HTTP: `clew.core.contracts.services.DatasetService`. Their bytes are objects."""

from __future__ import annotations

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from clew.core.errors import Invalid
from clew.core.ids import is_id
from clew.core.paging import Page
from clew.core.types.dataset import Dataset, DatasetVersion
from clew.policy.access import Action
from clew.server.request import AnyRequest, checked_limit, services_of, stores_of

__all__ = ["datasets_router"]

_READ, _WRITE = {"action": Action.READ}, {"action": Action.WRITE}


class NewVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version whose objects are stored, and what it was made from."""

    version: DatasetVersion
    parents: list[str] = []


@get("/datasets", opt=_READ, sync_to_thread=True)
def list_datasets(request: AnyRequest, name: FromQuery[str] = "") -> list[Dataset]:
    """All datasets by name, or the one of a name, if there is one."""
    datasets = services_of(request).datasets
    if not name:
        return datasets.list()
    found = datasets.find(name)
    return [found] if found is not None else []


@post("/datasets", opt=_WRITE, status_code=200, sync_to_thread=True)
def commit_version(request: AnyRequest, data: JSONBody[NewVersion]) -> DatasetVersion:
    """Add a version; its dataset is made when it is new. The newest one is returned when it holds the same."""
    version = data.version
    if not (is_id(version.id) and is_id(version.dataset)) or version.number < 1:
        raise Invalid(f"{version.reference} has no ids that could be its own")
    mine = msgspec.structs.replace(version, created_by=stores_of(request).actor)
    return services_of(request).datasets.commit(mine, parents=data.parents)


@get("/datasets/{name:str}/versions", opt=_READ, sync_to_thread=True)
def list_dataset_versions(
    request: AnyRequest, name: FromPath[str], limit: FromQuery[int] = 100, after: FromQuery[str] = ""
) -> Page[DatasetVersion]:
    """The versions of a dataset, newest first."""
    return services_of(request).datasets.versions(name, limit=checked_limit(limit), after=after)


@get("/dataset-versions", opt=_READ, sync_to_thread=True)
def resolve_dataset_version(request: AnyRequest, reference: FromQuery[str]) -> DatasetVersion:
    """The version that `name@selector` means."""
    return services_of(request).datasets.resolve(reference)


@get("/dataset-versions/{id:str}", opt=_READ, sync_to_thread=True)
def get_dataset_version(request: AnyRequest, id: FromPath[str]) -> DatasetVersion:
    """A version by its id."""
    return services_of(request).datasets.version(id)


datasets_router = Router(
    "/",
    route_handlers=[
        list_datasets,
        commit_version,
        list_dataset_versions,
        resolve_dataset_version,
        get_dataset_version,
    ],
    tags=["datasets"],
)
