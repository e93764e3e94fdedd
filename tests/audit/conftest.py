"""A ledger in which a bit of everything happened, sealed, with a checkpoint of its chain: to be copied and edited."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from clew.audit.checkpoint import add_checkpoint
from clew.audit.destination import FileDestination
from clew.audit.verify import verify
from clew.core.contracts.stores import Stores
from clew.store.signing import SigningKey, open_key
from clew.testing.life import MODEL, Life
from clew.tracking.start import start


@dataclass(frozen=True)
class Lived:
    """The project, closed: its stores but for the ledger, and where the ledger and the checkpoints are."""

    stores: Stores
    ledger: Path
    checkpoints: Path
    key: SigningKey


@pytest.fixture(scope="session")
def lived(grown: Path, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    folder = tmp_path_factory.mktemp("lived")
    life = Life(Path(shutil.copytree(grown, folder / "flights")))
    names = [name for day in range(3) for name in life.decide(day, shadows=(2,))]
    life.label(names, day=3)
    life.watch(1, trial=False)
    life.watch(4, trial=False)
    table = folder / "weather.csv"
    for rows in ("1,2\n", "1,2\n3,4\n"):
        table.write_text("a,b\n" + rows)
        life.workspace.data.add("weather", table)
    for number in range(5):
        with start(life.workspace.recorder, capture=False, say=lambda _: None) as run:
            for step in range(50):
                run.log(step=step, loss=1 / (step + 1 + number), accuracy=step / 50)
            (folder / "notes.txt").write_text(f"run {number}")
            run.save("notes.txt", folder / "notes.txt")
    life.workspace.promote(f"{MODEL}@2", "champion")
    life.workspace.aliases.rollback(MODEL, "champion", reason="to see")
    key = open_key(folder / "key.pem")
    checkpoints = folder / "checkpoints.jsonl"
    assert add_checkpoint(life.stores, FileDestination(checkpoints), key) is not None
    stores = life.stores
    assert verify(stores).holds
    life.close()
    return Lived(replace(stores), stores.folder / "ledger.db", checkpoints, key)
