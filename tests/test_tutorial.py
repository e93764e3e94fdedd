"""The tutorial is true, and so are some how-tos: their files are written, their commands run in their order, and what
they show is what comes.

Conventions of a page that is played:

- A fenced block with a file name as title is a file; one titled `second terminal` holds a command that goes on
  running; every other `console` block holds commands behind `$ ` (continued behind `> `), each with what it prints.
- `…` stands for anything within a line, a line of its own for any lines. Words of 12 and more hexadecimal digits are
  ids: another one comes when the page is played, and must then be the same wherever the page says the same. Times of
  2026 and durations may differ, these in their unit too. Blanks in a row are as good as one.
- The port may be another one, and the clock is on UTC.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
import pytest

from clew.testing.postgres import PostgresServer

DOCS = Path(__file__).parents[1] / "docs"
PLAYED = ["tutorial/cancer.md", "how-to/data.md", "how-to/cache.md", "how-to/runs.md"]
PORT = "8470"
PATIENCE_S = 90.0

FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ID = re.compile(r"\b[0-9a-f]{12,64}\b")
LOOSE = re.compile(
    r"(?P<id>\b[0-9a-f]{12,64}\b)|(?P<time>2026-\d\d-\d\d \d\d:\d\d:\d\d)|(?P<duration>\d[\d.,]* ?(?:s|ms|µs)\b)"
    r"|(?P<any>…)|(?P<blank>\s+)"
)
PATTERNS = {
    "id": r"([0-9a-f]{%d})",
    "time": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d",
    "duration": r"\d[\d.,]* ?(?:s|ms|µs)",
    "any": r".*",
    "blank": r"\s+",
}


@dataclass
class Block:
    language: str
    title: str
    text: str
    line: int


@dataclass
class Command:
    words: str
    output: list[str]
    line: int


@dataclass
class Player:
    """One reader, in one folder."""

    folder: Path
    port: str
    ledger: str = "sqlite"
    ids: dict[str, str] = field(default_factory=dict)
    terminals: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CLEW_", "PYTEST_"))}
        return kept | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.folder.parent),
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
            "PYTHONUTF8": "1",
            "PYTHONUNBUFFERED": "1",
            "CLEW_ACTOR": "ada",
            "CLEW_PORT": self.port,
            "CLEW_LEDGER": self.ledger,
        }

    def mine(self, text: str) -> str:
        """The text of the page with this reader's ids and port."""
        text = ID.sub(lambda found: self._known(found.group()) or found.group(), text)
        return text.replace(PORT, self.port)

    def write(self, block: Block) -> None:
        (self.folder / block.title).write_text(self.mine(block.text), encoding="utf-8")

    def say(self, words: str) -> subprocess.CompletedProcess[str]:
        """What a shell in the folder answers, both streams as one."""
        return subprocess.run(
            ["bash", "-c", words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def run(self, command: Command) -> None:
        """Run a command and compare; a look at the endpoint's health waits until it is as the page says."""
        until = time.monotonic() + (PATIENCE_S if "/health" in command.words else 0.0)
        while True:
            done = self.say(self.mine(command.words))
            problem = self.compare(command.output, done.stdout.splitlines())
            if problem is None and done.returncode == 0:
                return
            if time.monotonic() > until:
                break
            time.sleep(0.1)
        shown = "\n".join(command.output)
        pytest.fail(
            f"line {command.line}: $ {command.words}\n--- the page\n{shown}\n--- what came "
            f"(exit code {done.returncode})\n{done.stdout}\n--- {problem}"
        )

    def open(self, command: Command) -> None:
        """Start a command that goes on running, and wait until it has said what the page shows."""
        log = self.folder.parent / f"terminal-{len(self.terminals)}.log"
        with log.open("w") as output:
            self.terminals.append(
                subprocess.Popen(
                    ["bash", "-c", f"exec {self.mine(command.words)}"],
                    cwd=self.folder,
                    env=self.environment,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
        until = time.monotonic() + PATIENCE_S
        while self.compare(command.output, log.read_text(encoding="utf-8").splitlines()) is not None:
            assert time.monotonic() < until, f"line {command.line}: {log.read_text(encoding='utf-8')}"
            assert self.terminals[-1].poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.05)

    def close(self) -> None:
        """Ctrl-C in every terminal."""
        for process in self.terminals:
            process.send_signal(signal.SIGINT)
        for process in self.terminals:
            process.wait(timeout=PATIENCE_S)

    def compare(self, shown: list[str], came: list[str]) -> str | None:
        """What differs, None when nothing does; then the ids are known."""
        wanted = [line.rstrip() for line in self.mine("\n".join(shown)).splitlines() if line.strip()]
        lines = [line.rstrip() for line in came if line.strip()]
        learned: dict[str, str] = {}
        at = 0
        for i, line in enumerate(wanted):
            if line.strip() == "…":
                if i + 1 == len(wanted):
                    break
                while at < len(lines) and not self._matches(wanted[i + 1], lines[at], dict(learned)):
                    at += 1
                continue
            if at == len(lines):
                return f"missing: {line}"
            if not self._matches(line, lines[at], learned):
                return f"expected: {line}\n         came: {lines[at]}"
            at += 1
        else:
            if at < len(lines):
                return f"more came: {lines[at]}"
        self.ids |= learned
        return None

    def _matches(self, line: str, came: str, learned: dict[str, str]) -> bool:
        names: list[str] = []
        pattern, end = "", 0
        for found in LOOSE.finditer(line):
            pattern += re.escape(line[end : found.start()])
            kind, end = str(found.lastgroup), found.end()
            known = kind == "id" and found.group() in self.ids.values()
            if kind == "id" and not known:
                names.append(found.group())
                pattern += PATTERNS["id"] % len(found.group())
            else:
                pattern += re.escape(found.group()) if known else PATTERNS[kind]
        match = re.fullmatch(pattern + re.escape(line[end:]), came)
        if match is None:
            return False
        mine = dict(zip(names, match.groups(), strict=True))
        if any(learned.get(name, value) != value for name, value in mine.items()):
            return False
        learned |= mine
        return True

    def _known(self, name: str) -> str:
        """The id that stands for one of the page; the beginning of a known one is known too."""
        if name in self.ids:
            return self.ids[name]
        return next((mine[: len(name)] for page, mine in self.ids.items() if page.startswith(name)), "")


def blocks(page: str) -> Iterator[Block]:
    for found in FENCE.finditer(page):
        yield Block(found[1], found[2] or "", found[3], page[: found.start()].count("\n") + 1)


def commands(block: Block) -> list[Command]:
    found: list[Command] = []
    for at, line in enumerate(block.text.splitlines(), block.line + 1):
        if line.startswith("$ "):
            found.append(Command(line[2:], [], at))
        elif line.startswith("> ") and not found[-1].output:
            found[-1].words += "\n" + line[2:]
        else:
            found[-1].output.append(line)
    return found


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def play(page: str, folder: Path, ledger: str = "sqlite") -> Player:
    """Do what a reader of the page does."""
    player = Player(folder, free_port(), ledger)
    try:
        for block in blocks(page):
            if block.language != "console":
                if block.title:
                    player.write(block)
                continue
            for command in commands(block):
                (player.open if block.title == "second terminal" else player.run)(command)
    finally:
        player.close()
    return player


@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("curl") is None, reason="pages ask endpoints with curl")
@pytest.mark.parametrize("page", PLAYED)
def test_what_the_page_says_is_what_comes(page: str, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    player = play((DOCS / page).read_text(encoding="utf-8"), folder)
    found = player.say("clew events --limit 10000 --json").stdout
    kinds = set(re.findall(r'"kind": "([a-z_]+\.[a-z_]+)"', found))
    told = (DOCS / "reference" / "events.md").read_text(encoding="utf-8")
    assert kinds
    assert [kind for kind in kinds if f"| `{kind}` |" not in told] == []


@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("curl") is None, reason="pages ask endpoints with curl")
def test_the_whole_tutorial_is_true_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    """Every process of it has its rows in a database: the same commands, the same answers."""
    folder = tmp_path / "demo"
    folder.mkdir()
    player = play((DOCS / "tutorial" / "cancer.md").read_text(encoding="utf-8"), folder, postgres_url)
    assert not (folder / ".clew" / "ledger.db").exists()
    for words in ("clew audit verify", "clew doctor --quick"):
        done = player.say(words)
        assert done.returncode == 0, done.stdout


POSTGRES = "postgresql://clew@db.example.org/clew"


@pytest.fixture
def owned(postgres: PostgresServer) -> Iterator[str]:
    """The address of the database that the how-to makes, on the server of the tests."""
    sql = next(block for block in blocks(HOW_TO) if block.language == "sql").text
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as admin:
        for statement in filter(None, map(str.strip, sql.split(";"))):
            admin.execute(statement)
        yield postgres.url("clew").replace("postgres:@", "clew@")
        postgres.drop(postgres.url("clew"))
        admin.execute("DROP ROLE clew")


HOW_TO = (DOCS / "how-to" / "postgresql.md").read_text(encoding="utf-8")


def test_the_how_to_of_postgresql_is_true(tmp_path: Path, owned: str) -> None:
    """Its SQL makes a database in which its commands make a project, and so does its `clew.toml`."""
    shell = next(block.text for block in blocks(HOW_TO) if "export CLEW_LEDGER" in block.text)
    said = [line[2:] for line in shell.splitlines() if line.startswith("$ ") and "pip install" not in line]
    (by_variable := tmp_path / "one").mkdir()
    words = " && ".join(said).replace(POSTGRES, f"'{owned}'")
    done = Player(by_variable, free_port()).say(f"{words} && clew runs list && clew doctor")
    assert (done.returncode, "is whole" in done.stdout) == (0, True), done.stdout
    assert not (by_variable / ".clew" / "ledger.db").exists()

    (by_file := tmp_path / "two").mkdir()
    reader = Player(by_file, free_port())
    settings = next(block.text for block in blocks(HOW_TO) if block.language == "toml")
    (by_file / "clew.toml").write_text(settings.replace(POSTGRES, owned), encoding="utf-8")
    unset = "unset CLEW_LEDGER && clew"
    done = reader.say(f"{unset} init && clew runs list && clew doctor --quick")
    assert (done.returncode, "PostgreSQL" in done.stdout) == (0, True), done.stdout
    (by_file / "clew.toml").write_text(settings.replace("clew@", "clew:s3cret@"), encoding="utf-8")
    done = reader.say(f"{unset} runs list")
    assert done.returncode == 2, done.stdout
    assert "s3cret" not in done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="the example asks an endpoint with curl")
def test_the_example_of_the_readme_runs_in_an_empty_folder(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    player = Player(folder, free_port())
    _, _, example = (DOCS.parent / "README.md").read_text(encoding="utf-8").partition("## From an empty folder")
    example, _, _ = example.partition("\n## ")
    for block in blocks(example):
        if (named := re.match(r"# ([a-z]+\.[a-z]+)", block.text)) is not None:
            player.write(replace(block, title=named[1]))
    (shell,) = (block for block in blocks(example) if block.language == "console")
    words = "\n".join(player.mine(command.words) for command in commands(shell))
    done = player.say(f"set -eo pipefail; trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n{words}")
    assert done.returncode == 0, done.stdout
    for told in ("tumour@1 is champion now", "1 label", "replay: identical", "label: yes (as decided)"):
        assert told in done.stdout, done.stdout


def test_a_page_that_is_not_true_is_refused(tmp_path: Path) -> None:
    play("```console\n$ echo one two\none …\n```\n", tmp_path)
    play("```console\n$ printf 'a\\nb\\nc\\n'\na\n…\nc\n```\n", tmp_path)
    with pytest.raises(pytest.fail.Exception, match="came: one two"):
        play("```console\n$ echo one two\none three\n```\n", tmp_path)
    with pytest.raises(pytest.fail.Exception, match="more came: two"):
        play("```console\n$ printf 'one\\ntwo\\n'\none\n```\n", tmp_path)
    with pytest.raises(pytest.fail.Exception, match="exit code 3"):
        play("```console\n$ exit 3\n```\n", tmp_path)


def test_an_id_must_stay_the_same(tmp_path: Path) -> None:
    page = "```console\n$ echo 0193a7c1f2d0\n01aaaaaaaaaa\n$ echo %s\n01aaaaaaaaaa\n```\n"
    play(page % "0193a7c1f2d0", tmp_path)
    with pytest.raises(pytest.fail.Exception, match="expected: 0193a7c1f2d0"):
        play(page % "0193a7c1f2d1", tmp_path)
