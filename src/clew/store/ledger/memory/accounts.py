"""Users, tokens and members in memory."""

from __future__ import annotations

from clew.core.errors import Exists, NotFound
from clew.core.types.account import Member, Token, User
from clew.store.ledger.memory.tables import Tables

__all__ = ["MemoryAccounts"]


class MemoryAccounts:
    """`clew.core.contracts.ledger.Accounts`."""

    def __init__(self, tables: Tables) -> None:
        self._users, self._tokens, self._members = tables.users, tables.tokens, tables.members

    def add_user(self, user: User) -> None:
        if self.find_user(user.name) is not None:
            raise Exists("user", user.name)
        self._users[user.id] = user

    def put_user(self, user: User) -> None:
        if user.id not in self._users:
            raise NotFound("user", user.name)
        self._users[user.id] = user

    def find_user(self, name: str) -> User | None:
        return next((user for user in self._users.values() if user.name == name), None)

    def get_user(self, id: str) -> User:
        if id not in self._users:
            raise NotFound("user", id)
        return self._users[id]

    def users(self) -> list[User]:
        return sorted(self._users.values(), key=lambda user: user.name)

    def put_token(self, token: Token) -> None:
        self._tokens[token.id] = token

    def find_token(self, hash: str) -> Token | None:
        return next((token for token in self._tokens.values() if token.hash == hash), None)

    def tokens(self, user: str) -> list[Token]:
        return sorted((token for token in self._tokens.values() if token.user == user), key=lambda token: token.id)

    def put_member(self, member: Member) -> None:
        self._members[member.project, member.user] = member

    def remove_member(self, project: str, user: str) -> bool:
        return self._members.pop((project, user), None) is not None

    def find_member(self, project: str, user: str) -> Member | None:
        return self._members.get((project, user))

    def members(self, project: str) -> list[Member]:
        found = [member for member in self._members.values() if member.project == project]
        return sorted(found, key=lambda member: member.user)
