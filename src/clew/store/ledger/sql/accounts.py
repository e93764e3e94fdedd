"""Users, tokens and members in SQL."""

from __future__ import annotations

from clew.core.errors import Exists, NotFound
from clew.core.types.account import Member, Token, User
from clew.store.ledger.sql.connection import Connection, Document

__all__ = ["SqlAccounts"]

_user = Document(User)
_token = Document(Token)
_member = Document(Member)


class SqlAccounts:
    """`clew.core.contracts.ledger.Accounts`."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def add_user(self, user: User) -> None:
        sql = "INSERT INTO users (id, name, document) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        if not self._c.change(sql, (user.id, user.name, _user.text(user))):
            raise Exists("user", user.name)

    def put_user(self, user: User) -> None:
        changed = self._c.change("UPDATE users SET document = ? WHERE id = ?", (_user.text(user), user.id))
        if not changed:
            raise NotFound("user", user.name)

    def find_user(self, name: str) -> User | None:
        return _user.one(self._c.rows("SELECT document FROM users WHERE name = ?", (name,)))

    def get_user(self, id: str) -> User:
        return _user.get(self._c.rows("SELECT document FROM users WHERE id = ?", (id,)), "user", id)

    def users(self) -> list[User]:
        return _user.all(self._c.rows("SELECT document FROM users ORDER BY name"))

    def put_token(self, token: Token) -> None:
        self._c.change(
            "INSERT INTO tokens (id, user_id, hash, document) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET document = excluded.document",
            (token.id, token.user, token.hash, _token.text(token)),
        )

    def find_token(self, hash: str) -> Token | None:
        return _token.one(self._c.rows("SELECT document FROM tokens WHERE hash = ?", (hash,)))

    def tokens(self, user: str) -> list[Token]:
        return _token.all(self._c.rows("SELECT document FROM tokens WHERE user_id = ? ORDER BY id", (user,)))

    def put_member(self, member: Member) -> None:
        self._c.change(
            "INSERT INTO members (project, user_id, document) VALUES (?, ?, ?) "
            "ON CONFLICT (project, user_id) DO UPDATE SET document = excluded.document",
            (member.project, member.user, _member.text(member)),
        )

    def remove_member(self, project: str, user: str) -> bool:
        return self._c.change("DELETE FROM members WHERE project = ? AND user_id = ?", (project, user)) > 0

    def find_member(self, project: str, user: str) -> Member | None:
        sql = "SELECT document FROM members WHERE project = ? AND user_id = ?"
        return _member.one(self._c.rows(sql, (project, user)))

    def members(self, project: str) -> list[Member]:
        return _member.all(self._c.rows("SELECT document FROM members WHERE project = ? ORDER BY user_id", (project,)))
