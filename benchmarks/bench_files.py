"""What versions of files cost: many small files, and one large one; added, looked at again, and checked out.

Each contestant works on its own copy of the files, by its own program, start included, with a warm page cache. The
physical limits are plain loops and copies in Python and `cp`. Clew's versions survive *power*: they are synced.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import peers
from harness import CLEW, MIB, Bench, Numbers, at_most, run

SMALL_BYTES = 4096
PER_FOLDER = 1000
LARGE_BLOCK = 4 * MIB

GIT = ["git", "-c", "user.name=b", "-c", "user.email=b@example.com", "-c", "gc.auto=0", "-c", "maintenance.auto=false"]


# Files


def make_files(folder: Path, count: int) -> Path:
    """Random files of 4 KiB, a thousand in a folder."""
    for at in range(count):
        if at % PER_FOLDER == 0:
            below = folder / f"d{at // PER_FOLDER:04d}"
            below.mkdir(parents=True)
        (below / f"f{at:07d}.bin").write_bytes(os.urandom(SMALL_BYTES))
    return folder


def make_large(path: Path, size_mib: int) -> Path:
    with path.open("wb") as file:
        for _ in range(size_mib):
            file.write(os.urandom(MIB))
    return path


def insert_byte(path: Path) -> None:
    """One byte more, in the middle, through a copy."""
    middle, new = path.stat().st_size // 2, path.with_name("new")
    with path.open("rb") as old, new.open("wb") as out:
        out.write(old.read(middle))
        out.write(b"!")
        shutil.copyfileobj(old, out, LARGE_BLOCK)
    new.replace(path)


def copy_warm(source: Path, target: Path) -> None:
    """A copy of one's own, on the disk and in the page cache."""
    subprocess.run(["cp", "-r", "--reflink=never", source, target], check=True)
    os.sync()
    for path in files_of(target):
        with path.open("rb") as file:
            while file.read(LARGE_BLOCK):
                pass


def files_of(path: Path) -> list[Path]:
    return [path] if path.is_file() else [found for found in sorted(path.rglob("*")) if found.is_file()]


def stored_mb(path: Path) -> float:
    return sum(found.stat().st_size for found in files_of(path)) / MIB


def remove(path: Path) -> None:
    if path.is_dir():
        subprocess.run(["chmod", "-R", "u+w", path], check=True)
        shutil.rmtree(path)
    else:
        path.unlink()
    os.sync()


# What each contestant does: commands to prepare, to add, to look, to check out; and where its store is


def commands_of(who: str) -> tuple[list[list[object]], dict[str, list[list[object]]], str]:
    if who == CLEW:
        clew = [sys.executable, "-m", "clew"]
        does = {
            "add": [[*clew, "data", "add", "set", "data", "--files"]],
            "status": [[*clew, "data", "status", "data"]],
        }
        return [[*clew, "init"]], does | {"checkout": [[*clew, "data", "checkout", "set", "data"]]}, ".clew"
    if who == "dvc":
        dvc = peers.program_of("dvc")
        before = [["git", "init", "-q", "."], [dvc, "init", "-q"], [dvc, "config", "core.analytics", "false"]]
        does = {"add": [[dvc, "add", "-q", "data"]], "status": [[dvc, "status"]], "checkout": [[dvc, "checkout", "-q"]]}
        return before, does, ".dvc/cache"
    does = {
        "add": [[*GIT, "add", "data"], [*GIT, "commit", "-qm", "a"]],
        "status": [[*GIT, "status", "--porcelain"]],
        "checkout": [[*GIT, "checkout", "-q", "--", "."]],
    }
    return [["git", "init", "-q", "."]], does, ".git"


def prepared(bench: Bench, who: str, folder: Path, source: Path) -> Callable[[str], Numbers]:
    """A workspace with the files, and what does an act in it and tells what that took."""
    before, does, _ = commands_of(who)
    for words in before:
        bench.command(words, cwd=folder)
    copy_warm(source, folder / "data")

    def act(name: str) -> Numbers:
        parts = [bench.command(words, cwd=folder) for words in does[name]]
        os.sync()
        return {
            f"{name}_s": sum(part["wall_s"] for part in parts),
            f"{name}_cpu_s": sum(part["cpu_s"] for part in parts),
            f"{name}_peak_mb": max(part["peak_mb"] for part in parts),
        }

    return act


def store_of(who: str, folder: Path) -> Path:
    return folder / commands_of(who)[2]


# The physical limits, in a process of their own


def limit(*, folder: str, source: str, **_: str) -> Numbers:
    """Read and hash, stat, copy."""
    from blake3 import blake3

    data, target = Path(source), Path(folder) / "copy"
    began = time.perf_counter()
    paths = [os.path.join(top, name) for top, _, names in os.walk(data) for name in names]  # noqa: PTH118
    for path in paths:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            blake3(file.read()).digest()
    read = time.perf_counter()
    for path in paths:
        os.stat(path)  # noqa: PTH116
    looked = time.perf_counter()
    subprocess.run(["cp", "-r", "--reflink=never", data, target], check=True)
    return {"add_s": read - began, "status_s": looked - read, "checkout_s": time.perf_counter() - looked}


