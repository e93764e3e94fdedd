"""What only the SQLite ledger promises."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.contracts.ledger import Durability
from clew.core.errors import Corrupt, Invalid, Unavailable
from clew.core.types.event import Event
from clew.store.ledger.sql.migrate import migrations
from clew.store.ledger.sqlite import SqliteLedger
from clew.testing.ledger.examples import a_run

WRITER = """
import sys
from pathlib import Path
from clew.core.contracts.ledger import Durability
from clew.core.types.event import Event
from clew.store.ledger.sqlite import SqliteLedger
ledger = SqliteLedger(Path(sys.argv[1]))
for i in range(100_000):
    with ledger.write(Durability.KILL) as tx:
        tx.events.add(Event(id=f"{sys.argv[2]}{i:06}", project="p", at_us=i, actor="a", kind="k.v", subject="s"))
    print(i, flush=True)
"""


def test_a_second_open_changes_nothing(tmp_path: Path) -> None:
    SqliteLedger(tmp_path / "l").close()
    before = sqlite3.connect(tmp_path / "l").execute("SELECT sql FROM sqlite_master").fetchall()
    SqliteLedger(tmp_path / "l").close()
    assert sqlite3.connect(tmp_path / "l").execute("SELECT sql FROM sqlite_master").fetchall() == before


def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    SqliteLedger(tmp_path / "l").close()
    raw = sqlite3.connect(tmp_path / "l")
    raw.execute(f"PRAGMA user_version = {max(migrations()) + 1}")
    raw.close()
    with pytest.raises(Invalid, match="install a newer clew"):
        SqliteLedger(tmp_path / "l")


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "l").write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(Corrupt):
        SqliteLedger(tmp_path / "l")
    with pytest.raises(Unavailable):
        SqliteLedger(tmp_path / "missing" / "l")


def test_a_writer_that_waits_too_long_says_so(tmp_path: Path) -> None:
    first = SqliteLedger(tmp_path / "l")
    second = SqliteLedger(tmp_path / "l", busy_timeout_s=0.01)
    with first.write() as tx:
        tx.events.add(Event(id="1", project="p", at_us=1, actor="a", kind="k.v", subject="s"))
        with pytest.raises(Unavailable, match="locked"), second.write():
            pass
    first.close()
    second.close()


def test_what_was_committed_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "l"
    SqliteLedger(path).close()
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], stdout=subprocess.PIPE) for name in "ab"
    ]
    acknowledged = {}
    for writer, name in zip(writers, "ab", strict=True):
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(40)]
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().splitlines()
        acknowledged[name] = len(lines) + len([line for line in rest if line])
        writer.stdout.close()
        writer.wait()
    ledger = SqliteLedger(path)
    with ledger.read() as tx:
        ids = {event.id for event in tx.events.list("p", limit=1_000_000).items}
    for name, count in acknowledged.items():
        assert {f"{name}{i:06}" for i in range(count)} <= ids
    ledger.close()


def test_a_fork_opens_its_own_connection(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "l")
    with ledger.write(Durability.KILL) as tx:
        tx.events.add(Event(id="parent", project="p", at_us=1, actor="a", kind="k.v", subject="s"))
    child = os.fork()
    if child == 0:
        with ledger.write(Durability.KILL) as tx:
            tx.events.add(Event(id="child", project="p", at_us=1, actor="a", kind="k.v", subject="s"))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    with ledger.read() as tx:
        assert tx.events.count("p") == 2
    ledger.close()


def test_a_new_ledger_that_several_open_at_once_waits(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "l", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        SqliteLedger(tmp_path / "l", busy_timeout_s=0.0)
    done = threading.Timer(0.05, other.execute, ["COMMIT"])
    done.start()
    SqliteLedger(tmp_path / "l").close()
    done.join()
    other.close()


def add(ledger: SqliteLedger, number: int, durability: Durability = Durability.POWER) -> None:
    with ledger.write(durability) as tx:
        tx.events.add(Event(id=f"{number:06}", project="p", at_us=1, actor="a", kind="k.v", subject="s" * 500))


def ids_in(path: Path) -> list[str]:
    ledger = SqliteLedger(path)
    with ledger.read() as tx:
        found = sorted(event.id for event in tx.events.list("p", limit=1_000_000).items)
    ledger.close()
    return found


@settings(max_examples=40)
@given(
    synced=st.lists(st.booleans(), min_size=1, max_size=12),
    cut=st.floats(0, 1),
    lost=st.lists(st.integers(0, 200), max_size=5),
)
def test_a_loss_of_power_takes_the_newest_of_what_was_not_synced(
    tmp_path_factory: pytest.TempPathFactory, synced: list[bool], cut: float, lost: list[int]
) -> None:
    """Its log is cut behind the last synced commit, and pages behind that are torn: whole transactions go, in order."""
    folder = tmp_path_factory.mktemp("power")
    ledger, log, safe, promised = SqliteLedger(folder / "l"), folder / "l-wal", 0, 0
    for number, power in enumerate(synced):
        add(ledger, number, Durability.POWER if power else Durability.KILL)
        if power:
            safe, promised = log.stat().st_size, number + 1
    (left := folder / "left").mkdir()
    content = bytearray(log.read_bytes())
    for page in lost:
        at = safe + page * 4096
        content[at : min(at + 4096, len(content))] = bytes(max(0, min(4096, len(content) - at)))
    (left / "l").write_bytes((folder / "l").read_bytes())
    (left / "l-wal").write_bytes(content[: safe + int(cut * (len(content) - safe))])
    found = ids_in(left / "l")
    assert found == [f"{number:06}" for number in range(len(found))]
    assert promised <= len(found) <= len(synced)
    ledger.close()


FILLER = """
import resource, signal, sys
from pathlib import Path
from clew.core.errors import Unavailable
sys.path.insert(0, sys.argv[2])
from test_sqlite import SqliteLedger, add
ledger = SqliteLedger(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, most))
done = 0
try:
    while True:
        add(ledger, done)
        done += 1
