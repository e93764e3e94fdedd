"""Lightning's logger and the callback of Hugging Face's trainer, with the libraries, where they are installed.

They need torch, which is too large for the environment of the tests: `make test-torch`.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

WHY = "torch, lightning, transformers and accelerate are tested in an environment of their own: make test-torch"
torch = pytest.importorskip("torch", reason=WHY)
lightning = pytest.importorskip("lightning", reason=WHY)
transformers = pytest.importorskip("transformers", reason=WHY)

import clew
from clew import facade
from clew.core.types.run import RunStatus
from clew.integrations.lightning import Logger
from clew.integrations.transformers import Callback
from clew.tracking.adopt import adopt
from clew.workspace import Workspace

pytestmark = pytest.mark.filterwarnings("ignore")


class Line(lightning.LightningModule):
    def __init__(self, rate: float = 0.1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch: Any, _: int) -> Any:
        loss = torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1])
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=self.hparams.rate)


def rows() -> Any:
    x = torch.randn(32, 2)
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, x[:, :1]), batch_size=8)


def trainer(logger: Logger, folder: Path, **settings: Any) -> Any:
    return lightning.Trainer(
        logger=logger,
        max_epochs=2,
        log_every_n_steps=1,
        accelerator="cpu",
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )


def test_lightning_starts_a_run_and_ends_it(workspace: Workspace, tmp_path: Path) -> None:
    logger = Logger("line", experiment="lines", checkpoints=True)
    trainer(logger, tmp_path).fit(Line(), rows())
    run = workspace.runs.get("line")
    assert run.status is RunStatus.FINISHED
    assert run.params["rate"] == 0.1
    metrics = {series.key: series for series in workspace.runs.summaries([run.id])}
    assert (metrics["loss"].count, metrics["loss"].last_step) == (8, 7)
    assert [each.path.split("/")[0] for each in workspace.runs.artifacts(run.id)].count("checkpoints") == 1


def test_lightning_logs_to_the_run_around_it(workspace: Workspace, tmp_path: Path) -> None:
    with clew.run("around", capture=False) as run:
        trainer(Logger(prefix="fit."), tmp_path, enable_checkpointing=False).fit(Line(), rows())
        assert workspace.runs.get(run.id).status is RunStatus.RUNNING
        run.log(after=1.0)
    assert {"fit.loss", "after"} <= {series.key for series in workspace.runs.summaries([run.id])}


def test_lightning_logs_to_a_run_that_is_offline(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEW_OFFLINE", "1")
    with clew.run("far", capture=False) as run:
        trainer(Logger(), tmp_path, enable_checkpointing=False).fit(Line(), rows())
    adopt(workspace.runs, workspace.objects, workspace.folder)
    found = workspace.runs.get(run.id)
    assert (found.status, found.params["rate"]) == (RunStatus.FINISHED, 0.1)
    assert "loss" in {series.key for series in workspace.runs.summaries([run.id])}


def test_lightning_says_that_a_training_failed(workspace: Workspace, tmp_path: Path) -> None:
    class Broken(Line):
        def training_step(self, batch: Any, _: int) -> Any:
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        trainer(Logger("broken"), tmp_path).fit(Broken(), rows())
    assert workspace.runs.get("broken").status is RunStatus.FAILED


class Tiny(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, x: Any, labels: Any) -> dict[str, Any]:
        found = self.layer(x)
        return {"loss": torch.nn.functional.mse_loss(found, labels), "logits": found}


def trained(folder: Path, callback: Callback) -> None:
    data = [{"x": torch.randn(2), "labels": torch.ones(1)} for _ in range(16)]
    args = transformers.TrainingArguments(
        output_dir=str(folder / "out"),
        max_steps=4,
        per_device_train_batch_size=4,
        logging_steps=1,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        save_strategy="no",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers.Trainer(Tiny(), args, train_dataset=data, eval_dataset=data, callbacks=[callback]).train()


def test_transformers_start_a_run_and_end_it(workspace: Workspace, tmp_path: Path) -> None:
    trained(tmp_path, Callback("tiny"))
    run = workspace.runs.get("tiny")
    assert run.status is RunStatus.FINISHED
    assert run.params["max_steps"] == 4
    metrics = {series.key: series for series in workspace.runs.summaries([run.id])}
    assert (metrics["loss"].count, metrics["loss"].last_step) == (4, 4)
    assert "train.runtime" in metrics


def test_transformers_log_to_the_run_around_each_training(workspace: Workspace, tmp_path: Path) -> None:
    callback, found = Callback(), []
    for _ in range(2):
        with clew.run(capture=False) as run:
            trained(tmp_path, callback)
        found.append(run.id)
    assert [each.run for each in workspace.runs.summaries(found, keys=["loss"])] == found


def test_transformers_log_to_the_run_around_them(workspace: Workspace, tmp_path: Path) -> None:
    with clew.run("around", capture=False) as run:
        trained(tmp_path, Callback())
        assert facade.workspace().runs.get(run.id).status is RunStatus.RUNNING
    assert "loss" in {series.key for series in workspace.runs.summaries([run.id])}
