"""Loops that people write themselves with PyTorch: tensors as values, data loaders, processes that train together.

They need torch: `make test-torch`.
"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is tested in an environment of its own: make test-torch")

import numpy as np

import clew
from clew.core.errors import Invalid
from clew.core.types.run import RunStatus
from clew.tracking.adopt import adopt
from clew.tracking.capture import Seeds, Threads, read_aspect, restore_seeds
from clew.tracking.capture.seeds import take_seeds
from clew.tracking.series import join, points_of
from clew.workspace import Workspace

_LOOP = """
import torch
import clew
from torch.utils.data import DataLoader, Dataset

torch.set_num_threads(1)

class Rows(Dataset):
    def __len__(self):
        return 32

    def __getitem__(self, index):
        run.log(served=index)
        x = torch.arange(2.0) * index / 32
        return x, x.sum(0, keepdim=True)

model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
with clew.run("loop", params={"lr": torch.tensor(0.5)}) as run:
    loader = DataLoader(Rows(), batch_size=8, shuffle=True, num_workers=WORKERS, persistent_workers=WORKERS > 0)
    for epoch in range(3):
        for x, y in loader:
            loss = torch.nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.log(loss=loss.detach(), norm=model.weight.detach().norm())
    run.save("model.pt", model.state_dict())
    torch.save(model.state_dict(), "weights.pt")
    run.save("weights.pt")
"""

_TOGETHER = """
import torch
import torch.distributed as dist
import clew
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

torch.set_num_threads(1)
dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
rows = TensorDataset(torch.randn(64, 2), torch.randn(64, 1))
model = DistributedDataParallel(torch.nn.Linear(2, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
with clew.run("together", params={"ranks": dist.get_world_size()}) as run:
    sampler = DistributedSampler(rows)
    for epoch in range(2):
        sampler.set_epoch(epoch)
        for x, y in DataLoader(rows, batch_size=8, sampler=sampler, num_workers=1):
            loss = torch.nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.log({f"loss{rank}": loss.detach()})
            mean = loss.detach()
            dist.all_reduce(mean)
            if rank == 0:
                run.log(loss=mean / 2)
    if rank == 0:
        run.save("model.pt", model.module.state_dict())
dist.destroy_process_group()
"""


def run_script(text: str, *launcher: str) -> None:
    """Run a script in the current folder."""
    Path("train.py").write_text(text)
    done = subprocess.run(
        [sys.executable, *launcher, "train.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loop_logs_tensors_from_workers_of_its_loader_too(workspace: Workspace, workers: int) -> None:
    run_script(_LOOP.replace("WORKERS", str(workers)))
    # These workers live until the script ends, which is later than the run: the next command brings their points home.
    adopt(workspace.runs, workspace.objects, workspace.folder)
    run = workspace.runs.get("loop")
    assert (run.status, run.params) == (RunStatus.FINISHED, {"lr": 0.5})
    found = {series.key: series for series in workspace.runs.summaries([run.id])}
    assert {key: series.count for key, series in found.items()} == {"loss": 12, "norm": 12, "served": 96}
    served = join(map(points_of, workspace.runs.blocks(run.id, "served"))).values.tolist()
    assert sorted(served) == sorted(list(range(32)) * 3)
    kept = {each.path: workspace.objects.get(each.digest) for each in workspace.runs.artifacts(run.id)}
    assert set(kept) == {"model.pt", "weights.pt"}
    first, second = (torch.load(io.BytesIO(kept[name]), weights_only=True) for name in sorted(kept))
    assert torch.equal(first["weight"], second["weight"])
    threads = read_aspect(workspace.objects, run, "threads", Threads)
    assert threads.effective["torch"] == 1


def test_processes_that_train_together_share_a_run(workspace: Workspace) -> None:
    run_script(_TOGETHER, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    (run,) = workspace.runs.list().items
    assert (run.name, run.status, run.params) == ("together", RunStatus.FINISHED, {"ranks": 2})
    assert set(run.tags) == {"clew.rank.1"}
    series = {
        key: join(map(points_of, workspace.runs.blocks(run.id, key))).values for key in ("loss", "loss0", "loss1")
    }
    assert [len(values) for values in series.values()] == [8, 8, 8]
    assert np.allclose(series["loss"], (series["loss0"] + series["loss1"]) / 2)
    assert "model.pt" in {each.path for each in workspace.runs.artifacts(run.id)}


@pytest.mark.parametrize("seeded", [True, False])
def test_the_generator_goes_on_where_the_run_found_it(seeded: bool) -> None:
    def begin() -> None:
        if seeded:
            torch.manual_seed(7)
        else:
            torch.seed()
        torch.nn.Linear(2, 1)

    begin()
    kept = take_seeds()
    expected = torch.randn(3)
    begin()
    restore_seeds(kept)
    assert torch.equal(torch.randn(3), expected)
    assert torch.initial_seed() == kept.torch_seed


def test_a_run_that_kept_the_seed_alone_begins_from_it() -> None:
    torch.manual_seed(7)
    expected = torch.randn(3)
    torch.manual_seed(8)
    restore_seeds(Seeds(hash_seed="", python=None, numpy=None, torch_seed=7))
    assert torch.equal(torch.randn(3), expected)


def test_tensors_are_arrays_and_what_is_none_is_refused(workspace: Workspace) -> None:
    with clew.run("tensors", capture=False) as run:
        run.save("weights.npy", torch.ones(2, requires_grad=True))
        run.save("facts.json", {"weights": torch.ones(2, requires_grad=True)})
        with pytest.raises(Invalid, match="cannot be saved"):
            run.save("weights.npy", torch.ones(2, dtype=torch.bfloat16))
        with pytest.raises(Invalid, match="cannot be saved by PyTorch"):
            run.save("model.pt", {"rate": lambda step: step})
    kept = {each.path: workspace.objects.get(each.digest) for each in workspace.runs.artifacts(run.id)}
    assert np.load(io.BytesIO(kept["weights.npy"])).tolist() == [1.0, 1.0]
    assert b"1.0" in kept["facts.json"]
