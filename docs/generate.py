"""Writes the pages that follow from the code: one per command, the exit codes, and copies of the pages at the root.

    python docs/generate.py        # part of `make docs`

What it writes is not committed. `tests/test_docs.py` holds that every command has its page.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clew.cli.command import Command, Group
from clew.cli.errors import DEFECT, EXIT_CODES, INTERRUPTED
from clew.cli.main import COMMANDS, SECTIONS, root

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

COPIES = {
    "GLOSSARY.md": "reference/glossary.md",
    "ARCHITECTURE.md": "explanation/architecture.md",
    "CONTRIBUTING.md": "how-to/contribute.md",
}
"""Pages at the root of the repository that the site shows too."""


def pages() -> dict[str, str]:
    """Every generated page: its path below docs/, and its text."""
    made = {f"reference/commands/{name}.md": command_page(name) for name in COMMANDS}
    made["reference/commands/index.md"] = command_list()
    made["reference/exit-codes.md"] = exit_codes()
    made |= {target: copy_of(source, target) for source, target in COPIES.items()}
    return made


def command_list() -> str:
    """The page that lists the commands under their headings."""
    lines = ["# Commands", "", "Every command takes `--help`, and prints JSON with `--json`.", ""]
    for section in SECTIONS:
        rows = [(name, row) for name, row in COMMANDS.items() if row.section == section]
        if rows:
            lines += [f"## {section}", "", "| command | what it does |", "|---|---|"]
            lines += [f"| [`clew {name}`]({name}.md) | {row.help} |" for name, row in rows] + [""]
    return "\n".join(lines)


def command_page(name: str) -> str:
    """The page of one command, with the commands below it."""
    command = root.get_command(click.Context(root), name)
    if command is None:
        raise click.UsageError(f"no command named {name!r}")
    return "\n".join(_describe(command, f"clew {name}", depth=1))


def _describe(command: click.Command, full_name: str, *, depth: int) -> Iterator[str]:
    context = click.Context(command, info_name=full_name)
    yield f"{'#' * depth} {full_name}"
    yield ""
    yield _unwrapped(command.help or "")
    yield ""
    if not isinstance(command, click.Group):
        yield from ("```", " ".join([full_name, *command.collect_usage_pieces(context)]), "```", "")
        yield from _parameters(command, context)
    if isinstance(command, Command | Group) and command.examples:
        yield "```console"
        for line, purpose in command.examples:
            yield from (f"# {purpose}", f"$ {line}")
        yield from ("```", "")
    if isinstance(command, click.Group):
        for child_name, child in command.commands.items():
            yield from _describe(child, f"{full_name} {child_name}", depth=depth + 1)


def _parameters(command: click.Command, context: click.Context) -> Iterator[str]:
    rows = [record for one in command.get_params(context) if (record := one.get_help_record(context))]
    if rows:
        yield from ("| option | what it does |", "|---|---|")
        for names, text in rows:
            yield f"| `{_cell(names)}` | {_cell(text)} |"
        yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _unwrapped(text: str) -> str:
    """Help as Markdown: paragraphs, without click's marks."""
    return text.replace("\b\n", "").replace("\b", "").strip()


def exit_codes() -> str:
    """The page of exit codes, from the table of the door."""
    lines = [
        "# Exit codes",
        "",
        "An error is text on stderr; with `--json` it is one object there,",
        '`{"error": {"code": …, "message": …, "hint": …}}`, whose `code` is the word in the last column.',
        "",
        "| exit code | meaning | `code` |",
        "|---|---|---|",
        "| 0 | it went well | |",
    ]
    for cls, code in sorted(EXIT_CODES.items(), key=lambda row: row[1]):
        meaning = (cls.__doc__ or "").strip().splitlines()[0].rstrip(".").partition(";")[0]
        word = "".join(f"_{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("_")
        lines.append(f"| {code} | {meaning} | `{word}` |")
    lines += [
        f"| {DEFECT} | a defect of clew; the traceback is in the file that the message names | `defect` |",
        f"| {INTERRUPTED} | stopped with Ctrl-C; the same command continues | `interrupted` |",
        "| 141 | the reader of the output went away | |",
        "",
        "A command that answers a question (`clew gate`, `clew data check`) ends with 1 when the answer is no.",
        "",
    ]
    return "\n".join(lines)


def copy_of(source: str, target: str) -> str:
    """A page of the root as a page of the site: links are turned to where the site has them."""
    up = "../" * target.count("/")
    text = (ROOT / source).read_text(encoding="utf-8")

    def turn(match: re.Match[str]) -> str:
        words, link = match.groups()
        if "://" in link or link.startswith("#"):
            return match.group()
        if link in COPIES:
            return f"[{words}]({up}{COPIES[link]})"
        if link.startswith("docs/") and link.endswith(".md"):
            return f"[{words}]({up}{link.removeprefix('docs/')})"
        return words  # a file of the repository that the site does not show

    return re.sub(r"\[([^\]]+)\]\(([^)\s]+)\)", turn, text)


def main() -> None:
    """Write every page."""
    for name, text in pages().items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
