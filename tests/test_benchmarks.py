"""The benchmarks still run and lose nothing; their lines, ratios and page are what they say."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module
    for name in ("harness", "page", "peers", "run"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("script", sorted(BENCHMARKS.glob("bench_*.py")), ids=lambda path: path.stem)
def test_a_small_benchmark_prints_its_figures(script: Path, tmp_path: Path) -> None:
    words = [sys.executable, script, "--small", "--folder", tmp_path]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    name = script.stem.removeprefix("bench_")
    assert {line["benchmark"] for line in lines} == {name}
    assert [line["figure"] for line in lines[:1]] == ["machine"]
    assert sum(line["figure"].startswith("calibration") for line in lines) == 3
    judged = [key for line in lines if line["who"] == "clew" for key in line.get("targets", {}) if key in line]
    assert judged
    assert list(tmp_path.iterdir()) == []


def line(who: str = "clew", **numbers: object) -> dict[str, object]:
    return {"benchmark": "walking", "figure": "a mile", "who": who, **numbers}


MACHINE = {"figure": "machine", "date": "today", "machine": "feet", "load": 0.1, "cores": 2, "command": "walk"}


def test_the_page_shows_targets_ratios_and_by_how_much_one_is_missed(load) -> None:
    harness, page = load("harness"), load("page")
    targets = {"wall_s": harness.at_most(2, "Short legs."), "steps_per_s": harness.at_least(2)}
    ours = line(wall_s=5.0, steps_per_s=4.0, rests=1, targets=targets)
    theirs = line("a snail 1.0", wall_s=50.0, ratios={"wall_s": 10.0})
    text = page.page([{**line("machine"), **MACHINE}, ours, theirs])
    assert "| | wall s (≤ 2) | steps/s (≥ 2) |" in text
    assert "| **a mile** | **5, missed** | 4 |" in text
    assert "| a snail 1.0 | 50 (*10×*) |  |" in text
    assert "rests" not in text
    assert "1 of 2 targets are reached:" in text
    assert "- a mile, wall s: 5, 2.5 times the target. Short legs." in text
    assert "Measured today by `walk` on feet." in text
    assert "Other work" not in text
    assert "Other work kept 1.5 of 2 cores busy" in page.page([{**line("machine"), **MACHINE, "load": 1.5}, ours])


def test_a_target_stands_beside_the_number_where_others_of_its_column_have_another(load) -> None:
    harness, page = load("harness"), load("page")
    ours = line(wall_s=1.0, targets={"wall_s": harness.at_most(2)})
    far = {**line(wall_s=9.0, targets={"wall_s": harness.at_most(5)}), "figure": "two miles"}
    text = page.page([{**line("machine"), **MACHINE}, ours, far])
    assert "| | wall s |\n|---|--:|\n| **a mile** | 1 (≤ 2) |\n| **two miles** | **9 (≤ 5), missed** |" in text


def test_a_ratio_above_one_says_that_clew_is_better(load) -> None:
    harness = load("harness")
    ours, theirs = {"wall_s": 1.0, "rows_per_s": 10.0}, {"wall_s": 2.0, "rows_per_s": 5.0, "peak_mb": 1.0}
    assert harness.ratios(ours, theirs, ["wall_s", "rows_per_s", "peak_mb"]) == {"wall_s": 2.0, "rows_per_s": 2.0}


def test_repeats_are_joined_to_medians_and_maxima(load) -> None:
    harness = load("harness")
    rows = [{"wall_s": 3.0, "max_ms": 1.0, "note": "a"}, {"wall_s": 1.0, "max_ms": 7.0, "note": "b"}]
    assert harness.median_of([*rows, {"wall_s": 2.0, "max_ms": 2.0, "note": "c"}]) == {
        "wall_s": 2.0,
        "max_ms": 7.0,
        "note": "c",
    }
    assert harness.spread([float(one) for one in range(1000)], "us") == {
        "p50_us": 500.0,
        "p99_us": 990.0,
        "max_us": 999.0,
    }


def test_what_others_do_on_the_machine_is_told(load) -> None:
    harness = load("harness")
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            assert harness.busy_cores(0.5) > 0.2
        finally:
            other.kill()


def test_a_peer_that_nobody_knows_is_named(load) -> None:
    peers = load("peers")
    assert peers.names("dvc,git") == ["dvc", "git"]
    with pytest.raises(argparse.ArgumentTypeError, match="no peer named 'cvs'; there are bentoml, dvc"):
        peers.names("dvc,cvs")


def test_the_environment_of_a_peer_is_made_once(load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peers = load("peers")
    monkeypatch.setenv("CLEW_BENCH_PEERS", str(tmp_path))
    asked: list[str] = []

    def note(words: list[object], **_: object) -> None:
        asked.append(" ".join(map(str, words)))
        (tmp_path / "dvc").mkdir(exist_ok=True)

    monkeypatch.setattr(subprocess, "run", note)
    assert peers.python_of("dvc") == peers.python_of("dvc") == tmp_path / "dvc" / "bin" / "python"
    assert [words.rpartition(" ")[2] for words in asked] == [str(tmp_path / "dvc"), "dvc"]
    assert peers.python_of("clew") == peers.python_of("git") == Path(sys.executable)


def test_the_page_in_the_docs_is_what_the_lines_say(load) -> None:
    page: ModuleType = load("page")
    lines = page.read()
    assert lines
    assert page.PAGE.read_text(encoding="utf-8") == page.page(lines)


@pytest.mark.parametrize(
    ("value", "target", "times"),
    [(3, {"at_most": 2}, 1.5), (3, {"at_least": 6}, 2), (0, {"at_most": 0}, 1), (1, {"at_most": 0}, float("inf"))],
)
def test_how_far_a_target_is_missed(load, value: float, target: dict[str, float], times: float) -> None:
    assert load("page").over(value, target) == times
