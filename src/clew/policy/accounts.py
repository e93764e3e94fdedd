"""Users, tokens, members and projects, in place over a ledger. Who may do that is asked at the door."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.errors import Exists, Invalid, NotFound
from clew.core.hashing import hash_bytes
from clew.core.types.account import Member, ProjectRole, Secret, Token, User
from clew.core.types.edge import node
from clew.core.types.project import Project

__all__ = ["PREFIX", "LedgerAccounts", "checked_account_name"]

PREFIX = "clew_"
"""What every token begins with, so that scanners of secrets know one when they see it."""

_MOST_NAME = 200
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")
"""ASCII, so that nobody is named like somebody else in another alphabet."""

_SHORTEST_ID = 12
"""Digits of an id that say which token is meant: those of its time."""


def _checked_user_name(name: str) -> str:
    """The name of a new user: events, approvals and roles go by it.

    Raises:
        Invalid: it cannot be one.
    """
    if not _USER.fullmatch(name):
        hint = "use letters of ASCII, digits and ._@+-, at most 128, beginning with a letter or digit"
        raise Invalid(f"{name[:_MOST_NAME]!a} is no name for a user", hint=hint)
    return name


def checked_account_name(kind: str, name: str) -> str:
    """The name of a token or project, without spaces around it.

    Raises:
        Invalid: it cannot be one.
    """
    stripped = name.strip()
    if not stripped or len(stripped) > _MOST_NAME or not stripped.isprintable() or "/" in stripped:
        hint = f"use at most {_MOST_NAME} letters, digits, spaces and -_.@"
        raise Invalid(f"{name[:_MOST_NAME]!r} is no name for a {kind}", hint=hint)
    return stripped


class LedgerAccounts:
    """`clew.core.contracts.accounts.AccountService` over a project's stores."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def users(self) -> list[User]:
        """All of them, by name."""
        with self._stores.ledger.read() as tx:
            return tx.accounts.users()

    def add_user(self, name: str, *, admin: bool = False) -> User:
        """Make a user, who has no token and no role yet."""
        name = _checked_user_name(name)
        user = User(id=self._stores.ids(), name=name, created_us=self._stores.clock.now_us(), admin=admin)
        with self._stores.ledger.write() as tx:
            alike = next((each.name for each in tx.accounts.users() if each.name.lower() == name.lower()), name)
            if alike != name:
                raise Exists("user", alike, hint="choose a name that differs in more than capitals")
            tx.accounts.add_user(user)
        return user

    def disable_user(self, name: str) -> User:
        """Let a user do nothing any more; all tokens end at once. What the user did stays."""
        return self._put_disabled(name, self._stores.clock.now_us())

    def enable_user(self, name: str) -> User:
        """Let a disabled user act again, with the roles and tokens of before."""
        return self._put_disabled(name, 0)

    def _put_disabled(self, name: str, disabled_us: int) -> User:
        with self._stores.ledger.write() as tx:
            user = tx.accounts.find_user(name)
            if user is None:
                raise _unknown(name)
            if bool(user.disabled_us) != bool(disabled_us):
                user = msgspec.structs.replace(user, disabled_us=disabled_us)
                tx.accounts.put_user(user)
        return user

    def find_user(self, name: str) -> User:
        """A user by name. `NotFound` when there is none."""
        with self._stores.ledger.read() as tx:
            user = tx.accounts.find_user(name)
        if user is None:
            raise _unknown(name)
        return user

    def tokens(self, user: str) -> list[Token]:
        """All of a user, oldest first; what would check them is left out."""
        owner = self.find_user(user)
        with self._stores.ledger.read() as tx:
            return [msgspec.structs.replace(token, hash="") for token in tx.accounts.tokens(owner.id)]

    def add_token(self, user: str, name: str, *, expires_us: int = 0) -> Secret:
        """Make a token of a user. Its secret is in what is returned, and nowhere else."""
        owner, name = self.find_user(user), checked_account_name("token", name)
        if expires_us and expires_us <= self._stores.clock.now_us():
            raise Invalid("a token that is over already is of no use", hint="0 for one that never ends")
        secret = PREFIX + secrets.token_urlsafe(32)
        token = Token(
            id=self._stores.ids(),
            user=owner.id,
            name=name,
            hash=hash_bytes(secret.encode()),
            created_us=self._stores.clock.now_us(),
            expires_us=expires_us,
        )
        with self._stores.ledger.write() as tx:
            tx.accounts.put_token(token)
        return Secret(id=token.id, name=token.name, user=owner.name, secret=secret, expires_us=expires_us)

    def revoke_token(self, user: str, id: str) -> None:
        """End a token of a user at once: by its id or 12 digits of it, or its name where only one that holds has it."""
        owner = self.find_user(user)
        with self._stores.ledger.write() as tx:
            of_user = tx.accounts.tokens(owner.id)
            found = [token for token in of_user if len(id) >= _SHORTEST_ID and token.id.startswith(id)]
            found = found or [token for token in of_user if token.name == id and not token.revoked_us]
            if not found:
                raise NotFound("token", id, hint=f"clew token list --user {user}")
            if len(found) > 1:
                raise Invalid(f"{len(found)} tokens of {user} are called {id!r}", hint="give the id of one")
            if not found[0].revoked_us:
                tx.accounts.put_token(msgspec.structs.replace(found[0], revoked_us=self._stores.clock.now_us()))

    def members(self) -> dict[str, ProjectRole]:
        """Who is what in the project, by name."""
        with self._stores.ledger.read() as tx:
            members = tx.accounts.members(self._stores.project)
            return {tx.accounts.get_user(member.user).name: member.role for member in members}

    def put_member(self, user: str, role: ProjectRole) -> None:
        """Give a user a role in the project, in place of the one that the user has."""
        self._change_member(user, role)

    def remove_member(self, user: str) -> None:
        """Take the role of a user in the project away."""
        self._change_member(user, None)

    def _change_member(self, name: str, role: ProjectRole | None) -> None:
        with self._stores.ledger.write() as tx:
            user = tx.accounts.find_user(name)
            if user is None:
                raise _unknown(name)
            held = tx.accounts.find_member(self._stores.project, user.id)
            if (held.role if held is not None else None) is role:
                return
            if role is None:
                tx.accounts.remove_member(self._stores.project, user.id)
            else:
                tx.accounts.put_member(Member(project=self._stores.project, user=user.id, role=role))
            facts: dict[str, object] = {"name": name, "role": role}
            self._stores.tell(tx, "member.changed", node("user", user.id), facts)

    def add_project(self, name: str) -> Project:
        """Make a project in the same ledger."""
        name = checked_account_name("project", name)
        mine, now_us = self._stores.ids(), self._stores.clock.now_us()
        within = replace(self._stores, project=mine)
        with within.ledger.write() as tx:
            last_us = max((each.created_us for each in tx.projects.list()), default=0)
            # by this a folder knows its own project, the first one; the clock may have gone back
            project = Project(id=mine, name=name, created_us=max(now_us, last_us + 1))
            tx.projects.add(project)
            within.tell(tx, "project.added", node("project", project.id), {"name": name})
        return project

    def projects(self) -> list[Project]:
        """All of them: that of the folder first, the others by name."""
        with self._stores.ledger.read() as tx:
            return sorted(tx.projects.list(), key=lambda project: project.id != self._stores.project)


def _unknown(name: str) -> NotFound:
    return NotFound("user", name, hint="clew user list")
