"""Move from MLflow with PyTorch: an unmodified script logs and registers networks on a clew server, which serves them.

It needs torch and mlflow: `make test-torch`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from clew.core.types.run import RunStatus
from clew.workspace import Workspace, init_project, open_workspace

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("torch", "lightning", "mlflow")),
    reason="torch and mlflow are tested together in an environment of their own: make test-torch",
)
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "from-mlflow.md"
CLEW = [sys.executable, "-m", "clew"]

_LOOP = """
import mlflow
import torch
from mlflow.models import infer_signature

torch.manual_seed(0)
torch.set_num_threads(1)
mlflow.set_experiment("nets")
X = torch.rand(64, 3)
y = X.sum(1, keepdim=True)
model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, y), batch_size=16, shuffle=True)
with mlflow.start_run(run_name="loop"):
    mlflow.log_params({"lr": 0.01, "optimizer": "Adam"})
    step = 0
    for epoch in range(3):
        for xb, yb in loader:
            loss = torch.nn.functional.mse_loss(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            mlflow.log_metric("loss", loss.item(), step=step)
            step += 1
    model.eval()
    signature = infer_signature(X.numpy(), model(X).detach().numpy())
    mlflow.pytorch.log_model(
        model, name="model", signature=signature, input_example=X[:2].numpy(), registered_model_name="sum"
    )
back = mlflow.pytorch.load_model("models:/sum/1")
assert torch.equal(back(X), model(X))
with torch.no_grad():
    print("EXPECTED", model(torch.tensor([[0.25, 0.5, 0.75]])).item())
"""

_CLASSES = """
network = torch.nn.Linear(3, 4)
with torch.no_grad():
    network.weight.zero_()
    network.bias.copy_(torch.tensor([0.0, 1.0, 3.0, 2.0]))
with mlflow.start_run(run_name="classes"):
    mlflow.pytorch.log_model(network, name="model", input_example=X[:2].numpy(), registered_model_name="logits")
"""

_LIGHTNING = """
import lightning
import mlflow
import torch

class Line(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, x):
        return self.layer(x)

    def training_step(self, batch, _):
        loss = torch.nn.functional.mse_loss(self(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

x = torch.randn(32, 2)
rows = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, x[:, :1]), batch_size=8)
mlflow.set_experiment("lightning")
mlflow.pytorch.autolog(registered_model_name="line")
with mlflow.start_run(run_name="lit"):
    lightning.Trainer(max_epochs=3, accelerator="cpu", logger=False, enable_progress_bar=False).fit(Line(), rows)
print("EXPECTED", mlflow.pytorch.load_model("models:/line/1").layer.in_features)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = init_project(tmp_path / "nets")
    names = "".join(f"\n[gate.{name}]\naliases = []\n" for name in ("sum", "logits", "digits"))
    with (folder / "clew.toml").open("a") as file:
        file.write(f'\n[policy]\nallow_pickle = true\nmlflow_python = "{sys.executable}"\n{names}')
    return folder


@contextlib.contextmanager
def started(project: Path, *words: str) -> Iterator[dict[str, Any]]:
    """A command that answers over HTTP, and what it says of itself."""
    process = subprocess.Popen([*CLEW, *words, "--json"], cwd=project, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        told: dict[str, Any] = json.loads(process.stdout.readline())
        yield told
    finally:
        process.terminate()
        process.wait(timeout=60)
        process.stdout.close()


@pytest.fixture
def server(project: Path) -> Iterator[dict[str, Any]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with started(project, "server", "--port", str(port)) as told:
        yield told


@pytest.fixture
def workspace(project: Path) -> Iterator[Workspace]:
    with open_workspace(project) as opened:
        yield opened


def train(script: str, folder: Path, server: dict[str, Any]) -> float:
    """Run a script that knows nothing of clew; the number that it expects an endpoint to answer with."""
    environ = os.environ | {
        "MLFLOW_TRACKING_URI": server["url"],
        "MLFLOW_TRACKING_TOKEN": server["token"],
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    (folder / "train.py").write_text(script)
    words = [sys.executable, "-W", "ignore", "train.py"]
    done = subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return float(done.stdout.rpartition("EXPECTED")[2].split()[0])


def clew(project: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run([*CLEW, *words], cwd=project, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def answer_of(url: str, row: dict[str, float]) -> float:
    asked = urllib.request.Request(f"{url}/predict", json.dumps({"rows": [row]}).encode())
    with urllib.request.urlopen(asked, timeout=30) as answer:
        score: float = json.loads(answer.read())["predictions"][0]["score"]
        return score


@pytest.mark.timeout(600)
def test_networks_are_logged_registered_loaded_and_served(
    project: Path, server: dict[str, Any], workspace: Workspace, tmp_path: Path
) -> None:
    deciding = next(
        block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "Best" in block
    )
    expected = train(_LOOP + _CLASSES + deciding, tmp_path, server)
    run = workspace.runs.get("loop")
    assert (run.status, run.params) == (RunStatus.FINISHED, {"lr": 0.01, "optimizer": "Adam"})
    (loss,) = workspace.runs.summaries([run.id])
    assert (loss.key, loss.count, loss.last_step) == ("loss", 12, 11)
    assert "classes" in clew(project, "runs", "compare", "loop", "classes")[1]

    for name in ("sum", "logits", "digits"):
        assert clew(project, "model", "promote", f"{name}@1", "champion")[0] == 0
    row = {"x0": 0.25, "x1": 0.5, "x2": 0.75}
    with started(project, "serve", "sum@champion", "--port", "0") as endpoint:
        assert answer_of(endpoint["url"], row) == pytest.approx(expected, rel=1e-6)
        with pytest.raises(urllib.error.HTTPError, match="400"):
            answer_of(endpoint["url"], {"x0": 0.25})
    with started(project, "serve", "digits@champion", "--port", "0") as endpoint:
        assert answer_of(endpoint["url"], row) == 2.0
    code, said = clew(project, "serve", "logits@champion", "--port", "0")
    assert code != 0
    assert "answers with 4 numbers a row, and an endpoint with one" in said


@pytest.mark.timeout(300)
def test_lightning_logs_itself(project: Path, server: dict[str, Any], workspace: Workspace, tmp_path: Path) -> None:
    assert train(_LIGHTNING, tmp_path, server) == 2.0
    run = workspace.runs.get("lit")
    assert (run.status, run.params["epochs"], run.params["lr"]) == (RunStatus.FINISHED, 3, 0.1)
    assert {series.key: series.count for series in workspace.runs.summaries([run.id])} == {"train_loss": 3}
    assert "model_summary.txt" in {each.path for each in workspace.runs.artifacts(run.id)}
