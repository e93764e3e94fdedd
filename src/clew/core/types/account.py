"""Who may act on a server: users, the tokens that prove who they are, and their roles in projects."""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["Member", "ProjectRole", "Secret", "Token", "User"]


class ProjectRole(StrEnum):
    """What a user may do in a project; each one includes those before it. See `clew.policy.access`."""

    VIEWER = "viewer"
    CONTRIBUTOR = "contributor"
    MAINTAINER = "maintainer"
    ADMIN = "admin"


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody, or some program, that acts. `admin` runs the server: makes projects and users, and is an admin of every
    project. One with `disabled_us` is known and may do nothing."""

    id: str
    name: str
    created_us: int
    admin: bool = False
    disabled_us: int = 0


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What a user shows to prove who it is. The secret itself is nowhere: `hash` is its BLAKE3 digest, which is enough
    for 256 random bits. `expires_us` of 0 means never."""

    id: str
    user: str
    name: str
    hash: str
    created_us: int
    expires_us: int = 0
    revoked_us: int = 0


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """The role of a user in a project."""

    project: str
    user: str
    role: ProjectRole


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A token that was just made. Its secret is shown here and never again."""

    id: str
    name: str
    user: str
    secret: str
    expires_us: int = 0
