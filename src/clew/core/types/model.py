"""Models: named lines of immutable packages, and the names that move over them."""

from __future__ import annotations

import msgspec

from clew.core.ids import Digest

__all__ = ["Alias", "Model", "ModelVersion"]


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A named line of versions.

    One with `deleted_us` has given its name free: it is called `~ID` then, and lists leave it out.
    """

    id: str
    project: str
    name: str
    created_us: int
    description: str = ""
    tags: dict[str, str] = {}
    updated_us: int = 0
    deleted_us: int = 0


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable package. `package` is the digest of its manifest; `run` is the run that made it.

    What was registered without files of its own (they are elsewhere, at `source`) has an empty `package`, and can be
    neither gated nor served. `message`, `tags` and `stage` may change; each change is told with the row's digest.
    `logged` is the id of the logged model that it was registered from.
    """

    id: str
    model: str
    name: str
    number: int
    package: Digest
    run: str
    created_us: int
    created_by: str
    unsafe: bool = False
    message: str = ""
    tags: dict[str, str] = {}
    stage: str = ""
    source: str = ""
    storage: str = ""
    logged: str = ""
    run_link: str = ""
    updated_us: int = 0
    deleted_us: int = 0

    @property
    def reference(self) -> str:
        """`name@number`."""
        return f"{self.name}@{self.number}"


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    """One move of a name: from now on `alias` of the model means version `number`.

    `report` is the digest of the gate report that allowed it; a `rollback` has the report of the move that it returns
    to. Moves are kept; the one with the greatest `position` holds. A move to number 0 takes the name away from all.
    """

    model: str
    alias: str
    position: int
    number: int
    version: str
    moved_us: int
    moved_by: str
    reason: str = ""
    report: Digest = Digest("")
    rollback: bool = False
