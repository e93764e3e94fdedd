"""Reports: what differs is in them, whatever names hold; intervals are right, and pages need nothing else."""

from __future__ import annotations

import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from scipy import stats

from clew.cli.main import main
from clew.core.errors import ClewError, Invalid, NotFound
from clew.core.judging import FoundRun
from clew.core.types.interval import Interval
from clew.core.types.run import Run, RunKind, RunStatus
from clew.core.types.series import Series
from clew.data.add_table import TableRules
from clew.loop.report.compared import report_of_groups
from clew.loop.report.gather import Asked, compare_groups, compare_runs
from clew.loop.report.html import page
from clew.loop.report.markdown import markdown
from clew.loop.report.table import Chart, Diff, Line, Report, Table
from clew.store.objects.local import LocalObjects
from clew.testing.runs import a_run
from clew.tracking.capture.git import short_revision
from clew.tracking.groups import Grouping, group_runs, word_of
from clew.tracking.start import start
from clew.workspace import Workspace, init_project

NASTY = "<img src=x onerror=alert(1)> | `@ann` [x](http://e)"


def a_found(at: int, group: str, value: float | None, *, ended: bool = True) -> FoundRun:
    run = Run(
        id=f"{at:032x}",
        project="p",
        experiment="e",
        name=f"r{at}",
        kind=RunKind.SCRIPT,
        status=RunStatus.FINISHED if ended else RunStatus.FAILED,
        created_us=at,
        created_by="ann",
        ended_us=at + 1,
        tags={"group": group},
    )
    metrics = {} if value is None else {"auc": a_series(run.id, value)}
    return FoundRun(run=run, experiment="e", metrics=metrics)


def a_series(run: str, value: float) -> Series:
    return Series(
        run=run, key="auc", count=1, nans=0, low=value, high=value, total=value, first=value, last=value, last_step=0,
        last_time_us=0,
    )  # fmt: skip


def grouped(values: dict[str, list[float]], *, first: str = "") -> Grouping:
    found = [a_found(at, name, value) for name in values for at, value in enumerate(values[name], 100 * len(name))]
    return group_runs(found, "group", lambda each: each.run.tags["group"], first=first)


def test_means_have_students_interval_and_differences_welchs() -> None:
    rng = np.random.default_rng(3)
    one, other = rng.normal(0.7, 0.01, 8).tolist(), rng.normal(0.72, 0.03, 12).tolist()
    (metric,) = grouped({"a": one, "bb": other}).metrics
    mean, difference = metric.means[0], metric.differences[1]
    assert mean is not None
    assert difference is not None
    low, high = stats.t.interval(0.95, 7, loc=np.mean(one), scale=stats.sem(one))
    assert (mean.value, mean.low, mean.high) == pytest.approx((np.mean(one), low, high))
    welch = stats.ttest_ind(other, one, equal_var=False).confidence_interval()
    assert difference.value == pytest.approx(np.mean(other) - np.mean(one))
    assert (difference.low, difference.high) == pytest.approx((welch.low, welch.high), abs=2e-4)


def test_groups_can_be_chosen() -> None:
    found = [a_found(at, name, 0.5) for at, name in enumerate(["old", "main", "mine", "other"])]
    chosen = group_runs(found, "branch", lambda each: each.run.tags["group"], first="main", others=["mine"])
    assert [group.name for group in chosen.groups] == ["main", "mine"]


def test_who_asks_for_a_group_that_is_not_there_is_told_which_are() -> None:
    found = [a_found(at, name, 0.5) for at, name in enumerate(["main", "mine"])]

    def hint(by: str, *words: str, **asked: Any) -> str:
        by_run = dict(zip([each.run.id for each in found], words, strict=False))
        with pytest.raises(ClewError) as refused:
            group_runs(found, by, lambda each: by_run.get(each.run.id, ""), **asked)
        return refused.value.hint

    assert hint("branch", "main", "mine", first="main", others=["nine"]) == "there are main, mine"
    assert hint("branch", "main", first="man") == "there is main"
    assert hint("branch", "main") == "there is main; choose another --by, or more runs"
    none = "none of 2 runs has a branch{}, which git or the tag mlflow.source.git.branch says"
    assert hint("branch", first="main") == none.format("")
    assert hint("branch", first="main", remote="git@example.org:a.git") == none.format(" of example.org/a")
    assert hint("param.depth", first="6") == "none of 2 runs has param.depth"
    found.clear()
    assert hint("branch", first="main") == "no run was found"


