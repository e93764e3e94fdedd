"""The composition root: the only place that chooses concrete stores and wires capabilities to them.

A project is a folder with a `.clew` folder in it, found upwards from any folder below, like `.git`:

    clew.toml             what must hold (value, gates, checks, endpoints), kept by people
    .clew/ledger.db       rows, unless `[storage] ledger` names a PostgreSQL database that several projects share
    .clew/project.json    which of them this is
    .clew/objects/        bytes, unless `[storage] objects` names another folder or a bucket
    .clew/objects.json    where they are then
    .clew/…               journals, caches
"""

from __future__ import annotations

import errno
import getpass
import os
import re
import shutil
import sys
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from clew.core.clock import Clock, SystemClock
from clew.core.contracts.accounts import AccountService
from clew.core.contracts.ledger import Ledger, Transaction
from clew.core.contracts.objects import Objects
from clew.core.contracts.services import AliasService, DatasetService, ModelService, RunService, Services
from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt, Exists, Invalid, NotFound, Unavailable
from clew.core.ids import Ids
from clew.core.types.edge import node
from clew.core.types.project import Project
from clew.loop.in_place import InPlace, trust_of
from clew.settings import SETTINGS_FILE, SQLITE, Settings, read_settings
from clew.store.beginning import begin_folder, beginning
from clew.store.claim import Claim, claim, find_claim, settle
from clew.store.ledger.sqlite import SqliteLedger
from clew.store.objects.choose import choose_objects, find_place, has_objects
from clew.store.objects.disk import Draft, sync_folder
from clew.store.objects.local import LocalObjects
from clew.store.switch import finish_switch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clew.client.project import HttpProject
    from clew.core.types.gate import GateReport
    from clew.core.types.model import Alias, ModelVersion
    from clew.core.types.step import StepRun
    from clew.data.catalog import Catalog
    from clew.data.site import Site
    from clew.loop.fitted import Model
    from clew.loop.training import About, Outcome
    from clew.pipelines.pipeline import Pipeline
    from clew.registry.formats.format import Trust
    from clew.serving.server import Address
    from clew.tracking.recorder import Recorder

__all__ = [
    "FOLDER",
    "Workspace",
    "find_project",
    "init_project",
    "no_project",
    "offline_here",
    "open_workspace",
    "remote_root",
]

FOLDER = ".clew"

_TEMPLATE = """\
# What must hold for this project. Every setting: the reference of clew, docs/reference/settings.md of its source

[project]
name = {name}
"""


