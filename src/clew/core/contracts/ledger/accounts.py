"""Users, their tokens, and their roles in projects."""

from __future__ import annotations

from typing import Protocol

from clew.core.types.account import Member, Token, User

__all__ = ["Accounts"]


class Accounts(Protocol):
    """Users, their tokens, and their roles in projects."""

    def add_user(self, user: User) -> None: ...
    def put_user(self, user: User) -> None:
        """Replace the user of the same id; its name stays."""
        ...

    def find_user(self, name: str) -> User | None: ...
    def get_user(self, id: str) -> User: ...
    def users(self) -> list[User]:
        """All of them, by name."""
        ...

    def put_token(self, token: Token) -> None: ...
    def find_token(self, hash: str) -> Token | None:
        """The token whose secret has this digest, also one that is revoked or over."""
        ...

    def tokens(self, user: str) -> list[Token]:
        """All of a user, oldest first."""
        ...

    def put_member(self, member: Member) -> None: ...
    def remove_member(self, project: str, user: str) -> bool:
        """False when there was none."""
        ...

    def find_member(self, project: str, user: str) -> Member | None: ...
    def members(self, project: str) -> list[Member]:
        """All of a project, by user."""
        ...