def test_runs_of_mlflow_have_the_branch_of_their_tags(tmp_path: Path) -> None:
    """What another repository calls main is left out, and so is nothing that names no repository."""
    objects = LocalObjects(tmp_path)
    found = a_found(1, "", 0.5)

    def branch(remote: str, **tags: str) -> str:
        told = {f"mlflow.source.git.{name}": value for name, value in tags.items()}
        run = msgspec.structs.replace(found.run, tags=told)
        return word_of("branch", objects, remote=remote)(msgspec.structs.replace(found, run=run))

    assert branch("", branch="main") == "main"
    assert branch("git@example.org:a.git", branch="main") == "main"
    assert branch("git@example.org:a.git", branch="main", repoURL="https://ann:secret@example.org/a") == "main"
    assert branch("git@example.org:a.git", branch="main", repoURL="https://example.org/b") == ""
    assert branch("") == ""


def test_one_run_has_no_interval_and_unfinished_ones_do_not_count() -> None:
    found = [a_found(1, "a", 0.5), a_found(2, "b", 0.7), a_found(3, "b", 0.9, ended=False), a_found(4, "", 0.1)]
    grouping = group_runs(found, "group", lambda each: each.run.tags["group"])
    assert [(group.name, len(group.runs), group.unfinished) for group in grouping.groups] == [("a", 1, 0), ("b", 2, 1)]
    text = markdown(report_of_groups(grouping))
    assert "| auc | 0.5 | 0.7 | +0.2 |" in text
    assert "b: 1." in text
    assert "1 that did not finish is left out" in text
    told = json.loads(msgspec.json.encode(grouping))["metrics"][0]
    one = {"low": None, "high": None, "level": None, "units": 1, "method": "one run"}
    assert told["means"] == [{"value": 0.5, **one}, {"value": 0.7, **one}]
    assert told["differences"][1]["low"] is None


def test_a_sure_difference_is_bold_and_an_unsure_one_is_not() -> None:
    sure = markdown(report_of_groups(grouped({"a": [0.5, 0.51, 0.49], "bb": [0.9, 0.91, 0.89]})))
    assert re.search(r"\*\*.*\+0\.4 \[", sure)
    unsure = markdown(report_of_groups(grouped({"a": [0.5, 0.9, 0.1], "bb": [0.6, 0.2, 0.8]})))
    assert "**`" not in unsure


@pytest.mark.parametrize("value", [0.05, 0.1, 0.333, 0.7, 0.95])
def test_runs_that_agree_have_no_difference_and_no_spread(value: float) -> None:
    for ours, theirs in itertools.product((1, 2, 3, 6, 7), repeat=2):
        (metric,) = grouped({"a": [value] * ours, "bb": [value] * theirs}).metrics
        assert {each.value for each in metric.means if each is not None} == {value}
        difference = metric.differences[1]
        assert difference is not None
        assert difference.value == 0.0
        if isinstance(difference, Interval):
            assert (difference.low, difference.high) == (0.0, 0.0)
    text = markdown(report_of_groups(grouped({"a": [value] * 3, "bb": [value] * 6})))
    assert "**`" not in text
    assert "e-1" not in text


def test_groups_are_chosen_with_words_that_make_sense(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="2 runs in 1 group by group, where two are needed"):
        grouped({"a": [1.0, 2.0]})
    with pytest.raises(NotFound):
        grouped({"a": [1.0], "bb": [2.0]}, first="c")
    assert grouped({"a": [1.0], "bb": [2.0]}, first="bb").groups[0].name == "bb"
    init_project(tmp_path)
    with Workspace(tmp_path) as workspace, pytest.raises(Invalid, match="cannot be grouped"):
        compare_groups(workspace.services, Asked(by="colour"))


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_names_and_values_cannot_become_markup() -> None:
    table = Table(title="Metrics", columns=["name", NASTY], rows=[[NASTY, NASTY]])
    report = Report(title=NASTY, subtitle=NASTY, tables=[table], diffs=[Diff(title=NASTY, text=f"+````\n+{NASTY}\n")])
    tags = Tags()
    tags.feed(page(report).decode())
    assert not {tag for tag, _ in tags.seen} & {"img", "script", "link", "a", "iframe"}
    assert not [attrs for _, attrs in tags.seen if {"src", "href", "onerror"} & set(attrs)]
    text = markdown(report)
    seen, _, folded = text.partition("<details>")
    outside = re.sub(r"`[^`]*`|<code>.*?</code>", "", seen + folded.partition("</summary>")[0])
    assert not [mark for mark in ("<img", "@ann", "](", "://") if mark in outside]
    assert "`````diff" in text


