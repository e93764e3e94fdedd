"""The same command in several processes at once: one does it, and the others say so or find it done."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

DATABASES = ["sqlite", "postgresql"]


def start(words: list[str], folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "clew", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ends(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    said = [process.communicate(timeout=100)[0] for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


def test_a_project_is_made_once(database: str, tmp_path: Path) -> None:
    made = ends([start(["init", "--name", "flights"], tmp_path) for _ in range(4)])
    assert sorted(code for code, _ in made) == [0, 4, 4, 4], made
    assert all("exists already" in text for code, text in made if code)
    assert (tmp_path / ".clew" / ".gitignore").read_text() == "*\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".clew", "clew.toml"]
    [(code, text)] = ends([start(["events", "--json"], tmp_path)])
    assert (code, text.count("project.added")) == (0, 1)


def test_whoever_comes_while_a_project_is_made_can_use_it(database: str, tmp_path: Path) -> None:
    making = start(["init", "--name", "flights"], tmp_path)
    while not (tmp_path / ".clew").exists():
        assert making.poll() is None
        time.sleep(0.001)
    assert (tmp_path / ".clew" / ".gitignore").exists()
    using = ends([start(["runs", "list"], tmp_path) for _ in range(3)])
    assert [code for code, _ in using] == [0, 0, 0], using
    [(code, text)] = ends([making])
    assert code == 0, text


def test_a_second_demo_in_a_folder_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    first = start(["demo", "--until", "2"], tmp_path)
    while not (tmp_path / "clew-demo" / "clew.toml").exists():
        assert first.poll() is None
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)  # so that it does not come to its end meanwhile
    try:
        [(code, text)] = ends([start(["demo", "--until", "2"], tmp_path)])
        assert code == 4, text
        assert "a demo runs in" in text
        [(code, text)] = ends([start(["demo", "--until", "2", "--fresh"], tmp_path)])
        assert code == 4, text
        assert (tmp_path / "clew-demo" / "clew.toml").exists()
        first.send_signal(signal.SIGCONT)
        assert first.poll() is None
    finally:
        first.kill()
        ends([first])
