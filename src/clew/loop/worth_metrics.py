"""What a new version is worth on its test rows, as metrics of the run that made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.core.contracts.objects import Objects
from clew.core.types.model import ModelVersion
from clew.registry.package import evaluation_of, load_package

if TYPE_CHECKING:
    from clew.tracking.run import ActiveRun

__all__ = ["log_worth"]


def log_worth(objects: Objects, run: ActiveRun, version: ModelVersion) -> None:
    """Log `MODEL.cost` and the other metrics of its evaluation, so that runs are listed, sorted and compared by them.

    The intervals stay in the package: `clew model show`.
    """
    evaluation = evaluation_of(objects, load_package(objects, version.package))
    if evaluation is not None:
        run.log({f"{version.name}.{name}": interval.value for name, interval in evaluation.metrics.items()})
