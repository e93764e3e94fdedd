"""`clew settings`: what `clew.toml` may say."""

from __future__ import annotations

from difflib import get_close_matches
from itertools import groupby

import click

from clew.cli import output
from clew.cli.command import command
from clew.core.errors import NotFound

__all__ = ["settings"]

_COLUMNS: output.Columns = ["name", "type", "default", output.Column("says", "what it says", long=True)]


@command(
    "settings",
    examples=[
        ("clew settings", "every setting, table by table"),
        ("clew settings gate", "those of [gate.MODEL]"),
    ],
)
@click.argument("table", default="")
def settings(*, table: str, as_json: bool) -> None:
    """List what clew.toml may say, with types and defaults."""
    from clew.settings.reference import TABLES, every_setting

    found = [setting for setting in every_setting() if table in setting.table]
    if not found:
        near = get_close_matches(table, [title for title, _, _ in TABLES], n=3, cutoff=0.4)
        raise NotFound("table", table, near=near, hint="clew settings lists all of them")
    if as_json:
        output.table([setting._asdict() for setting in found], [], as_json=True)
        return
    for title, several in groupby(found, lambda setting: setting.table):
        output.table(several, _COLUMNS, as_json=False, title=title)
        output.text("", as_json=False)
