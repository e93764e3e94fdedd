"""The composition root: the only place that chooses concrete stores and wires capabilities to them.

A project is a folder with a `.clew` folder in it, found upwards from any folder below, like `.git`:

    clew.toml             what must hold (value, gates, checks, endpoints), kept by people
    .clew/ledger.db       rows, unless `[storage] ledger` names a PostgreSQL database that several projects share
    .clew/project.json    which of them this is
    .clew/objects/        bytes, unless `[storage] objects` names another folder or a bucket
    .clew/objects.json    where they are then
    .clew/…               journals, caches
"""

from clew.workspace.find import FOLDER, find_project, no_project, remote_root
from clew.workspace.init import init_project, refuse_shared
from clew.workspace.workspace import Workspace, offline_here, open_workspace

__all__ = [
    "FOLDER",
    "Workspace",
    "find_project",
    "init_project",
    "no_project",
    "offline_here",
    "open_workspace",
    "refuse_shared",
    "remote_root",
]
