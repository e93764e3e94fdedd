"""What waits in an outbox is handed over: every byte once, and without a look at all that waits for each file."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.core.contracts.stores import Stores
from clew.core.types.run import Artifact
from clew.store.objects.local import LocalObjects
from clew.testing.runs import a_run
from clew.tracking.messages import Keep
from clew.tracking.outbox import Outbox, outbox_path
from clew.tracking.post import Post
from clew.tracking.runs import LedgerRuns


def test_files_that_wait_together_are_listed_once(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, kept = LedgerRuns(stores), LocalObjects(tmp_path / "kept")
    run = runs.create(a_run(), experiment="e")
    outbox = Outbox(outbox_path(tmp_path, "j"), pytest.fail)
    for number in range(5):
        digest = kept.put(b"%d" % number)
        file = Artifact(
            run=run.id, path=f"{number}.txt", digest=digest, size_bytes=1, media_type="text/plain", created_us=1
        )
        outbox.add(Keep(artifact=file))
    looks: list[int] = []
    real = LocalObjects.list
    monkeypatch.setattr(LocalObjects, "list", lambda self: (looks.append(1), real(self))[1])
    Post(outbox, kept, runs, stores.objects, pytest.fail).deliver(to_end=True)
    outbox.close(delete=True)
    assert [stores.objects.get(each.digest) for each in runs.artifacts(run.id)] == [b"0", b"1", b"2", b"3", b"4"]
    assert looks == [1]
