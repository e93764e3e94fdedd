"""Opens the project for the commands on runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.cli import output

if TYPE_CHECKING:
    from clew.workspace import Workspace

__all__ = ["open_runs"]


def open_runs() -> Workspace:
    """The project, after what killed processes left behind was brought home."""
    from clew.tracking.adopt import adopt
    from clew.workspace import open_workspace

    workspace = open_workspace()
    for found in adopt(workspace.runs, workspace.objects, workspace.folder):
        if found.killed:
            points = output.amount(found.points, "points")
            output.note(f"run {found.run} was killed; of what it left in its journal, {points} came home now")
        if found.problem:
            output.note(found.problem)
    return workspace