except Unavailable as error:
    print(done, error.what, flush=True)
with ledger.read() as tx:
    assert len(tx.events.list("p", limit=10_000).items) == done
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
add(ledger, done)
print("and on", flush=True)
"""


def test_a_full_disk_refuses_a_transaction_and_keeps_those_before(tmp_path: Path) -> None:
    words = [sys.executable, "-c", FILLER, str(tmp_path / "l"), str(Path(__file__).parent)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    done, _, what = said[0].partition(" ")
    assert "refuses" in what or "no room" in what
    assert said[1] == "and on"
    assert ids_in(tmp_path / "l") == [f"{number:06}" for number in range(int(done) + 1)]


BROKEN = """
import sys
from pathlib import Path
from clew.core.errors import Unavailable
sys.path.insert(0, sys.argv[2])
from test_sqlite import SqliteLedger, add
ledger = SqliteLedger(Path(sys.argv[1]))
for number in range(6):
    try:
        add(ledger, number)
        print("added", number, flush=True)
    except Unavailable as error:
        print("refused", number, flush=True)
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace makes a real fsync fail")
def test_a_sync_that_failed_is_never_believed_again(tmp_path: Path) -> None:
    """What the log had lost is written into the database, and that is synced, before another commit is acknowledged."""
    trace = tmp_path / "trace"
    words = [sys.executable, "-c", BROKEN, str(tmp_path / "l"), str(Path(__file__).parent)]
    inject = "inject=fsync,fdatasync:error=EIO:when=9"
    strace = ["strace", "-f", "-y", "-o", str(trace), "-e", "trace=fsync,fdatasync", "-e", inject]
    done = subprocess.run([*strace, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0 and not done.stdout:
        pytest.skip(f"no process may be traced here: {done.stderr[-200:]}")
    said = done.stdout.splitlines()
    assert len([line for line in said if line.startswith("refused")]) == 1
    [failed] = [at for at, line in enumerate(said) if line.startswith("refused")]
    assert ids_in(tmp_path / "l") == [f"{number:06}" for number in range(6) if number != failed]
    calls = trace.read_text().splitlines()
    [broken] = [at for at, line in enumerate(calls) if "INJECTED" in line]
    assert "l-wal" in calls[broken], "the ninth sync is one of the log"
    following = [line for line in calls[broken + 1 :] if "sync(" in line]
    assert any("/l>" in line for line in following[:2]), "the database is synced before the log is used again"


def test_a_ledger_that_was_moved_takes_nothing_any_more(tmp_path: Path) -> None:
    """Also of who has it open."""
    ledger, other = SqliteLedger(tmp_path / "l"), SqliteLedger(tmp_path / "l")
    with ledger.write() as tx:
        tx.runs.add(a_run("0a"))
    sqlite3.connect(tmp_path / "l").execute("ANALYZE")
    with ledger.write() as tx:
        tx.forbid("it's elsewhere now")
    for each in (ledger, other):
        with pytest.raises(Unavailable, match="takes nothing any more: it's elsewhere now"), each.write() as tx:
            tx.runs.add(a_run("0b"))
        with each.read() as tx:
            assert [run.id for run in tx.runs.list("p").items] == ["0a"]
        each.close()