class Workspace:
    """One project, opened: in a folder of this machine, or on the server that its settings name. Use it as a context
    manager, or call `close`.

    Args:
        root: the folder that holds `.clew` and `clew.toml`.
        clock: where time comes from.
        environ: stands above `clew.toml`; that of this process when None.

    Raises:
        Corrupt: the ledger is damaged, or gone while its objects are there.
        Invalid: `clew.toml` cannot be used, or the ledger was made by a newer clew, or is not the one of this folder.
        Unavailable: the folder cannot be written, or the ledger cannot be reached.
    """

    def __init__(self, root: Path, *, clock: Clock | None = None, environ: Mapping[str, str] | None = None) -> None:
        self.root = root
        self.folder = root / FOLDER
        environ = os.environ if environ is None else environ
        self.settings: Settings = read_settings(root / SETTINGS_FILE, environ)
        self.clock = clock or SystemClock()
        self.ids = Ids(self.clock)
        self._stores: Stores | None = None
        self.services: Services
        if self.settings.server.url:
            self.services = reached = self._reach(environ)
            self._close = reached.close
        else:
            self._stores = opened = self._open_stores()
            self.services = InPlace(opened, self.settings)
            self._close = opened.ledger.close

    def _reach(self, environ: Mapping[str, str]) -> HttpProject:
        """The project on its server. Nothing is asked of it yet."""
        from clew.client.connection import Connection
        from clew.client.credentials import address_of, token_for
        from clew.client.project import HttpProject

        server, project = address_of(self.settings.server.url, self.settings.project.name)
        connection = Connection(server, project, token_for(server, environ))
        return HttpProject(connection, clock=self.clock, ids=self.ids, actor=actor(), folder=self.folder)

    def _open_stores(self) -> Stores:
        finish_switch(self.folder)
        _refuse_lost_ledger(self.folder)
        ledger, claimed = _open_ledger(self.folder, self.settings.storage.ledger, id=self.ids())
        stores = Stores(
            ledger=ledger,
            objects=LocalObjects(self.folder / "objects", clock=self.clock),
            clock=self.clock,
            ids=self.ids,
            project=claimed.project,
            actor=actor(),
            folder=self.folder,
        )
        try:
            stores = _within_project(stores, claimed, name=self.settings.project.name)
            storage = self.settings.storage
            chosen = choose_objects(
                self.folder, storage.objects, project=stores.project, cache_gb=storage.cache_gb, clock=self.clock
            )
            return replace(stores, objects=chosen)
        except BaseException:
            ledger.close()
            raise

    @property
    def stores(self) -> Stores:
        """The stores of the project, where they are in reach.

        Raises:
            Unavailable: the project is on a server, and this needs its ledger.
        """
        if self._stores is None:
            raise Unavailable(
                f"this needs the ledger of the project, which is on the server {self.settings.server.url}",
                hint="run the command there, in the folder that the server was started in",
            )
        return self._stores

    @property
    def remote(self) -> bool:
        """Whether the project is on a server."""
        return self._stores is None

    def close(self) -> None:
        """Let go of files and connections."""
        self._close()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def runs(self) -> RunService:
        """Runs."""
        return self.services.runs

    @property
    def datasets(self) -> DatasetService:
        """Datasets and their versions."""
        return self.services.datasets

    @property
    def models(self) -> ModelService:
        """Models and their versions."""
        return self.services.models

    @property
    def aliases(self) -> AliasService:
        """Names that move over model versions, through the gate that is declared."""
        return self.services.aliases

    @property
    def objects(self) -> Objects:
        """Bytes."""
        return self.services.objects

    @cached_property
    def accounts(self) -> AccountService:
        """Users, tokens and members."""
        if self._stores is not None:
            from clew.policy.accounts import LedgerAccounts

            return LedgerAccounts(self._stores)
        from clew.client.accounts import HttpAccounts
        from clew.client.project import HttpProject

        assert isinstance(self.services, HttpProject)
        return HttpAccounts(self.services.connection.to_server(), self.services.connection.project)

    def run_pipeline(
        self,
        pipeline: Pipeline[..., Any],
        params: Mapping[str, Any],
        *,
        about: About | None = None,
        workers: int = 0,
        listener: Callable[[StepRun], None] | None = None,
    ) -> Outcome:
        """Run a pipeline and register the models that it returns; see `clew.loop.training.run_pipeline`."""
        from clew.loop.training import run_pipeline

        return run_pipeline(
            self.services, pipeline, params, register=self.register, about=about, workers=workers, listener=listener
        )

    def register(self, model: Model, run: str) -> ModelVersion:
        """Make a fitted model a version; see `clew.loop.registering.register_model`."""
        from clew.loop.registering import register_model

        return register_model(self.services, self.settings, model, trust=self.trust, run=run)

    def promote(self, reference: str, alias: str, *, reason: str = "", expected: int | None = None) -> Alias:
        """Give an alias to a version with all the evidence there is; see `clew.loop.promotion.promote_version`."""
        from clew.loop.promotion import promote_version

        return promote_version(self.services, self.settings, reference, alias, reason=reason, expected=expected)

    def judge(self, reference: str, alias: str) -> GateReport:
        """What the gate would say, with all the evidence there is; nothing moves."""
        from clew.loop.promotion import judge_version

        return judge_version(self.services, self.settings, reference, alias)

    def serve(
        self, name: str, *, model: str, alias: str, host: str, port: int, ready: Callable[[Address], None]
    ) -> None:
        """Serve an endpoint until this process is told to stop; see `clew.serving.server.serve`."""
        from clew.serving.endpoint import design
        from clew.serving.loading import loader
        from clew.serving.server import serve

        declared = self.settings.endpoint_of(name)
        designed = design(self.stores, name, model=model, alias=alias)
        load = loader(self.stores.objects, trust=self.trust, checks=self.settings.checks, dataset=declared.checks)
        serve(
            self.stores,
            designed,
            host=host,
            port=port,
            most_rows=declared.max_rows,
            shadows=declared.shadow,
            load=load,
            ready=ready,
        )

    @cached_property
    def recorder(self) -> Recorder:
        """What runs are recorded through."""
        from clew.tracking.recorder import Recorder

        capture = self.settings.capture
        found = replace(Recorder.over(self.services), console=capture.console, system=capture.system)
        if not self.remote:
            return found
        from clew.tracking.offline import local_folder

        return replace(found, outbox=True, folder=local_folder(self.root, self.folder, os.environ))

    @cached_property
    def site(self) -> Site:
        """What the verbs on data act on."""
        from clew.data.site import Site

        return Site.over(self.services)

    @cached_property
    def data(self) -> Catalog:
        """The verbs on data: add, diff, check out, open."""
        from clew.data.catalog import Catalog

        return Catalog(self.site)

    @cached_property
    def trust(self) -> Trust:
        """What the project's policy lets a model file hold."""
        found = trust_of(self.settings)
        if (found.types or found.allow_pickle) and str(self.root) not in sys.path:
            sys.path.append(str(self.root))  # the project's own types are looked for beside clew.toml, and last
        return found


