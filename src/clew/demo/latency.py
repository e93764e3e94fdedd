"""How long requests took, as the replay saw them: each replay is a run of the project and logs every request.

Not the endpoint's own measure, which stands in the prediction log and lacks the way over HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.core.contracts.stores import Stores
from clew.tracking.runs import LedgerRuns
from clew.tracking.series import join, points_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["EXPERIMENT", "REQUEST_MS", "request_times_ms"]

EXPERIMENT = "replay"
REQUEST_MS = "request_ms"


def request_times_ms(stores: Stores) -> NDArray[np.float64]:
    """Milliseconds of every request of every replay of this project, in no order that means anything."""
    import numpy as np

    runs = LedgerRuns(stores)
    if EXPERIMENT not in {experiment.name for experiment in runs.experiments()}:
        return np.empty(0)
    page = runs.list(experiment=EXPERIMENT, limit=1000)
    blocks = [block for run in page.items for block in runs.blocks(run.id, REQUEST_MS)]
    return join(points_of(block) for block in blocks).values
