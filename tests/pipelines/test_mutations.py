"""Whatever changes what a step computes makes it run again, and nothing else does: no wrong hit, no needless miss.

The cases stand in `mutations.txt` and `harmless.txt`, one small project each, with the change marked in it. The step
must run, then come from the cache, then, after the change, run again or not. A change in `mutations.txt` must change
what the step gives, or the case shows nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

MARK = re.compile(r"«([^|»]*)\|([^»]*)»")
HEAD = "from clew.pipelines import step\n"


@dataclass
class Case:
    """One project before and after its change."""

    name: str
    call: str = ""
    environ: tuple[str, str] | None = None
    files: dict[str, list[str]] = field(default_factory=lambda: {"main.py": []})

    def state(self, after: int) -> dict[str, str]:
        """The files before or after the change; one that is nothing but the change is not there before it."""
        call = MARK.sub(lambda found: found[1 + after], self.call)
        texts = {name: "\n".join(lines) + "\n" for name, lines in self.files.items()}
        found = {
            name: MARK.sub(lambda found: found[1 + after], text)
            for name, text in texts.items()
            if after or not re.fullmatch(r"«\|[^»]*»\s*", text)
        }
        body = found["main.py"]
        start = body.index("\n") + 1 if body.startswith("from __future__") else 0
        found["main.py"] = f"{body[:start]}{HEAD}{body[start:]}\ndef run():\n    return work({call})\n"
        return found


def cases(file: str) -> dict[str, Case]:
    """The cases of a file by name."""
    found: dict[str, Case] = {}
    case, lines = Case(""), []
    for line in (Path(__file__).parent / file).read_text().splitlines():
        if line.startswith("=== "):
            case = found[line[4:]] = Case(line[4:])
            lines = case.files["main.py"]
        elif line.startswith("--- "):
            lines = case.files[line[4:]] = []
        elif line.startswith("call "):
            case.call = line[5:]
        elif line.startswith("environ "):
            case.environ = (line.split()[1], line.split()[2])
        else:
            lines.append(line)
    for each in found.values():
        for held in each.files.values():
            while held and not held[-1]:
                held.pop()
    return found


MATTERS, HARMLESS = cases("mutations.txt"), cases("harmless.txt")
QUIET = [
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore:overriding existing custom namespace:UserWarning",
]


def set_variable(monkeypatch: pytest.MonkeyPatch, case: Case, after: int) -> None:
    value = case.environ[after] if case.environ else "-"
    if value == "-":
        monkeypatch.delenv("CLEW_X", raising=False)
    else:
        monkeypatch.setenv("CLEW_X", value)


def told(value: object) -> str:
    return f"{type(value)} {value!r}"


def test_there_are_enough_cases_and_each_marks_a_change() -> None:
    assert len(MATTERS) >= 200
    assert len(HARMLESS) >= 30
    for case in [*MATTERS.values(), *HARMLESS.values()]:
        assert case.environ or case.state(0) != case.state(1), case.name


@pytest.mark.filterwarnings(*QUIET)
@pytest.mark.parametrize("name", MATTERS)
def test_a_change_that_matters_is_never_a_hit(name: str, project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    case = MATTERS[name]
    set_variable(monkeypatch, case, 0)
    project.write(case.state(0))
    first = project.run()
    assert first.executed == ["work"]
    assert told(first.value) == told(project.truth())
    again = project.run()
    assert again.executed == [], again.steps[0].reason
    assert told(again.value) == told(first.value)

    project.write(case.state(1))
    set_variable(monkeypatch, case, 1)
    truth = project.truth()
    assert told(truth) != told(first.value)
    changed = project.run()
    assert told(changed.value) == told(truth)
    assert changed.executed == ["work"]
    assert changed.steps[0].reason not in ("", "first time")


@pytest.mark.filterwarnings(*QUIET)
@pytest.mark.parametrize("name", HARMLESS)
def test_a_change_that_does_not_matter_is_no_miss(name: str, project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    case = HARMLESS[name]
    set_variable(monkeypatch, case, 0)
    project.write(case.state(0))
    first = project.run()
    assert first.executed == ["work"]
    project.write(case.state(1))
    set_variable(monkeypatch, case, 1)
    assert told(project.truth()) == told(first.value)
    changed = project.run()
    assert changed.executed == [], changed.steps[0].reason
    assert told(changed.value) == told(first.value)
