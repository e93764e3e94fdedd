"""`clew user`, `clew token`, `clew member`, `clew project`: who may act on the server of this project, and as what.

On the machine of the server, in its folder, they need no token; elsewhere the token of somebody who may.
"""

from __future__ import annotations

import time

import click

from clew.cli import output
from clew.cli.command import Span, command, group
from clew.cli.output import Column, Columns

__all__ = ["member", "project", "token", "user"]

_DAY_US = 86_400_000_000


@group("user", examples=[("clew user add ann", "somebody new"), ("clew user list", "everybody")])
def user() -> None:
    """Make, list, disable and enable users of a server."""


@command(
    "add",
    examples=[
        ("clew user add ann", "then: clew token add laptop --user ann, and clew member add ann contributor"),
        ("clew user add root --admin", "somebody who runs the server"),
    ],
)
@click.argument("name")
@click.option("--admin", is_flag=True, help="May make users and projects, and is an admin of every project.")
def add_user(*, name: str, admin: bool, as_json: bool) -> None:
    """Make a user, who has no token and no role yet."""
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        made = workspace.accounts.add_user(name, admin=admin)
    output.text(f"{made.name} is a user now. Next: clew token add NAME --user {made.name}", made, as_json=as_json)


@command("list", examples=[("clew user list", "everybody, by name")])
def list_users(*, as_json: bool) -> None:
    """List users."""
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        found = workspace.accounts.users()
    empty = "no users yet: clew server makes the first one"
    columns: Columns = [
        "name",
        Column("admin", spare=1),
        Column("created_us", spare=2),
        Column("disabled_us", show=_time_if_any),
    ]
    output.table(found, columns, as_json=as_json, empty=empty)


@command("disable", examples=[("clew user disable ann", "all tokens of ann end at once")])
@click.argument("name")
def disable_user(*, name: str, as_json: bool) -> None:
    """Let a user do nothing any more; what the user did stays."""
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        found = workspace.accounts.disable_user(name)
    output.text(f"{found.name} may do nothing any more", found, as_json=as_json)


@command("enable", examples=[("clew user enable ann", "ann is back, with the roles and tokens of before")])
@click.argument("name")
def enable_user(*, name: str, as_json: bool) -> None:
    """Let a disabled user act again.

    Roles, and tokens that were neither revoked nor over, count as before.
    """
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        found = workspace.accounts.enable_user(name)
    output.text(f"{found.name} may act again, with the roles and tokens of before", found, as_json=as_json)


@group("token", examples=[("clew token add laptop", "one of your own"), ("clew token list", "yours")])
def token() -> None:
    """Make, list and revoke tokens of a server."""


@command(
    "add",
    examples=[
        ("clew token add laptop", "prints it, once"),
        ("clew token add ci --user robot --days 90", "for somebody else, and not for ever"),
    ],
)
@click.argument("name")
@click.option("--user", "owner", default="", help="Whose token it is; yours by default.")
@click.option("--days", type=Span(36_500, min_open=True), help="Days after which it ends; never by default.")
def add_token(*, name: str, owner: str, days: float | None, as_json: bool) -> None:
    """Make a token and print it. It is not stored and cannot be shown again."""
    from clew.workspace import open_workspace

    expires_us = time.time_ns() // 1000 + int(days * _DAY_US) if days is not None else 0
    with open_workspace() as workspace:
        made = workspace.accounts.add_token(_owner(owner, remote=workspace.remote), name, expires_us=expires_us)
    output.text(made.secret, made, as_json=as_json)


