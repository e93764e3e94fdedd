"""Adds checkpoints by schedule, as `[audit]` of clew.toml declares them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from clew.audit.checkpoint import add_checkpoint, last_taken_us
from clew.audit.destination import destination_of
from clew.core.errors import ClewError
from clew.store.signing import open_key

if TYPE_CHECKING:
    from clew.workspace import Workspace

__all__ = ["Witness"]

_AGAIN_US = 600_000_000
_log = logging.getLogger("clew.sealer")


class Witness:
    """Looks whether a place is due; one that cannot be written is tried again ten minutes later.

    Args:
        workspace: the project, with its settings.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._every_us = int(workspace.settings.audit.every_hours * 3_600_000_000)
        self._due_us = dict.fromkeys(workspace.settings.audit.checkpoint_to, 0)

    def look(self) -> None:
        """Add the checkpoints that are due."""
        now_us = self._workspace.stores.clock.now_us()
        for place, due_us in self._due_us.items():
            if now_us < due_us <= now_us + max(self._every_us, _AGAIN_US):  # else the clock has gone back
                continue
            try:
                self._due_us[place] = self._visit(place, now_us)
            except ClewError as error:
                self._due_us[place] = now_us + _AGAIN_US
                _log.warning("no checkpoint was added to %s: %s", place, error.what)

    def _visit(self, place: str, now_us: int) -> int:
        """Add a checkpoint unless another process has; when the next one is due."""
        stores = self._workspace.stores
        destination = destination_of(place, base=self._workspace.root, project=stores.project)
        taken_us = last_taken_us(destination)
        if taken_us <= now_us < taken_us + self._every_us:
            return taken_us + self._every_us
        if add_checkpoint(stores, destination, open_key()) is not None:
            _log.info("added a checkpoint to %s", place)
        return now_us + self._every_us
