"""The docs cannot fall behind: every command is in the reference, every link of the root pages leads somewhere, and
what pages show of settings, Python and commands is understood."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

import click
import pytest

from clew import facade
from clew.cli.errors import EXIT_CODES
from clew.cli.main import COMMANDS, root
from clew.settings.read import settings_of

ROOT = Path(__file__).parents[1]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate, navigation = load("generate"), load("navigation")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_its_page_with_options_and_examples(name: str) -> None:
    page = generate.pages()[f"reference/commands/{name}.md"]
    command = root.get_command(click.Context(root), name)
    assert command is not None

    def check(one: click.Command, full_name: str) -> None:
        assert f" {full_name}\n" in page
        for parameter in one.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert parameter.opts[0] in page
        for line, purpose in getattr(one, "examples", ()):
            assert line in page
            assert purpose in page
        if isinstance(one, click.Group):
            for child_name, child in one.commands.items():
                check(child, f"{full_name} {child_name}")

    check(command, f"clew {name}")


def test_the_list_of_commands_links_all_of_them() -> None:
    page = generate.command_list()
    assert set(re.findall(r"\(([\w-]+)\.md\)", page)) == set(COMMANDS)


def test_the_page_of_exit_codes_has_every_row() -> None:
    page = generate.exit_codes()
    for code in EXIT_CODES.values():
        assert f"| {code} | " in page


def test_links_between_pages_of_the_root_are_turned_to_the_site() -> None:
    page = generate.copy_of("CONTRIBUTING.md", "how-to/contribute.md")
    assert "](../explanation/architecture.md)" in page
    assert "](../decisions/0002-lock-files.md)" in page
    assert "changelog fragment" in page
    assert "changelog.d" not in page


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "GLOSSARY.md"])
def test_links_of_the_root_pages_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)\)", (ROOT / name).read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def dead(page: Path, text: str) -> list[str]:
    """Links of a page that lead nowhere in a checkout; one to what `make docs` writes may, if the page says so."""
    made = {(ROOT / "docs" / name).resolve() for name in generate.pages()}
    links = [link for link in re.findall(r"\]\(([^)#\s]+)[^)\s]*\)", text) if "://" not in link]
    there = {link for link in links if (page.parent / link).resolve() not in made and (page.parent / link).exists()}
    written = {link for link in links if (page.parent / link).resolve() in made and "`make docs`" in text}
    return [link for link in links if link not in there | written]


WRITTEN = [
    path for path in (ROOT / "docs").rglob("*.md") if path.relative_to(ROOT / "docs").as_posix() not in generate.pages()
]


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_checkout_lead_somewhere_or_say_who_makes_the_page(page: Path) -> None:
    assert dead(page, page.read_text(encoding="utf-8")) == []


def test_a_link_that_leads_nowhere_is_found() -> None:
    page = ROOT / "docs" / "reference" / "made-up.md"
    assert dead(page, "[a](nowhere.md) [b](settings.md#x) [c](exit-codes.md)") == ["nowhere.md", "exit-codes.md"]
    assert dead(page, "`make docs` writes [c](exit-codes.md)") == []


def test_every_extra_is_in_the_page_on_installing() -> None:
    page = (ROOT / "docs" / "how-to" / "install.md").read_text(encoding="utf-8")
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(declared)


@pytest.mark.parametrize("page", [path for path in [*WRITTEN, ROOT / "README.md"] if path.name != "install.md"])
def test_clew_is_not_said_to_be_on_an_index(page: Path) -> None:
    asked = re.findall(r"pip install [^\n]*clew[^\n]*", page.read_text(encoding="utf-8"))
    assert [line for line in asked if "/clew" not in line] == []


def test_what_is_installed_is_the_whole_package(tmp_path: Path) -> None:
    """`pip install PATH` takes every file of the package, and nothing else."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    with ZipFile(next(tmp_path.glob("clew-*.whl"))) as wheel:
        packed = {name for name in wheel.namelist() if name.startswith("clew/")}
    files = (path for path in (ROOT / "src" / "clew").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert packed == {path.relative_to(ROOT / "src").as_posix() for path in files}


def test_the_places_that_the_architecture_names_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("## Where to find what")[2]
    places: list[str] = re.findall(r"`((?:src|docs)/[\w/.-]+)`", text)
    assert len(places) > 10
    assert [place for place in places if not (ROOT / place).exists()] == []


def test_the_navigation_opens_each_section_with_its_index(tmp_path: Path) -> None:
    for folder in navigation.SECTIONS.values():
        (tmp_path / folder / "deep-er").mkdir(parents=True)
        (tmp_path / folder / "a.md").touch()
        (tmp_path / folder / "index.md").touch()
        (tmp_path / folder / "deep-er" / "b.md").touch()
    home, tutorial, *_ = navigation.navigation(tmp_path)
    assert home == {"Home": "index.md"}
    assert tutorial == {"Tutorial": ["tutorial/index.md", "tutorial/a.md", {"Deep er": ["tutorial/deep-er/b.md"]}]}


@pytest.mark.parametrize(
    ("html", "refused"),
    [
        ('<script src="https://elsewhere.test/a.js"></script>', True),
        ('<link rel="stylesheet" href="//elsewhere.test/a.css">', True),
        ('<a href="https://elsewhere.test/">words</a><script src="../a.js"></script>', False),
    ],
)
def test_the_site_refuses_what_comes_from_elsewhere(html: str, refused: bool) -> None:
    class Page:
        class file:
            src_uri = "index.md"

    if refused:
        with pytest.raises(SystemExit, match="elsewhere"):
            navigation.on_post_page(html, page=Page, config=None)
    else:
        assert navigation.on_post_page(html, page=Page, config=None) == html


def test_fragments_have_a_kind() -> None:
    fragments = [path for path in (ROOT / "changelog.d").iterdir() if path.name != "README.md"]
    kinds = r"^[a-z0-9-]+\.(added|changed|fixed|removed|security)\.md$"
    assert [path.name for path in fragments if not re.match(kinds, path.name)] == []


def test_the_public_api_has_its_page() -> None:
    page = generate.python_api()
    assert [name for name in facade.__all__ if f"\n## clew.{name}\n" not in page] == []
    for name in facade.__all__:
        thing = getattr(facade, name)
        assert inspect.getdoc(thing), name
        for member, value in vars(thing).items() if inspect.isclass(thing) else ():
            if inspect.isfunction(value) and not member.startswith("_"):
                assert f"\n### {member}()\n" in page, f"{name}.{member}"


PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]


