"""The projects of one ledger, each with stores of its own: what every request of a server acts on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from clew.core.clock import Clock
from clew.core.contracts.ledger import Ledger
from clew.core.contracts.objects import Objects
from clew.core.contracts.stores import Stores
from clew.core.errors import NotFound
from clew.core.ids import IdSource
from clew.core.types.project import Project
from clew.policy.accounts import LedgerAccounts
from clew.server.doorkeeper import Doorkeeper
from clew.settings import Settings

if TYPE_CHECKING:
    from clew.server.feed import Feed
    from clew.server.gather import Gathering

__all__ = ["Host"]


@dataclass(frozen=True, kw_only=True)
class Host:
    """One ledger and where the bytes of each project are.

    Args:
        ledger: of all projects.
        own: the id of the folder's project, which is meant where none is named.
        objects_of: the objects of one project. Each has a store of its own, so that knowing a digest of another
            project is of no use.
        folder: for what is neither rows nor bytes.
        open: whether callers need not say who they are; on loopback only.
        settings_of: what a project declares: its gate and its policy.
        keep_settings: takes the text of the `clew.toml` of a project that came as a whole.
    """

    ledger: Ledger
    own: str
    objects_of: Callable[[Project], Objects]
    clock: Clock
    ids: IdSource
    folder: Path
    open: bool = False
    settings_of: Callable[[Project], Settings] = lambda _: Settings()
    keep_settings: Callable[[Project, str], None] = lambda _, __: None
    doorkeeper: Doorkeeper = field(default_factory=Doorkeeper)
    _objects: dict[str, Objects] = field(default_factory=dict)
    _projects: dict[str, Project] = field(default_factory=dict)
    _feeds: dict[str, Feed] = field(default_factory=dict)
    _gatherings: dict[str, Gathering] = field(default_factory=dict)

    @cached_property
    def own_name(self) -> str:
        """The name of the folder's project."""
        with self.ledger.read() as tx:
            return next(project.name for project in tx.projects.list() if project.id == self.own)

    def project(self, name: str) -> Project:
        """A project by name.

        Raises:
            NotFound: there is none.
        """
        found = self.find_project(name)
        if found is None:
            raise NotFound("project", name)
        return found

    def find_project(self, name: str) -> Project | None:
        """A project by name. Projects are never changed or removed, so that one that was found is known."""
        found = self._projects.get(name)
        if found is None:
            with self.ledger.read() as tx:
                found = tx.projects.find(name)
            if found is not None:
                self._projects[name] = found
        return found

    def accounts(self, *, actor: str) -> LedgerAccounts:
        """Users and tokens, for what `actor` does."""
        return LedgerAccounts(self.stores(Project(id="", name="", created_us=0), actor=actor))

    def feed(self, stores: Stores) -> Feed:
        """The events of a project as they come, shared by all that listen to them in this process."""
        from clew.server.feed import Feed

        found = self._feeds.get(stores.project)
        if found is None:
            found = self._feeds[stores.project] = Feed(stores)
        return found

    def gathering(self, project: str) -> Gathering:
        """Where the points of a project wait for each other in this process."""
        from clew.server.gather import Gathering

        return self._gatherings.setdefault(project, Gathering())

    def stores(self, project: Project, *, actor: str) -> Stores:
        """The stores of a project, for what `actor` does."""
        objects = self._objects.get(project.id)
        if objects is None:
            objects = self._objects[project.id] = self.objects_of(project)
        return Stores(
            ledger=self.ledger,
            objects=objects,
            clock=self.clock,
            ids=self.ids,
            project=project.id,
            actor=actor,
            folder=self.folder,
        )
