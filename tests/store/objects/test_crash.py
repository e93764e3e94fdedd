"""Real processes: killed while they put, and putting the same things at the same time."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.store.objects import LocalObjects

WRITER = """
import os, random, sys
from pathlib import Path
from clew.store.objects import LocalObjects
folder, seed = Path(sys.argv[1]), int(sys.argv[2])
draw = random.Random(seed)
objects = LocalObjects(folder / "store", pack_bytes=50_000)
source = folder / f"source-{os.getpid()}"
def say(digests):
    os.write(1, "".join(f"{digest}\\n" for digest in digests).encode())
while True:
    how = draw.randrange(3)
    if how == 0:
        say([objects.put(draw.randbytes(draw.randrange(20_000)) * draw.randrange(1, 3))])
    elif how == 1:
        source.write_bytes(draw.randbytes(1000) * draw.randrange(1, 3000))
        say([objects.put_file(source)])
    else:
        with objects.batch() as batch:
            digests = [batch.put(draw.randbytes(draw.randrange(3000))) for _ in range(100)]
        say(digests)
"""


def spawn(code: str, *args: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, args)], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("seed", range(6))
def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path, seed: int) -> None:
    writer = spawn(WRITER, tmp_path, seed)
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline() for _ in range(random.Random(seed).randrange(1, 300))]
    writer.kill()
    acknowledged += writer.stdout.readlines()
    writer.wait()
    writer.stdout.close()
    whole = {Digest(line.strip()) for line in acknowledged if line.endswith("\n")}
    objects = LocalObjects(tmp_path / "store")
    assert objects.missing(whole) == set()
    visible = set(objects.list())
    assert visible >= whole
    assert all(hash_bytes(objects.get(digest)) == digest for digest in visible)
    assert LocalObjects(tmp_path / "store").put(b"the next writer is not disturbed")


SAME = """
import sys
from pathlib import Path
from clew.store.objects import LocalObjects
objects = LocalObjects(Path(sys.argv[1]), pack_bytes=3000)
print("ready", flush=True)
sys.stdin.readline()
for round in range(20):
    objects.put(b"same %d" % round * 10)
    with objects.batch() as batch:
        for i in range(50):
            batch.put(b"%d of %d" % (i, round))
"""


def test_processes_put_the_same_objects_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SAME, str(tmp_path / "store")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writers = [subprocess.Popen(command, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * 3
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    objects = LocalObjects(tmp_path / "store")
    expected = {hash_bytes(b"same %d" % r * 10) for r in range(20)}
    expected |= {hash_bytes(b"%d of %d" % (i, r)) for r in range(20) for i in range(50)}
    assert set(objects.list()) == expected
    assert all(hash_bytes(objects.get(digest)) == digest for digest in expected)
    assert list((tmp_path / "store" / "drafts").iterdir()) == []


DELETER = """
import sys
from pathlib import Path
from clew.store.objects import LocalObjects
objects = LocalObjects(Path(sys.argv[1]))
print("ready", flush=True)
for digest in sys.stdin:
    objects.delete([digest.strip()])
"""


def test_readers_are_not_disturbed_by_a_collector(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path / "store", pack_bytes=2000)
    with objects.batch() as batch:
        digests = [batch.put(b"%d" % i * 50) for i in range(200)]
    doomed, kept = digests[::5], [digest for at, digest in enumerate(digests) if at % 5]
    command = [sys.executable, "-c", DELETER, str(tmp_path / "store")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as deleter:
        assert deleter.stdout is not None
        assert deleter.stdin is not None
        assert deleter.stdout.readline() == "ready\n"
        for digest in doomed:
            deleter.stdin.write(f"{digest}\n")
        deleter.stdin.close()
        while deleter.poll() is None:
            assert all(hash_bytes(objects.get(digest)) == digest for digest in kept)
    assert deleter.returncode == 0
    assert set(LocalObjects(tmp_path / "store").list()) == set(kept)
