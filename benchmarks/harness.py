"""What every benchmark shares: its command line, the machine it ran on, runs in processes of their own, and figures.

A benchmark is a file `bench_<name>.py` whose `main` takes a `Bench` and prints one line of JSON per figure:

    def write(folder: str, count: int) -> dict[str, float]:     # runs in a process of its own
        ...
        return {"rows_per_s": count / took}

    def main(bench: Bench) -> None:
        count = bench.size(100_000, small=100)
        medians = bench.compare(lambda who, folder: bench.child("write", who, folder=folder, count=count))
        bench.show_all("writing", medians, targets={"rows_per_s": at_least(1_000_000)}, durability="power")

    if __name__ == "__main__":
        run(main, "rows", peers=("dvc",))

This module imports only the standard library at the top, and a benchmark imports clew and the peers inside its
functions, because the same file runs in the environment of a peer too (`peers.py`). `page.py` turns the lines into
the page of figures. A number whose name ends in `_per_s` is better when it is greater; every other one when less.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import peers

Numbers = dict[str, Any]
CLEW = "clew"
MIB = 1 << 20


def at_most(limit: float, why_missed: str = "") -> Numbers:
    """A target that smaller numbers reach; the reason is shown where it is missed."""
    return {"at_most": limit, "why_missed": why_missed}


def at_least(limit: float, why_missed: str = "") -> Numbers:
    """A target that greater numbers reach; the reason is shown where it is missed."""
    return {"at_least": limit, "why_missed": why_missed}


def rounded(value: Any) -> Any:
    """Four digits of a number; everything else as it is."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def spread(times: Iterable[float], unit: str) -> Numbers:
    """p50, p99 and the maximum of what single calls took, in the unit that they have."""
    found = sorted(times)
    at = len(found)
    return {
        f"p50_{unit}": found[at // 2],
        f"p99_{unit}": found[min(at - 1, at * 99 // 100)],
        f"max_{unit}": found[-1],
    }


def timed(act: Callable[[], object]) -> Numbers:
    """Wall and CPU seconds of one call in this process."""
    cpu, began = time.process_time(), time.perf_counter()
    act()
    return {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}


def median_of(found: Sequence[Numbers]) -> Numbers:
    """The median of each number over repeats; of a maximum the greatest, and of text the last."""

    def joined(key: str) -> Any:
        values = [one[key] for one in found]
        if not all(isinstance(value, int | float) for value in values):
            return values[-1]
        return max(values) if key.startswith("max_") else statistics.median(values)

    return {key: joined(key) for key in found[0]}


def ratios(ours: Numbers, theirs: Numbers, compared: Iterable[str]) -> dict[str, float]:
    """How many times better ours are, for each compared number that both have."""
    both = [k for k in compared if k in ours and k in theirs]
    pairs = {k: (ours[k], theirs[k]) if k.endswith("_per_s") else (theirs[k], ours[k]) for k in both}
    return {key: over / under for key, (over, under) in pairs.items() if under > 0}


class Bench:
    """One run of a benchmark: sizes, repeats, peers, a folder, and where its figures go."""

    def __init__(self, name: str, asked: argparse.Namespace, folder: Path, known_peers: Sequence[str]) -> None:
        self.name = name
        self.small: bool = asked.small
        self.folder = folder
        self.repeats: int = asked.repeat or (1 if self.small else 3)
        self.peers = [peer for peer in asked.vs if peer in known_peers]
        self._sizes: list[int] = asked.sizes
        self._made = 0

    # Sizes

    def size(self, full: int, *, small: int) -> int:
        """How many of something: what was asked, or the size of this kind of run."""
        return self.sizes((full,), small=(small,))[-1]

    def sizes(self, full: Sequence[int], *, small: Sequence[int]) -> Sequence[int]:
        """A row of sizes that shows how cost grows."""
        return self._sizes or (small if self.small else full)

    # Measuring

    def fresh(self) -> Path:
        """A new empty folder on the disk that is measured."""
        self._made += 1
        path = self.folder / f"{self._made:04d}"
        path.mkdir()
        return path

    def child(self, function: str, who: str = CLEW, **given: Any) -> Numbers:
        """Call a function of the benchmark's file in a process of its own, in the environment of `who`.

        Returns: what it returned, and of the process: `wall_s`, `cpu_s` (both with its start), `peak_mb`. Numbers of
        the same name that the function returned are kept.
        """
        told = self.fresh() / "told.json"
        words = [peers.python_of(who), sys.argv[0], "--child", function, "--told", told]
        used = self.command([*words, "--given", json.dumps({**given, "who": who}, default=str)])
        return {**used, **json.loads(told.read_text(encoding="utf-8"))}

    def command(self, words: Sequence[object], *, cwd: Path | None = None) -> Numbers:
        """Run a program; of its process: `wall_s`, `cpu_s` (both with its start), `peak_mb`."""
        with tempfile.TemporaryFile(dir=self.folder) as log:
            began = time.perf_counter()
            process = subprocess.Popen([str(word) for word in words], cwd=cwd, stdout=log, stderr=log)
            _, status, used = os.wait4(process.pid, 0)
            wall = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                log.seek(0)
                sys.stderr.write(log.read().decode(errors="replace")[-4000:])
                raise SystemExit(f"{' '.join(map(str, words))[:300]} ended with {process.returncode}")
        return {"wall_s": wall, "cpu_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}

    def repeat(self, measure: Callable[[], Numbers]) -> Numbers:
        """The medians of a measurement that is made as often as asked."""
        return median_of([measure() for _ in range(self.repeats)])

    def compare(self, measure: Callable[[str, Path], Numbers], *others: str) -> dict[str, Numbers]:
        """Measure clew and each peer in turn, as often as asked, each in a fresh folder; the medians of each.

        Args:
            measure: takes who is measured and a folder.
            others: contestants that need no environment, such as a physical limit; measured in the same turns.
        """
        found: dict[str, list[Numbers]] = {who: [] for who in (CLEW, *others, *self.peers)}
        for _ in range(self.repeats):
            for who, rows in found.items():
                rows.append(measure(who, self.fresh()))
        return {who: median_of(rows) for who, rows in found.items()}

    # Showing

    def show(self, figure: str, *, who: str = CLEW, **numbers: Any) -> None:
        """One line of JSON. Of its numbers the page shows those of `targets` and `shown`, or all if there are none."""
        line = {"benchmark": self.name, "figure": figure, "who": who}
        sys.stdout.write(json.dumps(line | {key: rounded(value) for key, value in numbers.items()}) + "\n")
        sys.stdout.flush()

    def show_all(
        self,
        figure: str,
        medians: dict[str, Numbers],
        *,
        targets: dict[str, Numbers] | None = None,
        compared: Sequence[str] = (),
        **facts: Any,
    ) -> None:
        """A line for each contestant, and in the lines of the others how many times better clew is.

        Args:
            figure: what was measured.
            medians: what `compare` found.
            targets: limits of numbers of clew.
            compared: numbers to show on the page and to give ratios of; those with targets are too.
            facts: stand in clew's line: the level of durability, whether the start of a process is included.
        """
        ours, targets = medians[CLEW], targets or {}
        compared = list(dict.fromkeys([*targets, *compared]))
        self.show(figure, **ours, targets=targets, shown=compared, **facts)
        for who, theirs in medians.items():
            if who != CLEW:
                found = {key: rounded(ratio) for key, ratio in ratios(ours, theirs, compared).items()}
                self.show(figure, who=peers.title_of(who), **theirs, ratios=found)

    def describe(self) -> None:
        """The machine, the time and the command, and how fast the machine is right now."""
        self.show(
            "machine",
            who="machine",
            date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            machine=machine(),
            load=round(busy_cores(), 1),
            cores=os.cpu_count(),
            command=os.environ.get("CLEW_BENCH_COMMAND") or " ".join(["python", *sys.argv]),
        )
        # In a process of its own: a process inherits the peak of the memory of the one that started it.
        words = [sys.executable, __file__, str(self.folder), str(4 if self.small else 256)]
        told = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
        for figure, numbers in json.loads(told.stdout).items():
            self.show(f"calibration: {figure}", who="machine", **numbers)


def busy_cores(seconds: float = 1.0) -> float:
    """How many cores other work keeps busy while nothing is measured; the load of the last minute where none tells.

    That load is no help by itself: it still holds the benchmark that ran before this one.
    """
    try:
        before, began = _busy_s(), time.monotonic()
        time.sleep(seconds)
        return max(0.0, (_busy_s() - before) / (time.monotonic() - began))
    except OSError:
        return os.getloadavg()[0]


def _busy_s() -> float:
    first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    user, nice, system, _, _, irq, softirq, *_ = map(int, first.split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def machine() -> str:
    """The machine in words, without its name."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = f"Python {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, {python}"


def calibration(folder: Path, size_mib: int) -> dict[str, Numbers]:
    """BLAKE3, a copy with fsync, and a loop of pure Python; the median of three."""
    from blake3 import blake3

    source, target = folder / "source", folder / "target"
    source.write_bytes(os.urandom(MIB) * size_mib)
    data = source.read_bytes()

    def copy() -> None:
        subprocess.run(["cp", source, target], check=True)
        with target.open("rb") as file:
            os.fsync(file.fileno())

    def loop() -> None:
        total = 0
        for number in range(1_000_000):
            total += number

    def median(act: Callable[[], object]) -> Numbers:
        return median_of([timed(act) for _ in range(3)])

    found = {
        f"BLAKE3 of {size_mib} MiB": median(lambda: blake3(data).digest()),
        f"cp of {size_mib} MiB with fsync": median(copy),
        "a million additions in Python": median(loop),
    }
    source.unlink()
    target.unlink()
    return found


def _arguments(description: str | None, known_peers: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = f"of {', '.join(known_peers)}" if known_peers else "(this benchmark has none)"
    parser.add_argument("--vs", type=peers.names, default=[], metavar="PEER,…", help=f"measure beside it {known}")
    parser.add_argument("--small", action="store_true", help="sizes for a check that it still runs")
    parser.add_argument("--sizes", type=lambda text: [int(one) for one in text.split(",")], default=[], metavar="N,…")
    parser.add_argument("--repeat", type=int, metavar="N", help="how often; the median is shown (3; 1 when small)")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the disk to measure (the current folder)")
    for hidden in ("--child", "--given", "--told"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    return parser


def _compile() -> None:
    """Keep the bytecode of clew, as an installed package has it, and let what is started read it."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    found = importlib.util.find_spec(CLEW)
    for folder in found.submodule_search_locations or () if found else ():
        compileall.compile_dir(folder, quiet=1)


def run(main: Callable[[Bench], None], name: str, known_peers: Sequence[str] = ()) -> None:
    """What the file of a benchmark ends with: read the command line and measure, or be the child that is measured."""
    module: Any = sys.modules["__main__"]
    asked = _arguments(module.__doc__, known_peers).parse_args()
    if asked.child:
        told = getattr(module, asked.child)(**json.loads(asked.given))
        Path(asked.told).write_text(json.dumps(told), encoding="utf-8")
        return
    _compile()
    with tempfile.TemporaryDirectory(dir=asked.folder, prefix="bench-", ignore_cleanup_errors=True) as folder:
        bench = Bench(name, asked, Path(folder), known_peers)
        bench.describe()
        main(bench)


if __name__ == "__main__":
    print(json.dumps(calibration(Path(sys.argv[1]), int(sys.argv[2]))))