def plain_loop(*, folder: str, source: str, **_: str) -> Numbers:
    """Read, hash and write one large file with fsync."""
    from blake3 import blake3

    began, digest = time.perf_counter(), blake3()
    with open(source, "rb", buffering=0) as file, (Path(folder) / "copy").open("wb", buffering=0) as out:  # noqa: PTH123
        while block := file.read(LARGE_BLOCK):
            digest.update(block)
            out.write(block)
        os.fsync(out.fileno())
    digest.digest()
    return {"add_s": time.perf_counter() - began}


# The figures

DURABLE = {"durability": "power", "process_start": "included"}


def of_small(bench: Bench) -> None:
    count = bench.size(20_000, small=20)
    source = make_files(bench.fresh() / "files", count)

    def measure(who: str, folder: Path) -> Numbers:
        if who == "limit":
            return bench.child("limit", who, folder=folder, source=source)
        act = prepared(bench, who, folder, source)
        found = act("add")
        found["stored_mb"] = stored_mb(store_of(who, folder))
        found |= act("status")
        remove(folder / "data")
        found |= act("checkout")
        assert len(files_of(folder / "data")) == count
        shutil.rmtree(folder)
        return found

    start = "Python, click and msgspec take about 0.1 s to start; looking at 20,000 files takes as long."
    limits = {"add_s": at_most(1.0), "status_s": at_most(0.12, start), "checkout_s": at_most(5)}
    shown = ("add_cpu_s", "status_cpu_s", "checkout_cpu_s", "add_peak_mb", "stored_mb")
    title = f"{count:,} files of 4 KiB"
    bench.show_all(title, bench.compare(measure, "limit"), targets=limits, compared=shown, **DURABLE)


def of_growth(bench: Bench) -> None:
    for count in bench.sizes((2_000, 20_000, 100_000), small=(10,)):
        source, folder = make_files(bench.fresh() / "files", count), bench.fresh()
        act = prepared(bench, CLEW, folder, source)
        found = act("add") | act("status")
        each = {"add_cpu_us_per_file": found["add_cpu_s"] / count * 1e6}
        shown = ["add_s", "status_s", *each]
        limits = {"add_s": at_most(6)} if count == 100_000 else {}
        bench.show(f"growth, {count:,} files", **found, **each, targets=limits, shown=shown, **DURABLE)
        shutil.rmtree(folder)
        shutil.rmtree(source)


def of_large(bench: Bench) -> None:
    size_mib = 2048 if not bench.small else 10
    source = make_large(bench.fresh() / "large", size_mib)

    def measure(who: str, folder: Path) -> Numbers:
        if who == "loop":
            copy_warm(source, folder / "data")
            found = bench.child("plain_loop", who, folder=folder, source=folder / "data")
        else:
            act = prepared(bench, who, folder, source)
            found = act("add")
            found["stored_mb"] = stored_mb(store_of(who, folder))
        remove(folder)
        return found

    medians = bench.compare(measure, "loop")
    ours = medians[CLEW]
    ours["times_the_loop"] = ours["add_s"] / medians["loop"]["add_s"]
    limits = {"times_the_loop": at_most(1.3), "add_peak_mb": at_most(300)}
    shown = ("add_s", "add_cpu_s", "stored_mb")
    bench.show_all(f"one file of {size_mib:,} MiB", medians, targets=limits, compared=shown, **DURABLE)
    source.unlink()


def of_inserted(bench: Bench) -> None:
    size_mib = 1024 if not bench.small else 10
    source = make_large(bench.fresh() / "large", size_mib)

    def measure(who: str, folder: Path) -> Numbers:
        act = prepared(bench, who, folder, source)
        act("add")
        before = stored_mb(store_of(who, folder))
        (folder / "data").chmod(0o644)
        insert_byte(folder / "data")
        found = act("add")
        found["more_mb"] = stored_mb(store_of(who, folder)) - before
        remove(folder)
        return found

    whole = "A large file is stored whole; the format that cuts by content is planned."
    limits = {"more_mb": at_most(0.5, whole)}
    repeats, bench.repeats = bench.repeats, 1
    medians = bench.compare(measure)
    bench.repeats = repeats
    bench.show_all(f"one byte inserted into {size_mib:,} MiB", medians, targets=limits, **DURABLE)


def main(bench: Bench) -> None:
    of_small(bench)
    of_growth(bench)
    of_large(bench)
    of_inserted(bench)


if __name__ == "__main__":
    run(main, "files", ("dvc", "git"))
