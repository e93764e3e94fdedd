"""What waits in an outbox is handed over: every byte once, and without a look at all that waits for each file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clew.core.contracts.stores import Stores
from clew.core.types.run import Artifact, RunStatus
from clew.store.objects.local import LocalObjects
from clew.testing.runs import ONE, a_run
from clew.tracking.messages import Describe, Keep, Stop
from clew.tracking.outbox import Outbox, outbox_path
from clew.tracking.post import Post
from clew.tracking.runs import LedgerRuns


class Waiting:
    """Files of a run that wait, and how often their bytes were looked through or sent."""

    def __init__(self, stores: Stores, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stores, self.runs, self.kept = stores, LedgerRuns(stores), LocalObjects(folder / "kept")
        self.outbox = Outbox(outbox_path(folder, "j"), pytest.fail)
        self.post = Post(self.outbox, self.kept, self.runs, stores.objects, pytest.fail)
        self.runs.create(a_run(), experiment="e")
        self.calls: list[str] = []
        for name in ("list", "batch"):
            real = getattr(LocalObjects, name)
            monkeypatch.setattr(LocalObjects, name, lambda each, n=name, r=real: (self.calls.append(n), r(each))[1])

    def add(self, number: int) -> None:
        digest = self.kept.put(b"%d" % number)
        file = Artifact(
            run=ONE, path=f"{number}.txt", digest=digest, size_bytes=1, media_type="text/plain", created_us=1
        )
        self.outbox.add(Keep(artifact=file))

    def stored(self) -> list[bytes]:
        return [self.stores.objects.get(each.digest) for each in self.runs.artifacts(ONE)]


@pytest.fixture
def waiting(stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Waiting]:
    found = Waiting(stores, tmp_path, monkeypatch)
    yield found
    found.outbox.close(delete=True)


def test_files_that_wait_together_go_together(waiting: Waiting) -> None:
    for number in range(5):
        waiting.add(number)
    waiting.post.deliver(to_end=True)
    assert waiting.stored() == [b"0", b"1", b"2", b"3", b"4"]
    assert waiting.calls == ["batch"]


def test_a_file_that_comes_alone_costs_no_look_at_those_before_it(waiting: Waiting) -> None:
    for number in range(5):
        waiting.add(number)
        waiting.post.deliver(to_end=True)
    assert waiting.stored() == [b"0", b"1", b"2", b"3", b"4"]
    assert waiting.calls == ["batch"] * 5


def test_a_run_that_was_believed_to_be_lost_says_the_rest(waiting: Waiting) -> None:
    waiting.runs.finish(ONE, RunStatus.LOST, ended_us=1)
    waiting.outbox.add(Describe(run=ONE, params={"lr": 1}))
    waiting.add(0)
    waiting.post.deliver(to_end=False)
    assert (waiting.runs.get(ONE).status, waiting.stored()) == (RunStatus.RUNNING, [b"0"])
    waiting.runs.finish(ONE, RunStatus.LOST, ended_us=1)
    waiting.outbox.add(Stop(run=ONE, status=RunStatus.FINISHED, ended_us=2))
    waiting.post.deliver(to_end=True)
    assert (waiting.runs.get(ONE).status, waiting.runs.get(ONE).params) == (RunStatus.FINISHED, {"lr": 1})
