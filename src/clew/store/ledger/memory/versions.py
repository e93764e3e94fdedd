"""Pages over numbered versions, newest first."""

from __future__ import annotations

from typing import TypeVar

from clew.core.errors import Invalid
from clew.core.paging import Page
from clew.core.types.dataset import DatasetVersion
from clew.core.types.model import ModelVersion

__all__ = ["page_of_versions"]

V = TypeVar("V", DatasetVersion, ModelVersion)


def page_of_versions(newest_first: list[V], *, limit: int, after: str) -> Page[V]:
    if after and not (after.isdecimal() and len(after) < 19):
        raise Invalid(f"{after!r} is no page token", hint="leave it out to start at the first page")
    rest = [version for version in newest_first if not after or version.number < int(after)]
    return Page(items=rest[:limit], next=str(rest[limit - 1].number) if len(rest) > limit else "")