@command("list", examples=[("clew token list", "yours"), ("clew token list --user ann", "those of somebody else")])
@click.option("--user", "owner", default="", help="Whose tokens; yours by default.")
def list_tokens(*, owner: str, as_json: bool) -> None:
    """List tokens of a user, without their secrets."""
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        found = workspace.accounts.tokens(_owner(owner, remote=workspace.remote))
    fields = ["id", "name", "created_us", "expires_us", "revoked_us"]
    rows = [{field: getattr(each, field) or None for field in fields} for each in found]
    columns: Columns = ["name", Column("id", spare=2), Column("created_us", spare=1), "expires_us", "revoked_us"]
    output.table(rows, columns, as_json=as_json, empty="no tokens")


@command(
    "revoke",
    examples=[
        ("clew token revoke laptop", "by its name"),
        ("clew token revoke 0193a7c1f2d0 --user ann", "by the beginning of its id"),
    ],
)
@click.argument("token")
@click.option("--user", "owner", default="", help="Whose token it is; yours by default.")
def revoke_token(*, token: str, owner: str, as_json: bool) -> None:
    """End a token at once."""
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        workspace.accounts.revoke_token(_owner(owner, remote=workspace.remote), token)
    output.text(f"{token} counts no more", {"token": token}, as_json=as_json)


@group("member", examples=[("clew member add ann contributor", "ann may write"), ("clew member list", "who is what")])
def member() -> None:
    """Give, list and take away roles in this project."""


@command(
    "add",
    examples=[
        ("clew member add ann contributor", "may write runs, data and models"),
        ("clew member add bob maintainer", "may also move names such as champion"),
    ],
)
@click.argument("user")
@click.argument("role", type=click.Choice(["viewer", "contributor", "maintainer", "admin"]))
def add_member(*, user: str, role: str, as_json: bool) -> None:
    """Give a user a role in this project, in place of another."""
    from clew.core.types.account import ProjectRole
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        workspace.accounts.put_member(user, ProjectRole(role))
    output.text(f"{user} is {role} now", {"user": user, "role": role}, as_json=as_json)


@command("list", examples=[("clew member list", "who is what in this project")])
def list_members(*, as_json: bool) -> None:
    """List who has a role in this project."""
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        found = workspace.accounts.members()
    rows = [{"user": name, "role": role} for name, role in found.items()]
    output.table(rows, ["user", "role"], as_json=as_json, empty="no members; admins of the server may do everything")


@command("remove", examples=[("clew member remove ann", "ann may not even look any more")])
@click.argument("user")
def remove_member(*, user: str, as_json: bool) -> None:
    """Take the role of a user in this project away."""
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        workspace.accounts.remove_member(user)
    output.text(f"{user} has no role here any more", {"user": user}, as_json=as_json)


@group("project", examples=[("clew project add flights", "a project beside this one, on the same server")])
def project() -> None:
    """Make and list the projects of a server."""


@command("add", examples=[("clew project add flights", "then set CLEW_SERVER to URL/projects/flights")])
@click.argument("name")
def add_project(*, name: str, as_json: bool) -> None:
    """Make a project on the server of this one."""
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        made = workspace.accounts.add_project(name)
    output.text(f"{made.name} is a project of the server now", made, as_json=as_json)


@command("list", examples=[("clew project list", "those in which you have a role")])
def list_projects(*, as_json: bool) -> None:
    """List the projects of the server that you may see."""
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        found = workspace.accounts.projects()
    columns: Columns = ["name", Column("created_us", spare=1), Column("id", spare=2)]
    output.table(found, columns, as_json=as_json, empty="no project has a role for you")


def _time_if_any(us: object) -> str:
    """A time, and – where it never came, which is stored as 0."""
    return output.cell("at_us", us or None)


def _owner(name: str, *, remote: bool) -> str:
    """Who is meant where nobody is named: whoever the token is of, and on the server's machine its admin."""
    return name or ("" if remote else "admin")


for _group, _commands in (
    (user, (add_user, list_users, disable_user, enable_user)),
    (token, (add_token, list_tokens, revoke_token)),
    (member, (add_member, list_members, remove_member)),
    (project, (add_project, list_projects)),
):
    for _command in _commands:
        _group.add_command(_command)
