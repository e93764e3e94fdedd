"""Hugging Face: a callback for `transformers.Trainer`.

from clew.integrations.transformers import Callback

trainer = Trainer(model, args, train_dataset=rows, callbacks=[Callback("baseline")])
"""

from __future__ import annotations

from numbers import Real
from typing import Any

from transformers import TrainerCallback

from clew import facade
from clew.integrations.target import new_params
from clew.tracking.run import ActiveRun, current_run

__all__ = ["Callback"]


class Callback(TrainerCallback):
    """Logs what the trainer logs, with the global step, and the training arguments as parameters.

    It logs to the run that it is given, or whose `with` block this is; otherwise it starts one with the training, and
    ends it with the training. Only the main process logs.

    Args:
        name: of the run that it starts.
        experiment: of the run that it starts.
        run: where to.
    """

    def __init__(self, name: str = "", *, experiment: str = "", run: ActiveRun | None = None) -> None:
        self._name, self._experiment, self._given = name, experiment, run
        self._run, self._own = run, False

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Start a run where there is none, and record the arguments."""
        if not state.is_world_process_zero:
            return
        self._run, self._own = self._given or current_run(), False
        if self._run is None:
            self._run, self._own = facade.run(self._name, experiment=self._experiment), True
        new_params(self._run, args.to_sanitized_dict())
        if model is not None and hasattr(model, "num_parameters"):
            self._run.log(model_parameters=model.num_parameters())

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Log the numbers among what the trainer logs; `eval_loss` becomes `eval.loss`."""
        if self._run is None or not state.is_world_process_zero:
            return
        values = {_name(key): float(value) for key, value in (logs or {}).items() if isinstance(value, Real)}
        if values:
            self._run.log(values, step=state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """End the run, if it is this callback's own. One that a later evaluation would need is given by the user."""
        if self._run is not None and self._own:
            self._run.finish()
            self._run, self._own = None, False


def _name(key: str) -> str:
    for part in ("eval", "test", "train"):
        if key.startswith(part + "_"):
            return f"{part}.{key.removeprefix(part + '_')}"
    return key
