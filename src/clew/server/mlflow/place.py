"""Where files of runs and logged models are: their addresses, and the folders that paths make."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

import msgspec

from clew.core.address import address_parts
from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import NotFound
from clew.core.types.run import Artifact
from clew.server.mlflow.refusal import invalid, missing
from clew.tracking.artifact import check_path

__all__ = ["Place", "check_owner", "children", "find_place", "place_of", "place_of_uri"]

_OWNER = re.compile(r"(?:^|.*?/)(?:(?P<run>[0-9a-f]{32})|models/(?P<model>m-[0-9a-f]{32}))/artifacts(?:/(?P<path>.*))?")
_PROXY = "/api/2.0/mlflow-artifacts/artifacts/"


class Place(msgspec.Struct, frozen=True):
    """A path within the files of a run or of a logged model; the empty path is all of them."""

    owner: str
    path: str = ""

    @property
    def is_run(self) -> bool:
        """Whether the owner is a run."""
        return not self.owner.startswith("m-")

    def holds(self, path: str) -> bool:
        """Whether a file of the owner is this place, or lies within it."""
        return not self.path or path == self.path or path.startswith(f"{self.path}/")

    def meets(self, other: Place) -> bool:
        """Whether one of two places lies within the other."""
        return self.owner == other.owner and (self.holds(other.path) or other.holds(self.path))

    def below(self, path: str) -> Place:
        """A place within this one."""
        return Place(self.owner, "/".join(part for part in (self.path, path) if part))


def find_place(path: str) -> Place | None:
    """The place that a path below the root of all artifacts means; None when it is none of a run or logged model.

    Raises:
        Refusal: it leads out of where it is.
    """
    path = path.strip("/")
    if ".." in path.split("/") or "\0" in path or "\\" in path:
        raise invalid("Invalid path")
    found = _OWNER.fullmatch(path)
    if found is None:
        return None
    inner = (found["path"] or "").strip("/")
    return Place(found["run"] or found["model"], check_path(inner) if inner else "")


def place_of(path: str) -> Place:
    """The place that a path below the root of all artifacts means.

    Raises:
        Refusal: it is none of a run or a logged model.
    """
    found = find_place(path)
    if found is None:
        raise invalid(f"'{path}' is no path of a run's or a logged model's artifacts, and clew keeps no others")
    return found


def place_of_uri(uri: str) -> Place | None:
    """The place that the address of a model's files means; None when they are not in this project's hands."""
    parts = address_parts(uri)
    if parts is None:
        return None
    if parts.scheme == "runs":
        run, _, path = parts.path.strip("/").partition("/")
        return Place(run, path.strip("/"))
    if parts.scheme == "mlflow-artifacts":
        return find_place(unquote(parts.path))
    if parts.scheme in ("http", "https") and _PROXY in parts.path:
        return find_place(unquote(parts.path.partition(_PROXY)[2]))
    return None


def check_owner(tx: Transaction, stores: Stores, place: Place) -> None:
    """Refuse what belongs to another project, to nothing, or to what was purged.

    Raises:
        Refusal: there is no such run or logged model here.
    """
    try:
        owner = tx.runs.get(place.owner) if place.is_run else tx.logged_models.get(place.owner)
    except NotFound:
        owner = None
    if owner is None or owner.project != stores.project or owner.purged_us:
        raise missing(f"No such artifact: '{place.path}' of {place.owner}")


def children(artifacts: Iterable[Artifact], folder: str) -> list[tuple[str, bool, int]]:
    """What lies directly in a folder: name, whether it is a folder itself, and size; by name."""
    before = f"{folder}/" if folder else ""
    found: dict[str, tuple[str, bool, int]] = {}
    for artifact in artifacts:
        if artifact.path.startswith(before):
            name, slash, _ = artifact.path[len(before) :].partition("/")
            found[name] = (name, bool(slash), 0 if slash else artifact.size_bytes)
    return [found[name] for name in sorted(found)]
