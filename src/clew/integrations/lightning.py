"""Lightning: a logger that writes to a run of clew.

from clew.integrations.lightning import Logger

trainer = lightning.Trainer(logger=Logger("baseline"))
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger as _Logger
from lightning.pytorch.loggers.logger import rank_zero_experiment
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from clew import facade
from clew.core.types.run import RunStatus
from clew.integrations.target import new_params
from clew.tracking.run import ActiveRun, current_run

__all__ = ["Logger"]

_STATUS = {"success": RunStatus.FINISHED, "finished": RunStatus.FINISHED, "failed": RunStatus.FAILED}


class Logger(_Logger):
    """Logs metrics and hyperparameters of a trainer. Only the process of rank 0 logs.

    It logs to the run that it is given, or whose `with` block this is; otherwise it starts one, and ends it when the
    trainer is done. Checkpoints are kept as artifacts `checkpoints/…` when `checkpoints` is set: the best and the last.

    Args:
        name_of_run: of the run that it starts.
        experiment: of the run that it starts.
        run: where to.
        prefix: stands before the names of metrics.
        checkpoints: keep the checkpoint files too.
    """

    def __init__(
        self,
        name_of_run: str = "",
        *,
        experiment: str = "",
        run: ActiveRun | None = None,
        prefix: str = "",
        checkpoints: bool = False,
    ) -> None:
        super().__init__()
        self._name, self._group, self._prefix, self._checkpoints = name_of_run, experiment, prefix, checkpoints
        self._run = run or current_run()
        self._own = self._run is None
        self._callbacks: list[Any] = []

    @property
    @rank_zero_experiment
    def experiment(self) -> ActiveRun:
        """The run; started at the first use."""
        if self._run is None:
            self._run = facade.run(self._name, experiment=self._group)
        return self._run

    @property
    def name(self) -> str:
        """The name of the run, for folders that Lightning makes."""
        return self._run.name if self._run is not None else self._name or "clew"

    @property
    def version(self) -> str:
        """The id of the run, for folders that Lightning makes."""
        return self._run.id if self._run is not None else ""

    @rank_zero_only
    def log_hyperparams(self, params: Mapping[str, Any] | Namespace, *_: Any, **__: Any) -> None:
        """Record parameters that the run does not have yet."""
        given = vars(params) if isinstance(params, Namespace) else params
        new_params(self.experiment, {str(name): value for name, value in given.items()})

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log one point of each metric. `epoch`, which Lightning adds, is a metric like the others."""
        self.experiment.log({self._prefix + name: value for name, value in metrics.items()}, step=step)

    @rank_zero_only
    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Remember whose checkpoints are to be kept."""
        if checkpoint_callback not in self._callbacks:
            self._callbacks.append(checkpoint_callback)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Keep the checkpoints, and end the run if it is this logger's own."""
        if self._run is None:
            return
        self._keep_checkpoints(self._run)
        if self._own:
            self._run.finish(_STATUS.get(status, RunStatus.FAILED), reason="" if status in _STATUS else status)

    def _keep_checkpoints(self, run: ActiveRun) -> None:
        if not self._checkpoints:
            return
        paths = {path for each in self._callbacks for path in (each.best_model_path, each.last_model_path) if path}
        for path in sorted(paths):
            if Path(path).is_file():
                run.save(f"checkpoints/{Path(path).name}", Path(path))
