"""`clew login` and `clew logout`: which token this machine shows a server."""

from __future__ import annotations

import os
import sys

import click

from clew.cli import output
from clew.cli.command import command
from clew.core.errors import Denied, Invalid

__all__ = ["login", "logout"]

_WHO_GIVES = "ask who runs the server for one: clew token add NAME --user YOU"


@command(
    "login",
    examples=[
        ("clew login https://clew.example.org", "asks for a token, tries it, and keeps it for this user"),
        ("clew login https://clew.example.org < token.txt", "reads it from a file"),
    ],
)
@click.argument("url")
def login(*, url: str, as_json: bool) -> None:
    """Keep a token for a server, after it was tried.

    It is kept in a file that only you can read, outside of every project; CLEW_TOKEN stands above it.
    """
    from clew.client.accounts import HttpAccounts
    from clew.client.connection import Connection
    from clew.client.credentials import address_of, keep_token

    server, _ = address_of(url, "")
    secret = _asked()
    connection = Connection(server, "", secret)
    try:
        accounts = HttpAccounts(connection, "")
        me, projects = accounts.me(), [project.name for project in accounts.projects()]
    except Denied as error:
        raise Denied(error.what, hint=_WHO_GIVES) from error
    finally:
        connection.close()
    file = keep_token(server, secret, os.environ)
    facts = {"server": server, "user": me.name, "projects": projects, "file": str(file)}
    output.text(f"{server} knows you as {me.name}; {_next(server, projects)}", facts, as_json=as_json)


@command("logout", examples=[("clew logout https://clew.example.org", "forget its token; it still counts there")])
@click.argument("url")
def logout(*, url: str, as_json: bool) -> None:
    """Forget the token of a server on this machine."""
    from clew.client.credentials import address_of, forget_token

    server, _ = address_of(url, "")
    known = forget_token(server, os.environ)
    said = f"forgot the token of {server}" if known else f"no token of {server} was kept"
    output.text(said, {"server": server, "forgotten": known}, as_json=as_json)


def _asked() -> str:
    """The token: typed unseen, or the first line of stdin."""
    if sys.stdin.isatty():
        secret = str(click.prompt("token", hide_input=True, err=True))
    else:
        secret = sys.stdin.readline()
    if not secret.strip().isascii() or not secret.strip():
        raise Invalid("that is no token", hint=_WHO_GIVES)
    return secret.strip()


def _next(server: str, projects: list[str]) -> str:
    """What to do with a token: the lines that name a project on the server."""
    if not projects:
        return "no project has a role for you yet: an admin gives you one with clew member add"
    from urllib.parse import quote

    url = f"{server}/projects/{quote(projects[0], safe='')}"
    return (
        f"projects: {', '.join(projects)}\nNext, for a shell in any folder: export CLEW_SERVER={url}\n"
        f'or in clew.toml beside your code:\n\n[server]\nurl = "{url}"'
    )
