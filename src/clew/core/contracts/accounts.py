"""The service of users, tokens, members and projects: on the server's machine, and over HTTP for who may."""

from __future__ import annotations

from typing import Protocol

from clew.core.types.account import ProjectRole, Secret, Token, User
from clew.core.types.project import Project

__all__ = ["AccountService"]


class AccountService(Protocol):
    """Who may act. Over HTTP `Denied` says what the caller may not do."""

    def users(self) -> list[User]:
        """All of them, by name."""
        ...

    def add_user(self, name: str, *, admin: bool = False) -> User:
        """Make a user, who has no token and no role yet. `Exists` when the name is taken."""
        ...

    def disable_user(self, name: str) -> User:
        """Let a user do nothing any more; all tokens end at once. What the user did stays."""
        ...

    def enable_user(self, name: str) -> User:
        """Let a disabled user act again, with the roles and tokens of before; one who is not disabled stays as is."""
        ...

    def tokens(self, user: str) -> list[Token]:
        """All of a user, oldest first; what would check them is left out."""
        ...

    def add_token(self, user: str, name: str, *, expires_us: int = 0) -> Secret:
        """Make a token of a user. Its secret is in what is returned, and nowhere else."""
        ...

    def revoke_token(self, user: str, id: str) -> None:
        """End a token of a user at once: by its id or 12 digits of it, or its name where one that holds has it."""
        ...

    def members(self) -> dict[str, ProjectRole]:
        """Who is what in the project, by name."""
        ...

    def put_member(self, user: str, role: ProjectRole) -> None:
        """Give a user a role in the project, in place of the one that the user has."""
        ...

    def remove_member(self, user: str) -> None:
        """Take the role of a user in the project away."""
        ...

    def add_project(self, name: str) -> Project:
        """Make a project beside this one. `Exists` when the name is taken."""
        ...

    def projects(self) -> list[Project]:
        """Those that the caller may see: that of the folder, or of the server's folder, first, the others by name."""
        ...
