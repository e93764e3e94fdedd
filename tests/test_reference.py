"""What the code tells and counts is in the reference: events, metrics, paths and statuses of an endpoint."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from clew.core.types.endpoint import TrialState
from clew.server.counts import Counts
from clew.serving import app, http
from clew.serving.metrics import BUCKETS_S, Metrics

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
NOUNS = (
    "project|experiment|dataset|version|run|alias|model|endpoint|trial|alert|label|log|step"
    "|job|data|erasure|checkpoint|access|member|user|token|settings"
)
KIND = re.compile(rf"({NOUNS})\.[a-z_]+")


def page(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text(encoding="utf-8")


def kinds_in(source: str) -> set[str]:
    """Kinds of events that a module makes: constants like `run.ended`, and f"trial.{…}" as `trial.`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr) and isinstance(first := node.values[0], ast.Constant):
            if isinstance(first.value, str) and re.fullmatch(rf"({NOUNS})\.", first.value):
                found.add(first.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and KIND.fullmatch(node.value):
            found.add(node.value)
    return found


def kinds_in_the_code() -> set[str]:
    found = set()
    for path in sorted((ROOT / "src" / "clew").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if "testing" not in path.parts and ("import Event" in source or ".tell(" in source):
            found |= kinds_in(source)
    return found


def documented() -> set[str]:
    return set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", page("events"), re.MULTILINE))


def test_every_kind_of_event_is_documented() -> None:
    found = kinds_in_the_code()
    if "trial." in found:
        found = (found - {"trial."}) | {
            f"trial.{state.value}" for state in TrialState if state is not TrialState.RUNNING
        }
    assert len(found) > 10
    assert found - documented() == set()
    assert documented() - found == set()


def test_an_undocumented_event_would_be_seen() -> None:
    assert kinds_in('Event(kind="run.vanished")') == {"run.vanished"}
    assert kinds_in('f"trial.{state}"') == {"trial."}
    assert kinds_in('"run.py"; "clew.runs"') <= {"run.py"}


def test_every_metric_is_documented(tmp_path: Path) -> None:
    counts = Counts(tmp_path)
    counts.observe("GET", "/a", 200, 0.1)
    texts = Metrics("e").text(model="m", version=1) + counts.text()
    made = re.findall(r"^# TYPE (\w+) (\w+)$", texts, re.MULTILINE)
    told = re.findall(r"^\| `(clew_\w+)` \| (\w+) \|", page("metrics"), re.MULTILINE)
    assert sorted(made) == sorted(told)
    buckets = re.search(r"end at ([\d., ]+) ms and 1 s", page("metrics"))
    assert buckets is not None
    assert [*(float(ms) / 1000 for ms in buckets[1].split(", ")), 1.0] == list(BUCKETS_S)


def test_every_status_is_documented() -> None:
    refused = re.findall(r"_Refused\((\d{3}),", Path(http.__file__).read_text(encoding="utf-8"))
    statuses = {int(status) for status in (*app.STATUS_OF.values(), *refused)} | {401, 405, 500}
    told = {int(status) for status in re.findall(r"^\| (\d{3}) \| `", page("http"), re.MULTILINE)}
    never = {409}  # nothing on the request path raises Conflict
    assert told == statuses - never


@pytest.mark.parametrize("path", ["/predict", "/labels", "/health", "/v2/health/live", "/v2/health/ready", "/metrics"])
def test_every_path_is_documented(path: str) -> None:
    assert f"{path}`" in page("http")
    assert f'"{path}"' in Path(app.__file__).read_text(encoding="utf-8")
