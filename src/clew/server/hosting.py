"""What a server serves: the projects of the ledger of the folder that it was started in. Imports no framework."""

from __future__ import annotations

from clew.core.contracts.objects import Objects
from clew.core.contracts.stores import Stores
from clew.core.ids import is_id
from clew.core.types.project import Project
from clew.server.host import Host
from clew.settings import SETTINGS_FILE, Settings, read_settings
from clew.store.objects.choose import choose_objects
from clew.store.objects.disk import Draft, disk_errors
from clew.workspace import Workspace

__all__ = ["FOLDER_VARIABLE", "LOG_VARIABLE", "OPEN_VARIABLE", "host_of", "projects_here"]

FOLDER_VARIABLE = "CLEW_SERVER_FOLDER"
"""Environment variable between a server and its workers: the project folder."""

OPEN_VARIABLE = "CLEW_SERVER_OPEN"
"""Environment variable between a server and its workers: `1` where callers need not say who they are."""

LOG_VARIABLE = "CLEW_SERVER_LOG"
"""Environment variable between a server and its workers: `1` where requests are written to stderr."""


def projects_here(workspace: Workspace) -> list[Stores]:
    """The stores of every project whose bytes are reached from here: the workspace's own, those that its server has
    served, and those that were on their way to it and have no rows."""
    own, host = workspace.stores, host_of(workspace)
    names = sorted(path.name for path in (workspace.folder / "projects").glob("*") if is_id(path.name))
    others = [Project(id=name, name="", created_us=0) for name in names if name != own.project]
    return [own, *(host.stores(each, actor=own.actor) for each in others)]


def host_of(workspace: Workspace, *, open: bool = False) -> Host:
    """Every project of a workspace's ledger; the bytes of other projects than its own lie in folders beside."""
    stores = workspace.stores

    def objects_of(project: Project) -> Objects:
        if project.id == stores.project:
            return stores.objects
        folder, storage = workspace.folder / "projects" / project.id, workspace.settings.storage
        return choose_objects(
            folder, storage.objects, project=project.id, cache_gb=storage.cache_gb, clock=stores.clock
        )

    def settings_of(project: Project) -> Settings:
        if project.id == stores.project:
            return workspace.settings
        return read_settings(workspace.folder / "projects" / project.id / SETTINGS_FILE, {})

    def keep_settings(project: Project, text: str) -> None:
        folder = workspace.folder / "projects" / project.id
        with disk_errors(f"write {folder / SETTINGS_FILE}"):
            folder.mkdir(parents=True, exist_ok=True)
            with Draft(folder, mode=0o666) as draft:
                draft.write(text.encode())
                draft.sync()
                draft.publish(folder / SETTINGS_FILE)

    return Host(
        ledger=stores.ledger,
        own=stores.project,
        objects_of=objects_of,
        clock=stores.clock,
        ids=stores.ids,
        folder=workspace.folder,
        open=open,
        settings_of=settings_of,
        keep_settings=keep_settings,
    )
