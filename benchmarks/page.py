"""The page of figures, `docs/reference/benchmarks.md`, from the lines that benchmarks printed.

    python benchmarks/page.py        # writes the page anew from figures.jsonl

`make bench` calls it. A row is a number of clew that has a target or that its line names as `shown`; what else
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
`make bench`; every number is the median of its repeats. *n×* behind a peer's number says how many times better clew is
(below 1: worse). Times move by a factor of two between machines and with what else runs on them: compare ratios, and
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
    yield from (f"## {name.capitalize()}", "", *_circumstances(found), "")
    rows = [row for line in found if line["who"] == "clew" for row in _rows(line, found)]
    yield from ("| figure | number | clew | target | | others |", "|---|---|--:|--:|---|---|")
    yield from (_row(*row) for row in rows)
    yield ""
    missed = [text for line, key, _ in rows if (text := _missed(line, key))]
    if missed:
        yield from ("Missed targets:", "", *missed, "")


def _circumstances(lines: list[Line]) -> Iterator[str]:
    machine = next(line for line in lines if line["figure"] == "machine")
    speed = [
        f"{line['figure'].removeprefix('calibration: ')} {number(line['wall_s'])} s"
        for line in lines
        if line["figure"].startswith("calibration")
    ]
    yield f"Measured {machine['date']} by `{machine['command']}` on {machine['machine']}, load {machine['load']}."
    yield f"Calibration in the same run: {'; '.join(speed)}."
    if machine["load"] > machine["cores"] / 2:
        yield "Other work ran on the machine: read medians of calls and CPU; wall times and starts are too long."


def _rows(line: Line, lines: list[Line]) -> list[tuple[Line, str, list[Line]]]:
    """What is shown of a line: number by number, with the others that have it too."""
    others = [one for one in lines if one["figure"] == line["figure"] and one["who"] != "clew"]
    numbers = [key for key, value in line.items() if isinstance(value, int | float) and not isinstance(value, bool)]
    asked = {*line.get("targets", {}), *line.get("shown", ())}
    shown = [key for key in numbers if key in asked]
    return [(line, key, [one for one in others if key in one]) for key in shown or numbers]


def _row(line: Line, key: str, others: list[Line]) -> str:
    target = line.get("targets", {}).get(key, {})
    limit = "".join(f"{sign} {number(target[word])}" for word, sign in SIGNS.items() if word in target)
    reached = "" if not target else "missed" if over(line[key], target) > 1 else "reached"
    beside = "; ".join(f"{one['who']}: {number(one[key])}{_times(one, key)}" for one in others)
    return f"| {line['figure']} | {unit(key)} | {number(line[key])} | {limit} | {reached} | {beside} |"


SIGNS = {"at_most": "≤", "at_least": "≥"}


def _times(other: Line, key: str) -> str:
    ratio = other.get("ratios", {}).get(key)
    return f" (*{number(ratio)}×*)" if ratio else ""


def over(value: float, target: Line) -> float:
    """How many times a number misses its target; at most 1 where it reaches it."""
    above, below = (value, target["at_most"]) if "at_most" in target else (target["at_least"], value)
    return above / below if below else float("inf") if above else 1.0


def _missed(line: Line, key: str) -> str | None:
    target = line.get("targets", {}).get(key)
    if not target or (times := over(line[key], target)) <= 1:
        return None
    why = target.get("why_missed") or "Not looked into yet."
    return f"- {line['figure']}, {unit(key)}: {number(line[key])}, {number(times)} times the target. {why}"


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