def actor() -> str:
    """Who acts, as events name it: `CLEW_ACTOR`, or the name of the user."""
    try:
        return os.environ.get("CLEW_ACTOR") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def find_project(start: Path) -> Path | None:
    """The nearest folder at or above `start` that holds a project."""
    return next((folder for folder in (start, *start.parents) if (folder / FOLDER).is_dir()), None)


def remote_root(environ: Mapping[str, str]) -> Path | None:
    """The folder of journals and caches of the project that CLEW_SERVER names, for who is in no folder of a project.

    Raises:
        Unavailable: it cannot be made.
    """
    url = environ.get("CLEW_SERVER", "")
    if not url:
        return None
    base = Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    root = base / "clew" / "remote" / re.sub(r"[^A-Za-z0-9.-]+", "-", url.partition("://")[2]).strip("-")
    try:
        (root / FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"{root} cannot be made: {error.strerror}", hint="set XDG_STATE_HOME") from error
    return root


def offline_here(environ: Mapping[str, str]) -> Recorder:
    """What the runs of the project around the current folder are recorded through while it cannot be reached."""
    from clew.tracking.offline import local_folder, offline_recorder

    here = Path.cwd()
    root = find_project(here) or remote_root(environ) or here
    return offline_recorder(local_folder(root, root / FOLDER, environ), actor())


