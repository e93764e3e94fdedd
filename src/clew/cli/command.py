"""How a command is declared: click's own decorators, with `--json` and examples on every command.

Not the table of commands (`clew.cli.main`), nor how results are shown (`clew.cli.output`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from clew.core.errors import Invalid

__all__ = ["Command", "FilePath", "Group", "Span", "command", "group", "guess", "names_pipeline", "tags_of"]

Examples = Sequence[tuple[str, str]]
"""Command lines with what each is for."""

_PIPELINE = re.compile(r".+\.py:[A-Za-z_][A-Za-z0-9_]*")


class Command(click.Command):
    """A click command with examples under its help."""

    def __init__(self, *args: Any, examples: Examples = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_examples(self.examples, formatter)
        super().format_epilog(ctx, formatter)


class FilePath(click.Path):
    """A path on the command line. An empty one is a variable that was not set, and does not mean this folder."""

    def __init__(self, *, file_okay: bool = True, dir_okay: bool = True) -> None:
        super().__init__(file_okay=file_okay, dir_okay=dir_okay, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the path is empty; write . for this folder", param, ctx)
        return super().convert(value, param, ctx)


class Span(click.FloatRange):
    """Days, hours or the like on the command line, 0 to `most`. Neither nan, which is within any range, nor endless."""

    def __init__(self, most: float, *, min_open: bool = False) -> None:
        super().__init__(min=0, max=most, min_open=min_open)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value!r} is no number", param, ctx)
        return found


class Group(click.Group):
    """A click group with examples under its help, whose commands are `Command`s."""

    command_class = Command

    def __init__(self, *args: Any, examples: Examples = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_examples(self.examples, formatter)
        super().format_epilog(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.commands and not name.startswith("-"):
            raise click.UsageError(f"no command named {name!r}{guess(name, list(self.commands))}", ctx)
        return super().resolve_command(ctx, args)


def command(name: str, *, examples: Examples, **settings: Any) -> Callable[[Callable[..., object]], Command]:
    """Declare a command; its function gets `as_json` besides its own options.

    Args:
        name: the word on the command line.
        examples: at least one command line with what it is for.
        settings: what `click.command` takes (`epilog`, `context_settings`, …).
    """

    def declare(function: Callable[..., object]) -> Command:
        with_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")(function)
        return click.command(name, cls=Command, examples=examples, **settings)(with_json)

    return declare


def group(name: str, *, examples: Examples, **settings: Any) -> Callable[[Callable[..., object]], Group]:
    """Declare a group of commands; add them with `GROUP.add_command(COMMAND)`.

    Args:
        name: the word on the command line.
        examples: at least one command line with what it is for.
        settings: what `click.group` takes.
    """

    def declare(function: Callable[..., object]) -> Group:
        return click.group(name, cls=Group, examples=examples, **settings)(function)

    return declare


def names_pipeline(word: str) -> bool:
    """Whether a word means a pipeline: `FILE.py:FUNCTION`."""
    return _PIPELINE.fullmatch(word) is not None


def tags_of(words: Sequence[str]) -> dict[str, str]:
    """The tags that `KEY=VALUE` words say."""
    tags = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise Invalid(f"{word!r} is no tag", hint="write KEY=VALUE, for example team=risk")
        tags[key] = value
    return tags


def guess(name: str, names: Sequence[str]) -> str:
    """The end of a sentence about a word that is not known: which words come near."""
    from difflib import get_close_matches

    near = get_close_matches(name, names, n=2)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _write_examples(examples: Examples, formatter: click.HelpFormatter) -> None:
    if not examples:
        return
    with formatter.section("Examples"):
        for line, purpose in examples:
            formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
            formatter.write(f"{'':>{formatter.current_indent}}    {purpose}\n")