@pytest.mark.parametrize("name", ["http://e.org", "www.e.org", "~~old~~", "a_b_c", "[x](y)", "@ann", "#7"])
def test_a_name_is_shown_as_it_is(name: str) -> None:
    table = Table(title="Metrics", columns=["name"], rows=[[name]])
    text = markdown(Report(title="runs", subtitle=f"compared with {name}", tables=[table]))
    assert text.count(f"`{name}`") == 2


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Two runs that differ in a parameter, a metric, and the data that they used."""
    init_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(tmp_path)
    for at, name in enumerate(("base", "candidate")):
        rows = pl.DataFrame({"id": [1, 2, 3 + at], "x": [1.0, 2.0 + at, 3.0], **({"y": [0, 0, 0]} if at else {})})
        rows.write_csv(tmp_path / "rows.csv")
        version = workspace.data.add("rows", tmp_path / "rows.csv", rules=TableRules(key=["id"])).version
        with start(workspace.recorder, name, params={"lr": 0.1 * (at + 1)}, capture=False, parent="") as run:
            run.input(version)
            for step in range(50):
                run.log(loss=1 / (step + 1 + at), step=step)
    return workspace


def test_the_data_that_runs_used_is_compared(two: Workspace) -> None:
    found = compare_runs(two.services, ["base", "candidate"], curves=True)
    (change,) = found.data
    assert (change.before, change.after, change.columns_added) == ("rows@1", "rows@2", ["y"])
    assert (change.added, change.removed, change.changed) == (1, 1, 1)
    assert change.cells_changed["x"] == 1
    (chart,) = found.report.charts
    assert [line.name for line in chart.lines] == ["base", "candidate"]
    html = page(found.report).decode()
    assert html.count('<path class="curve') == 2
    assert [f">{label}</text>" in html for label in ("0", "step", "49")] == [True, True, True]
    assert "rows@1 → rows@2" in html
    two.close()


def test_the_commands(two: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two.close()
    assert main(["report", "base", "candidate", "--markdown"]) == 0
    text = capsys.readouterr().out
    assert "| loss | 0.02 | 0.019608 | -0.00039216 |" in text
    assert "<summary>Parameters (1)</summary>" in text
    assert main(["runs", "compare", "base", "candidate"]) == 0
    shown = capsys.readouterr().out
    assert "loss    0.02   0.019608  -0.00039216\n" in shown
    assert "name  base  candidate\nlr     0.1        0.2\n" in shown
    assert main(["runs", "compare", "base", "candidate", "--html", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").read_bytes().startswith(b"<!doctype html>")
    assert main(["runs", "compare", "--by", "param.lr"]) == 0
    assert "0.2 − 0.1" in capsys.readouterr().out
    assert main(["runs", "compare", "--by", "param.lr", "base", "candidate", "--json"]) == 0
    assert main(["runs", "compare", "base", "candidate", "--where", "status = failed"]) == 2
    assert main(["runs", "compare", "base", "candidate", "--html", str(tmp_path)]) != 0


def test_curves_of_different_lengths_share_the_axis_of_steps() -> None:
    lines = [
        Line(name="long", values=[1.0, 2.0, 3.0], first=0, last=1_000_000),
        Line(name="short", values=[1.0, 3.0], first=0, last=500_000),
    ]
    html = page(Report(title="t", subtitle="", tables=[], charts=[Chart(title="loss", lines=lines)])).decode()
    long, short = (
        [float(x) for x in re.findall(r"[ML]([\d.]+) ", path)]
        for path in re.findall(r'class="curve \w+" d="([^"]+)"', html)
    )
    assert (long[0], short[0], short[-1]) == (short[0], long[0], long[1])
    assert ">1000000</text>" in html


def test_revisions_are_as_short_as_elsewhere() -> None:
    clean = "0123456789abcdef" * 2 + "01234567"
    assert [short_revision(commit) for commit in (clean, f"{clean}+", "0123456789ab", "")] == [
        *("0123456789ab", "0123456789ab+", "0123456789ab", "")
    ]


def test_groups_of_revisions_are_named_by_a_long_or_a_short_one(two: Workspace) -> None:
    commits = ["a" * 40, "b" * 40 + "+"]
    for name, commit in zip("ab", commits, strict=True):
        made = a_run(name * 32, project=two.stores.project, name=name, commit=commit)
        two.runs.create(made, experiment="e")
        two.runs.finish(made.id, RunStatus.FINISHED, ended_us=made.created_us + 1)
    for first in ("", commits[0], "a" * 12):
        grouping, report = compare_groups(two.services, Asked(by="revision", names=("a", "b"), first=first))
        assert [group.name for group in grouping.groups] == ["a" * 12, "b" * 12 + "+"]
        assert "a" * 13 not in markdown(report)
    two.close()
