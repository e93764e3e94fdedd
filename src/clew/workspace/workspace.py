"""One project, opened: what it is made of, wherever that is."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from clew.core.clock import Clock, SystemClock
from clew.core.contracts.accounts import AccountService
from clew.core.contracts.objects import Objects
from clew.core.contracts.services import AliasService, DatasetService, ModelService, RunService, Services
from clew.core.contracts.stores import Stores
from clew.core.errors import Unavailable
from clew.core.ids import Ids
from clew.core.types.project import Project
from clew.loop.in_place import InPlace, trust_of
from clew.settings import SETTINGS_FILE, Settings, read_settings
from clew.store.beginning import begin_folder
from clew.store.claim import find_claim, server_of
from clew.workspace.find import FOLDER, find_project, no_project, remote_root
from clew.workspace.stores import open_stores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clew.audit.problem import Verification
    from clew.audit.verify import Look
    from clew.client.connection import Connection
    from clew.client.project import HttpProject
    from clew.core.types.gate import GateReport
    from clew.core.types.model import Alias, ModelVersion
    from clew.core.types.step import StepRun
    from clew.data.catalog import Catalog
    from clew.data.site import Site
    from clew.loop.fitted import Model
    from clew.loop.impact import Impact
    from clew.loop.training import About, Outcome
    from clew.loop.why import Why
    from clew.pipelines.pipeline import Pipeline
    from clew.registry.formats.format import Trust
    from clew.serving.server import Address
    from clew.tracking.recorder import Recorder

__all__ = ["Workspace", "offline_here", "open_workspace"]


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
            self._stores = opened = open_stores(
                self.folder, self.settings, clock=self.clock, ids=self.ids, actor=actor()
            )
            self.services = InPlace(opened, self.settings)
            self._close = opened.ledger.close

    def _reach(self, environ: Mapping[str, str]) -> HttpProject:
        """The project on its server. Nothing is asked of it yet."""
        from clew.client.connection import Connection
        from clew.client.credentials import address_of, token_for
        from clew.client.project import HttpProject

        server, project = address_of(self.settings.server.url, self.settings.project.name)
        self._make_folder()
        connection = Connection(server, project, token_for(server, environ))
        return HttpProject(connection, clock=self.clock, ids=self.ids, actor=actor(), folder=self.folder)

    def _make_folder(self) -> None:
        """Make the place of journals and caches where only `clew.toml` says that here is a project."""
        if self.folder.is_dir() or not os.access(self.root, os.W_OK):  # elsewhere then: `clew.tracking.offline`
            return
        try:
            begin_folder(self.folder)
        except OSError as error:
            if not self.folder.is_dir():  # nobody beside this process was faster
                raise Unavailable(f"{self.folder} cannot be made: {error.strerror}") from error

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

        return HttpAccounts(self._connection.to_server(), self._connection.project)

    def why(self, prediction: str) -> Why:
        """Follow the thread from one prediction; see `clew.loop.why`. It is scored again by this process."""
        from clew.loop.why import Why, scored_here, why

        if self._stores is not None:
            return why(self._stores, prediction, trust=self.trust)
        found = self._connection.get("/why", Why, prediction=prediction)
        return scored_here(found, self.objects, trust=self.trust)

    def impact(self, reference: str) -> Impact:
        """Everything that something touched; see `clew.loop.impact`."""
        from clew.loop.impact import Impact, impact

        if self._stores is not None:
            return impact(self._stores, reference)
        return self._connection.get("/impact", Impact, reference=reference)

    @property
    def project_id(self) -> str:
        """The id of the project, wherever it is."""
        return self._stores.project if self._stores is not None else self._connection.get("", Project).id

    def verify(
        self, checkpoints: Sequence[Sequence[str]] = (), *, key: str = "", look: Look | None = None
    ) -> Verification:
        """Recompute the chain of events; see `clew.audit.verify`.

        Args:
            checkpoints: the lines of each place.
            key: the public key or fingerprint that counts; any when it is empty.
            look: told of progress, where the chain is here.
        """
        from clew.audit.checkpoint import Witnesses
        from clew.audit.problem import Verification
        from clew.audit.verify import verify

        if self._stores is not None:
            witnesses = [Witnesses(lines, self._stores.project, key) for lines in checkpoints]
            return verify(self._stores, witnesses=witnesses, look=look)
        told = {"places": checkpoints, "key": key}
        return self._connection.send("POST", "/audit/verify", told, Verification)

    @property
    def _connection(self) -> Connection:
        """To the server that has the project."""
        from clew.client.project import HttpProject

        assert isinstance(self.services, HttpProject)
        return self.services.connection

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
        kept = {"source": capture.source, "environment": capture.packages, "hardware": capture.hardware}
        left_out = frozenset(aspect for aspect, wanted in kept.items() if not wanted)
        found = Recorder.over(self.services)
        found = replace(found, console=capture.console, system=capture.system, left_out=left_out)
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
        found = trust_of(self.settings, self.root)
        if (found.types or found.allow_pickle) and str(self.root) not in sys.path:
            sys.path.append(str(self.root))  # the project's own types are looked for beside clew.toml, and last
        return found


def open_workspace(start: Path | None = None, *, serves: bool = False) -> Workspace:
    """The project at or above a folder, the current one by default; outside of any, the one that CLEW_SERVER names.

    Args:
        start: the folder.
        serves: whether it is for what runs beside the ledger only, to which no address of a server helps.

    Raises:
        NotFound: there is none.
        Unavailable: it serves, and the project was moved into a server.
    """
    start = (start or Path.cwd()).resolve()
    root = find_project(start) or remote_root(os.environ)
    if root is None:
        raise no_project(start, os.environ)
    if serves and (server := server_of(find_claim(root / FOLDER))):
        raise Unavailable(
            f"the project in {root} was moved into the server {server}, and is not served any more",
            hint="projects are served in a folder, or on the database that a server uses: docs/how-to/move-up.md",
        )
    return Workspace(root)


def offline_here(here: Path, environ: Mapping[str, str]) -> Recorder:
    """What the runs of the project around a folder are recorded through while it cannot be reached."""
    from clew.tracking.offline import local_folder, offline_recorder

    root = find_project(here) or remote_root(environ) or here
    return offline_recorder(local_folder(root, root / FOLDER, environ), actor())


def actor() -> str:
    """Who acts, as events name it: `CLEW_ACTOR`, or the name of the user."""
    try:
        return os.environ.get("CLEW_ACTOR") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
