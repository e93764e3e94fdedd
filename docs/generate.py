"""Writes the pages that follow from the code: one per command, the exit codes, the Python API, and copies of the pages
at the root.

    python docs/generate.py        # part of `make docs`

What it writes is not committed. `tests/test_docs.py` holds that every command has its page.
"""

from __future__ import annotations

import inspect
import re
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from clew import facade
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
    made["reference/python.md"] = python_api()
    made["reference/server.md"] = server_routes()
    made |= {target: copy_of(source, target) for source, target in COPIES.items()}
    return made


def server_routes() -> str:
    """What a server answers over HTTP."""
    from clew.server.app import make_app
    from clew.server.reference import render_reference

    return render_reference(make_app(cast("Any", None)))


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
        "A command that answers a question (`clew model gate`, `clew data check`) ends with 1 when the answer is no.",
        "",
    ]
    return "\n".join(lines)


OPENING = """# Python API

What `import clew` offers. Everything else in the package may change without notice; what is here changes only with a
line in the changelog. Calls act on the project at or above the current folder.

```python
import clew

@clew.step
def fit(table, depth: int) -> clew.Model: ...

@clew.pipeline
def train(flights: clew.Dataset, depth: int = 6):
    return fit(flights.frame(), depth)

train.run(flights="flights@latest", depth=8)

with clew.run("baseline", params={"lr": 0.1}) as run:
    run.log(loss=0.3, step=1)
```
"""

HANDED_OUT = ("Dataset", "Pipeline", "Run", "Workspace")
"""Classes whose objects functions hand out: nobody calls their constructors."""


def python_api() -> str:
    """The page of the public Python API: functions first, then classes."""
    names = sorted(facade.__all__, key=lambda name: (inspect.isclass(getattr(facade, name)), name))
    return "\n".join([OPENING, *(line for name in names for line in _public(name, getattr(facade, name)))])


def _public(name: str, thing: Any) -> Iterator[str]:
    yield from (f"## clew.{name}", "")
    if name not in HANDED_OUT:
        yield from _signature(f"clew.{name}", thing)
    text = inspect.getdoc(thing) or ""
    yield from _markdown(text.partition("\nArgs:")[0] if name in HANDED_OUT else text)
    if inspect.isclass(thing):
        for member, value in inspect.getmembers_static(thing):
            if not member.startswith("_"):
                yield from _member(member, value)


def _member(name: str, value: Any) -> Iterator[str]:
    doc = inspect.getdoc(value)
    if doc and isinstance(value, property | cached_property):
        yield from (f"### {name}", "", *_markdown(doc))
    elif doc and inspect.isfunction(value):
        yield from (f"### {name}()", "", *_signature(name, value), *_markdown(doc))


def _signature(name: str, function: Any) -> Iterator[str]:
    """The call as a block, one line for each argument where there are many."""
    signature = inspect.signature(function)
    parameters = [one for name, one in signature.parameters.items() if name != "self"]
    kinds, shown = [one.kind for one in parameters], [_parameter(one) for one in parameters]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        shown.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    result = str(signature.return_annotation).strip("'")
    tail = "" if inspect.isclass(function) or result == "None" else f" -> {result}"
    line = f"{name}({', '.join(shown)}){tail}"
    text = line if len(line) <= 100 else f"{name}(\n    " + ",\n    ".join(shown) + f",\n){tail}"
    yield from ("```python", text, "```", "")


def _parameter(one: inspect.Parameter) -> str:
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}.get(one.kind, "")
    text = f"{stars}{one.name}: {str(one.annotation).strip(chr(39))}"
    if one.default is inspect.Parameter.empty:
        return text
    default = one.default.value if isinstance(one.default, Enum) else one.default
    return f"{text} = {default!r}"


def _markdown(docstring: str) -> Iterator[str]:
    """A docstring as Markdown: `Args:` and its like become lists."""
    section = False
    for line in docstring.splitlines():
        if re.fullmatch(r"(Args|Returns|Raises):", line):
            section = True
            yield from (f"**{line[:-1]}**", "")
        elif section and line.startswith("    ") and not line.startswith("     "):
            name, colon, text = line.strip().partition(": ")
            yield f"- `{name}`: {text}" if colon and " " not in name else f"- {line.strip()}"
        else:
            section = section and (not line or line.startswith(" "))
            yield line.strip() if not section else f"  {line.strip()}".rstrip()
    yield ""


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