def fenced(language: str) -> list[tuple[str, str]]:
    """Every block of a language in the docs: where it stands, and its text."""
    fence = re.compile(rf"^```{language}[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [
        (f"{page.relative_to(ROOT)}:{page.read_text(encoding='utf-8')[: found.start()].count(chr(10)) + 1}", found[1])
        for page in PAGES
        for found in fence.finditer(page.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize(("place", "text"), fenced("toml"))
def test_settings_in_the_docs_are_understood(place: str, text: str) -> None:
    settings_of(text, where=place)


@pytest.mark.parametrize(("place", "text"), fenced("python"))
def test_python_in_the_docs_is_python(place: str, text: str) -> None:
    if "reference/python" not in place:  # signatures
        compile(text, place, "exec")


def words_of(line: str) -> list[list[str]]:
    """The commands of a line of a shell, as words; nothing where a text goes on in the next line."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    with contextlib.suppress(ValueError):
        for word in lexer:
            found = [*found, []] if set(word) <= set("();<>|&") else [*found[:-1], [*found[-1], word]]
        return found
    return []


def commands_in_the_docs() -> list[tuple[str, list[str]]]:
    lines = [(place, line[2:]) for place, text in fenced("console") for line in text.splitlines() if line[:2] == "$ "]
    lines += [(place, line) for place, text in fenced("bash") for line in text.splitlines()]
    return [(place, words[1:]) for place, line in lines for words in words_of(line) if words[:1] == ["clew"]]


NEEDS = {
    "data": "data",
    "import mlflow": "mlflow",
    "import tensorboard": "tensorboard",
    "serve": "serve",
    "server": "server",
    "up": "serve",
    "watch": "data",
    "why": "data",
}
"""The extra that a command needs."""


@pytest.mark.parametrize("page", [page for page in PAGES if "pip install './clew" in page.read_text(encoding="utf-8")])
def test_what_a_page_installs_is_enough_for_its_commands(page: Path) -> None:
    asked = re.findall(r"pip install '\./clew\[([\w,]+)\]'", page.read_text(encoding="utf-8"))
    installed = {extra for extras in asked for extra in extras.split(",")}
    for place, words in commands_in_the_docs():
        if place.startswith(f"{page.relative_to(ROOT)}:"):
            needed = NEEDS.get(words[0]) or NEEDS.get(" ".join(words[:2]))
            assert needed in (None, *installed), f"{place}: clew {words[0]} needs {needed}"


@pytest.mark.parametrize(("place", "words"), commands_in_the_docs())
def test_commands_in_the_docs_can_be_given(place: str, words: list[str]) -> None:
    if words[:1] == ["complete"]:  # shows what a mistake looks like
        return
    command: click.Command = root
    context = click.Context(root)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        context = click.Context(command, parent=context, info_name=words[0])
        below = command.get_command(context, words[0])
        assert below is not None, f"{place}: {words}"
        command, words = below, words[1:]
    with contextlib.suppress(click.exceptions.Exit):  # --help, --version
        command.make_context(command.name, words, parent=context)
