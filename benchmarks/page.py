"""The page of figures, `docs/reference/benchmarks.md`, from the lines that benchmarks printed.

    python benchmarks/page.py        # writes the page anew from figures.jsonl

`make bench` calls it. It shows the numbers of clew that have a target or that their line names as `shown`; what else
was measured stands in the lines themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LINES = ROOT / "benchmarks" / "figures.jsonl"
PAGE = ROOT / "docs" / "reference" / "benchmarks.md"

Line = dict[str, Any]

OPENING = """# Benchmarks

What clew costs, what it is meant to cost, and what peers cost that were measured in the same run. Written by
`make bench`; every number is the median of its repeats. A row in bold is clew, with its target in the head of the
column or beside the number; the rows below it are others that did the same, where *n×* says how many times better clew
is (below 1: worse). Times move by a factor of two between machines and with what else runs on them: compare ratios, and
look at the calibration before you compare times.

```console
$ make bench                                        # all of them, without peers
$ make bench VS=mlflow,dvc ARGS="logging files"     # these two, beside these peers, each in its own environment
$ make bench ARGS="steps --small"                   # only to see that it runs: the page stays as it is
```
"""


def read(path: Path = LINES) -> list[Line]:
    """The lines of a file; none where it is missing."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def page(lines: list[Line]) -> str:
    """The whole page."""
    names = sorted({line["benchmark"] for line in lines})
    return "\n".join([OPENING, *(text for name in names for text in _section(name, lines))])


def _section(name: str, lines: list[Line]) -> Iterator[str]:
    found = [line for line in lines if line["benchmark"] == name]
    ours = [line for line in found if line["who"] == "clew" and _shown(line)]
    yield from (f"## {name.replace('_', ' ').capitalize()}", "", *_circumstances(found), "")
    for keys in dict.fromkeys(_shown(line) for line in ours):
        alike = [line for line in ours if _shown(line) == keys]
        limits = [_common([_limit(line, key) for line in alike]) for key in keys]
        yield (
            "| | " + " | ".join(f"{unit(key)} {limit}".strip() for key, limit in zip(keys, limits, strict=True)) + " |"
        )
        yield "|---|" + "--:|" * len(keys)
        yield from (row for line in alike for row in _rows(line, keys, limits, found))
        yield ""
    yield from _verdict(ours)


def _circumstances(lines: list[Line]) -> Iterator[str]:
    machine = next(line for line in lines if line["figure"] == "machine")
    speed = [
        f"{line['figure'].removeprefix('calibration: ')} {number(line['wall_s'])} s"
        for line in lines
        if line["figure"].startswith("calibration")
    ]
    yield f"Measured {machine['date']} by `{machine['command']}` on {machine['machine']}."
    yield f"Calibration in the same run: {'; '.join(speed)}."
    if machine["load"] > machine["cores"] / 4:
        busy = f"Other work kept {machine['load']} of {machine['cores']} cores busy"
        yield f"{busy}: read medians of calls and CPU; wall times and starts are too long."


def _shown(line: Line) -> tuple[str, ...]:
    """The numbers of a line that the page shows: those with a target and those named; all, where there are none."""
    numbers = [key for key, value in line.items() if isinstance(value, int | float) and not isinstance(value, bool)]
    asked = {*line.get("targets", {}), *line.get("shown", ())}
    return tuple(key for key in numbers if key in asked) or tuple(numbers)


def _common(limits: list[str]) -> str:
    return limits[0] if len(set(limits)) == 1 else ""


def _rows(line: Line, keys: tuple[str, ...], limits: list[str], found: list[Line]) -> Iterator[str]:
    """A row of clew, and below it one of each other that did the same."""
    cells = [_cell(line, key, limit) for key, limit in zip(keys, limits, strict=True)]
    yield f"| **{line['figure']}** | {' | '.join(cells)} |"
    for other in found:
        if other["figure"] == line["figure"] and other["who"] != "clew" and any(key in other for key in keys):
            beside = [number(other[key]) + _times(other, key) if key in other else "" for key in keys]
            yield f"| {other['who']} | {' | '.join(beside)} |"


def _cell(line: Line, key: str, common: str) -> str:
    limit = _limit(line, key)
    text = number(line[key]) + (f" {limit}" if limit and not common else "")
    return f"**{text}, missed**" if _misses(line, key) else text


def _limit(line: Line, key: str) -> str:
    target = line.get("targets", {}).get(key, {})
    return "".join(f"({sign} {number(target[word])})" for word, sign in SIGNS.items() if word in target)


def _misses(line: Line, key: str) -> bool:
    target = line.get("targets", {}).get(key)
    return bool(target) and over(line[key], target) > 1


def _verdict(lines: list[Line]) -> Iterator[str]:
    """How many targets are reached, and what is known of each that is not."""
    judged = [(line, key) for line in lines for key in line.get("targets", {}) if key in line]
    missed = [(line, key) for line, key in judged if _misses(line, key)]
    if judged:
        yield from (f"{len(judged) - len(missed)} of {len(judged)} targets are reached{':' if missed else '.'}", "")
    for line, key in missed:
        target = line["targets"][key]
        why = target.get("why_missed") or "Not looked into yet."
        times = number(over(line[key], target))
        yield f"- {line['figure']}, {unit(key)}: {number(line[key])}, {times} times the target. {why}"
    if missed:
        yield ""


SIGNS = {"at_most": "≤", "at_least": "≥"}


def _times(other: Line, key: str) -> str:
    ratio = other.get("ratios", {}).get(key)
    return f" (*{number(ratio)}×*)" if ratio else ""


def over(value: float, target: Line) -> float:
    """How many times a number misses its target; at most 1 where it reaches it."""
    above, below = (value, target["at_most"]) if "at_most" in target else (target["at_least"], value)
    return above / below if below else float("inf") if above else 1.0


def unit(key: str) -> str:
    """The name of a number in words."""
    return key.replace("_per_s", "/s").replace("_us", " µs").replace("_", " ")


def number(value: Any) -> str:
    """Three digits, with commas in what is long."""
    if not isinstance(value, int | float):
        return str(value)
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def write(lines: list[Line]) -> None:
    """Keep the lines, and write the page that they make."""
    LINES.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    PAGE.write_text(page(lines), encoding="utf-8")


if __name__ == "__main__":
    write(read())