def init_project(folder: Path, *, name: str = "", environ: Mapping[str, str] | None = None) -> Path:
    """Make a project in a folder. A `clew.toml` that is there is kept.

    Args:
        folder: made when it is missing.
        name: of the project; that of the folder when it is empty.
        environ: as `Workspace` takes it.

    Returns:
        The folder.

    Raises:
        Exists: it is one already.
        Invalid: the name cannot be used, or the folder lies within a project's `.clew`.
        Unavailable: the folder cannot be written.
    """
    from clew.settings.render import render_value

    if FOLDER in folder.parts:
        raise Invalid(f"{folder} lies within the storage of a project", hint="choose another folder")
    settings, content = folder / SETTINGS_FILE, _TEMPLATE.format(name=render_value(name or folder.name or "project"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with beginning(folder):
            if (folder / FOLDER).is_dir():
                raise Exists("project", str(folder), hint="it is ready to use: clew --help")
            if not settings.exists():
                with Draft(folder, mode=0o666) as draft:
                    draft.write(content.encode())
                    draft.sync()
                    draft.publish(settings)
            begin_folder(folder / FOLDER)
            sync_folder(folder)  # what the stores promise to survive *power* lies below this name
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY) and (folder / FOLDER).is_dir():  # somebody else was faster
            raise Exists("project", str(folder), hint="it is ready to use: clew --help") from error
        raise Unavailable(f"no project can be made in {folder}: {error.strerror}") from error
    _furnish(folder, environ)
    return folder


def _furnish(folder: Path, environ: Mapping[str, str] | None) -> None:
    """Fill the new `.clew` of a folder; when that fails, leave nothing that looks like a project."""
    try:
        with Workspace(folder, environ=environ):
            pass
    except BaseException as error:
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
        if isinstance(error, OSError):
            raise Unavailable(f"no project can be made in {folder}: {error.strerror}") from error
        raise


def open_workspace(start: Path | None = None) -> Workspace:
    """The project at or above a folder, the current one by default; outside of any, the one that CLEW_SERVER names.

    Raises:
        NotFound: there is none.
    """
    start = (start or Path.cwd()).resolve()
    root = find_project(start) or remote_root(os.environ)
    if root is None:
        raise no_project(start)
    return Workspace(root)


def no_project(start: Path) -> NotFound:
    """What a person reads who is in no project's folder."""
    what = f"there is no project in {start}, nor in a folder above it"
    return NotFound("project", str(start), what=what, hint="clew init makes one here")


def _refuse_lost_ledger(folder: Path) -> None:
    """An empty ledger beside objects would pass for a project in which nothing ever was."""
    file = folder / "ledger.db"
    if file.exists() or find_claim(folder) is not None:
        return
    if find_place(folder) is not None or has_objects(folder / "objects"):
        hint = "restore it from a backup, or make one from what can be read: clew doctor --fix"
        raise Corrupt(f"{file} is gone, and the objects of this project are there", hint=hint)


def _open_ledger(folder: Path, place: str, *, id: str) -> tuple[Ledger, Claim]:
    """The ledger that the settings name, and the folder's claim to a project in it; `id` is for a new one.

    Raises:
        Invalid: the folder keeps its rows elsewhere.
    """
    file, found = folder / "ledger.db", find_claim(folder)
    if found is not None and found.ledger.startswith(("http://", "https://")):
        hint = f"set CLEW_SERVER={found.ledger}, or [server] url in clew.toml"
        raise Invalid(f"the project in {folder.parent} is on a server, {found.ledger}", hint=hint)
    if place == SQLITE:
        if found is not None:
            hint = "set CLEW_LEDGER, or [storage] ledger in clew.toml"
            raise Invalid(f"the project in {folder.parent} keeps its ledger in {found.ledger}", hint=hint)
        return SqliteLedger(file), Claim(project=id, ledger=SQLITE)
    if file.exists():
        hint = f"set CLEW_LEDGER={SQLITE}, or make a project elsewhere: clew init FOLDER"
        raise Invalid(f"the project in {folder.parent} keeps its ledger in {file}, not in PostgreSQL", hint=hint)
    from clew.store.ledger.postgres import Address, PostgresLedger

    claimed = claim(folder, Claim(project=id, ledger=str(Address(place))))
    return PostgresLedger(place, project=claimed.project), claimed


def _within_project(stores: Stores, claimed: Claim, *, name: str) -> Stores:
    """The stores of the folder's project, which is made when there is none; renaming in `clew.toml` makes no new one.

    Raises:
        Exists: the shared ledger has another project of this name.
        Invalid: the ledger does not hold the project of this folder.
    """
    alone = claimed.ledger == SQLITE
    with stores.ledger.read() as tx:
        found = _found(tx, stores.project, alone=alone)
    if found is None and claimed.added:
        raise Invalid(
            f"the ledger does not hold the project of {stores.folder}, which was made in {claimed.ledger}",
            hint="look at CLEW_LEDGER, and at [storage] ledger in clew.toml",
        )
    if found is None:
        with stores.ledger.write() as tx:
            found = _found(tx, stores.project, alone=alone) or _new_project(tx, stores, name)
    if not (alone or claimed.added):
        settle(stores.folder, msgspec.structs.replace(claimed, added=True))
    return replace(stores, project=found.id)


def _found(tx: Transaction, id: str, *, alone: bool) -> Project | None:
    """The project of an id, or the first one where the ledger is the folder's own."""
    projects = {each.id: each for each in tx.projects.list()}
    if not alone:
        return projects.get(id)
    first = tx.events.first_project()  # a server may have added others, and older ones may have moved into it
    if first in projects:
        return projects[first]
    return min(projects.values(), key=lambda each: (each.created_us, each.id), default=None)


def _new_project(tx: Transaction, stores: Stores, name: str) -> Project:
    if tx.projects.find(name) is not None:
        hint = "set another [project] name in clew.toml or CLEW_PROJECT; bytes are in the folder where it was made"
        raise Exists("project", name, hint=hint)
    project = Project(id=stores.project, name=name, created_us=stores.clock.now_us())
    tx.projects.add(project)
    stores.tell(tx, "project.added", node("project", project.id), {"name": name})
    return project
