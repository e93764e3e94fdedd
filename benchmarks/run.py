"""Runs benchmarks one after another, shows their lines, and writes the page of figures.

    python benchmarks/run.py [NAME ...] [--vs PEER,…] [--small] [--repeat N] [--folder FOLDER] [--sizes N,…]

The lines of a benchmark that ran replace its earlier ones. Small sizes, and sizes of one's own, only show lines.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import page

HERE = Path(__file__).parent
NAMES = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def measure(name: str, options: list[str]) -> list[page.Line]:
    """Run one benchmark; its lines are shown as they come."""
    words = [sys.executable, str(HERE / f"bench_{name}.py"), *options]
    lines = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            lines.append(json.loads(line))
    if process.returncode:
        raise SystemExit(f"the benchmark {name} failed")
    return lines


def main() -> None:
    """Measure what the command line asks for."""
    words = sys.argv[1:]
    first = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    names, options = words[:first] or NAMES, words[first:]
    if unknown := set(names) - set(NAMES):
        raise SystemExit(f"no benchmark named {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    os.environ.setdefault("CLEW_BENCH_COMMAND", " ".join(["python benchmarks/run.py", *words]))
    for name in names:
        lines = measure(name, options)
        if not {"--small", "--sizes"} & {option.partition("=")[0] for option in options}:
            page.write([line for line in page.read() if line["benchmark"] != name] + lines)


if __name__ == "__main__":
    main()
