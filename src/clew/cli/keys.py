"""`clew keys`: who may ask an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from clew.cli import output
from clew.cli.command import command, group
from clew.core.errors import NotFound

if TYPE_CHECKING:
    from clew.workspace import Workspace

__all__ = ["keys"]


@group("keys", examples=[("clew keys add delay --name ann", "a key for the endpoint delay")])
def keys() -> None:
    """Make, list and remove keys of endpoints."""


@command("add", examples=[("clew keys add delay --name ann", "prints the key, once")])
@click.argument("endpoint")
@click.option("--name", default="", help="Whose key it is; yours by default.")
def add(*, endpoint: str, name: str, as_json: bool) -> None:
    """Make a key of an endpoint and print it.

    The key is not stored and cannot be shown again. As soon as an endpoint has one, it answers only those who send it,
    as `Authorization: Bearer KEY`.
    """
    from clew.serving.keys import add_key
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        _know(workspace, endpoint)
        called = name or workspace.stores.actor
        secret = add_key(workspace.stores, endpoint, called)
    output.text(secret, {"endpoint": endpoint, "name": called, "key": secret}, as_json=as_json)


@command("list", examples=[("clew keys list", "of all endpoints"), ("clew keys list delay", "of one")])
@click.argument("endpoint", required=False, default="")
def list_(*, endpoint: str, as_json: bool) -> None:
    """List the keys of endpoints, by the digests that are stored."""
    from clew.serving.keys import list_keys
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        found = list_keys(workspace.stores.folder, endpoint)
    digest = output.Column("digest", show=output.short, spare=2)
    columns: output.Columns = [
        "endpoint",
        "name",
        digest,
        output.Column("created_us", spare=1),
        output.Column("created_by", spare=3),
    ]
    output.table(found, columns, as_json=as_json, empty="no keys yet: clew keys add ENDPOINT makes one")


@command("remove", examples=[("clew keys remove delay ann", "it counts no more")])
@click.argument("endpoint")
@click.argument("name")
def remove(*, endpoint: str, name: str, as_json: bool) -> None:
    """Let a key count no more."""
    from clew.serving.keys import remove_key
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        remove_key(workspace.stores, endpoint, name)
    output.text(f"removed {endpoint}/{name}", {"endpoint": endpoint, "name": name}, as_json=as_json)


def _know(workspace: Workspace, endpoint: str) -> None:
    """Refuse names that no endpoint has or will have by its model or `clew.toml`: they are typing errors."""
    with workspace.stores.ledger.read() as tx:
        project = workspace.stores.project
        known = {each.name for each in tx.endpoints.list(project)} | {each.name for each in tx.models.list(project)}
    known |= set(workspace.settings.endpoints)
    if endpoint not in known:
        raise NotFound("endpoint", endpoint, near=sorted(known)[:3], hint="clew serve MODEL@ALIAS makes one")


for each in (add, list_, remove):
    keys.add_command(each)
