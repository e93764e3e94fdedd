"""Real processes with the variables of a launcher share one run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clew.core.ids import is_id
from clew.core.types.run import RunStatus
from clew.tracking.ranks import find_rank
from clew.tracking.series import join, points_of
from clew.workspace import init_project, open_workspace

_TRAIN = """
import os
import sys
import threading
import time
from pathlib import Path
import clew
rank = int(os.environ["RANK"])
with clew.run("together", params={"lr": 0.1}, tags={f"from{rank}": "yes"}) as run:
    print(f"I am {rank}")
    Path(f"here{rank}").touch()  # ranks that train together wait for each other
    while not all(Path(f"here{other}").exists() for other in range(3)):
        time.sleep(0.01)
    def work(part):
        for step in range(100):
            run.log({f"loss{rank}": step, "shared": rank}, step=step)
    threads = [threading.Thread(target=work, args=(part,)) for part in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if rank == 1:
        loader = os.fork()
        if loader == 0:
            run.log(loader=1.0)
            os._exit(0)
        os.waitpid(loader, 0)  # what outlives the run would come home with the next command
"""

_LAUNCH = """
import os
import subprocess
import sys
started = [
    subprocess.Popen(
        [sys.executable, "train.py"],
        env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "3", "LOCAL_WORLD_SIZE": "3", "MASTER_PORT": "29500"},
    )
    for rank in (2, 1, 0)
]
sys.exit(max(process.wait() for process in started))
"""


@pytest.mark.parametrize("offline", [False, True])
def test_ranks_threads_and_loaders_share_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: bool) -> None:
    folder = init_project(tmp_path / "p")
    monkeypatch.chdir(folder)
    (folder / "train.py").write_text(_TRAIN)
    (folder / "launch.py").write_text(_LAUNCH)
    if offline:
        monkeypatch.setenv("CLEW_OFFLINE", "1")
    found = subprocess.run([sys.executable, "launch.py"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    if offline:
        monkeypatch.delenv("CLEW_OFFLINE")
        subprocess.run([sys.executable, "-m", "clew", "sync"], check=True, capture_output=True)
    with open_workspace() as workspace:
        (run,) = workspace.runs.list().items
        assert (run.name, run.status, run.params) == ("together", RunStatus.FINISHED, {"lr": 0.1}), found.stderr
        assert {"from0", "from1", "from2", "clew.rank.1", "clew.rank.2"} == set(run.tags)
        for rank in range(3):
            blocks = workspace.runs.blocks(run.id, f"loss{rank}")
            assert sorted(join(map(points_of, blocks)).values.tolist()) == sorted(list(range(100)) * 2)
            if rank:
                assert {block.source.partition(":")[0] for block in blocks} == {run.tags[f"clew.rank.{rank}"]}
        assert [each.count for each in workspace.runs.summaries([run.id], keys=["shared", "loader"])] == [1, 600]
        kept = {each.path: workspace.objects.get(each.digest) for each in workspace.runs.artifacts(run.id)}
        assert kept == {
            "console.txt": b"I am 0\n",
            "console-rank1.txt": b"I am 1\n",
            "console-rank2.txt": b"I am 2\n",
        }
    assert list((folder / ".clew" / "journals").iterdir()) == []


def test_who_trains_alone_has_no_rank() -> None:
    for environ in ({}, {"RANK": "0", "WORLD_SIZE": "1"}, {"RANK": "x", "WORLD_SIZE": "2"}, {"RANK": "1"}):
        assert find_rank(environ) is None


@pytest.mark.parametrize(
    ("told", "shared"),
    [
        ({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}, True),
        ({"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost"}, True),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_JOB_NUM_NODES": "1"}, True),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"}, True),
        ({"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "trainer-0"}, False),  # a process in each container
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_JOB_NUM_NODES": "2"}, False),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_SIZE": "1"}, False),
    ],
)
def test_ranks_share_a_run_where_they_are_known_to_be_on_one_machine(told: dict[str, str], shared: bool) -> None:
    assert (find_rank(told) is not None) is shared


def test_the_first_process_of_a_container_has_no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getppid", lambda: 0)
    assert find_rank({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}) is None


def test_ranks_of_several_machines_meet_where_the_launcher_says_when_it_began() -> None:
    torch = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1"}
    assert find_rank(torch) is None
    found = find_rank({"SLURM_PROCID": "3", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "7", "SLURM_JOB_START_TIME": "1000"})
    assert found is not None
    assert (found.number, is_id(found.run), int(found.run[:12], 16)) == (3, True, 1_000_000)
