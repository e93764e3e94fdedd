"""What comes before the first request: data, its checks, a first version of the model, and its two names.

Every step looks at the ledger or at `clew.toml` first and does only what is missing, so that it may be stopped and
repeated anywhere.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from clew.core.errors import Failed
from clew.data.add_table import TableRules, add_table
from clew.data.checks.infer import infer_checks
from clew.data.checks.render import render_checks
from clew.data.origin import Origin, newest
from clew.demo.calendar import live_from_us
from clew.demo.flights import KEY
from clew.settings import SETTINGS_FILE, settings_of
from clew.settings.edit import append_tables

if TYPE_CHECKING:
    from clew.core.types.model import ModelVersion
    from clew.demo.traffic import Year
    from clew.workspace import Workspace

__all__ = ["BASELINE", "CHAMPION", "DATASET", "MODEL", "add_january", "declare_checks", "name_first", "train_first"]

MODEL, DATASET = "delay", "flights"
CHAMPION, BASELINE = "champion", "baseline"
_SHOWN_LINES = 20


def add_january(workspace: Workspace, year: Callable[[], Year]) -> None:
    """Version 1 of the dataset: the flights whose labels are known when the model goes live.

    Those are all of January but its last day, whose labels come during the first day of February.
    """
    if newest(workspace.site, DATASET) is None:
        known = year().training(live_from_us())
        message = "January: flights whose outcome was known when February began"
        add_table(workspace.site, DATASET, known, rules=TableRules(key=[KEY]), origin=Origin(message=message))


def declare_checks(workspace: Workspace) -> None:
    """Append checks inferred from version 1 to `clew.toml`, unless it has some; settings must be read anew then."""
    from clew.data.handle import DatasetHandle

    path = workspace.root / SETTINGS_FILE
    if DATASET not in settings_of(path.read_text(encoding="utf-8")).checks:
        checks = infer_checks(DatasetHandle(workspace.site, workspace.datasets.resolve(f"{DATASET}@1")).lazy())
        said = "# What must hold for rows of `flights` and for requests: inferred from version 1, yours to edit.\n"
        append_tables(path, said + render_checks(DATASET, checks), names=("checks", DATASET))


def train_first(workspace: Workspace) -> None:
    """Version 1 of the model, by the same command that anybody would type.

    Raises:
        Failed: the command failed; the end of what it printed is part of the error.
    """
    if workspace.models.find(MODEL) is not None:
        return
    words = ["run", "train.py:train", f"{DATASET}={DATASET}@1"]
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "clew", *words], cwd=workspace.root, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        tail = "\n".join((done.stderr or done.stdout).splitlines()[-_SHOWN_LINES:])
        raise Failed(f"clew {' '.join(words)} ended with exit code {done.returncode}:\n{tail}")


def name_first(workspace: Workspace) -> ModelVersion:
    """Name version 1 the champion, through the gate, and the baseline that is never retrained; returns it."""
    aliases = workspace.aliases
    first = workspace.models.resolve(f"{MODEL}@1")
    with workspace.stores.ledger.read() as tx:
        held = {move.alias for move in tx.models.aliases(first.model)}
    if BASELINE not in held:
        aliases.promote(first.reference, BASELINE, reason="version 1, never retrained: what the loop is compared with")
    if CHAMPION not in held:
        from clew.loop.promotion import promote_version

        promote_version(workspace.services, workspace.settings, first.reference, CHAMPION, reason="the first version")
    return first
