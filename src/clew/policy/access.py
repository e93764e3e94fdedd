"""Who may do what in a project: one table. Deny by default; asking is `clew.server`'s part."""

from __future__ import annotations

from enum import StrEnum

from clew.core.types.account import ProjectRole

__all__ = ["Action", "may"]


class Action(StrEnum):
    """What a request does to a project, in the words of a denial."""

    READ = "read"
    WRITE = "write"
    MANAGE = "manage"
    ADMINISTER = "administer"


_NEEDS = {
    Action.READ: ProjectRole.VIEWER,
    Action.WRITE: ProjectRole.CONTRIBUTOR,
    Action.MANAGE: ProjectRole.MAINTAINER,
    Action.ADMINISTER: ProjectRole.ADMIN,
}
"""The least role. `write`: runs, data, models, labels; `manage`: aliases, endpoints, trash; `administer`: members."""

_ORDER = list(ProjectRole)


def may(role: ProjectRole | None, action: Action) -> bool:
    """Whether a role allows an action; no role allows nothing."""
    return role is not None and _ORDER.index(role) >= _ORDER.index(_NEEDS[action])
