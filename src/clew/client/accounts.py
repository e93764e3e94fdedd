"""Users, tokens, members and projects of a server, over HTTP."""

from __future__ import annotations

from clew.client.connection import Connection, named, quoted
from clew.core.types.account import ProjectRole, Secret, Token, User
from clew.core.types.project import Project

__all__ = ["HttpAccounts"]


class HttpAccounts:
    """`clew.core.contracts.accounts.AccountService` over HTTP. An empty name of a user means the caller.

    Args:
        server: a connection to the server itself, without a project.
        project: whose members are meant.
    """

    def __init__(self, server: Connection, project: str) -> None:
        self._c, self._project = server, quoted(project)

    def me(self) -> User:
        """The user whose token this is."""
        return self._c.get("/me", User)

    def users(self) -> list[User]:
        return self._c.get("/users", list[User])

    def add_user(self, name: str, *, admin: bool = False) -> User:
        return self._c.send("POST", "/users", {"name": name, "admin": admin}, User)

    def disable_user(self, name: str) -> User:
        return self._c.send("POST", f"/users/{quoted(named(name))}/disabled", {}, User)

    def enable_user(self, name: str) -> User:
        return self._c.send("DELETE", f"/users/{quoted(named(name))}/disabled", {}, User)

    def tokens(self, user: str) -> list[Token]:
        return self._c.get("/tokens", list[Token], user=user)

    def add_token(self, user: str, name: str, *, expires_us: int = 0) -> Secret:
        return self._c.send("POST", "/tokens", {"name": name, "user": user, "expires_us": expires_us}, Secret)

    def revoke_token(self, user: str, id: str) -> None:
        self._c.ask("DELETE", f"/tokens/{quoted(named(id))}", query={"user": user})

    def members(self) -> dict[str, ProjectRole]:
        return self._c.get(f"/projects/{self._project}/members", dict[str, ProjectRole])

    def put_member(self, user: str, role: ProjectRole) -> None:
        self._c.send("PUT", self._member(user), {"role": role})

    def remove_member(self, user: str) -> None:
        self._c.ask("DELETE", self._member(user))

    def add_project(self, name: str) -> Project:
        return self._c.send("POST", "/projects", {"name": name}, Project)

    def projects(self) -> list[Project]:
        return self._c.get("/projects", list[Project])

    def _member(self, user: str) -> str:
        return f"/projects/{self._project}/members/{quoted(named(user))}"
