"""A project whose stores are in reach: every service over them. Its twin at the other end of HTTP: `clew.client`."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from clew.core.clock import Clock
from clew.core.contracts.objects import Objects
from clew.core.contracts.stores import Stores
from clew.core.ids import IdSource

if TYPE_CHECKING:
    from clew.audit.events import LedgerEvents
    from clew.audit.lineage import LedgerLineage
    from clew.data.datasets import LedgerDatasets
    from clew.loop.endpoints import LedgerEndpoints
    from clew.loop.jobs import LedgerJobs
    from clew.pipelines.steps import LedgerSteps
    from clew.registry.aliases import LedgerAliases
    from clew.registry.formats.format import Trust
    from clew.registry.models import LedgerModels
    from clew.settings import Settings
    from clew.tracking.runs import LedgerRuns

__all__ = ["InPlace", "trust_of"]


def trust_of(settings: Settings, root: Path) -> Trust:
    """What a project's policy lets a model file hold; a path of a Python starts in the folder of `clew.toml`."""
    from clew.registry.formats.format import Trust
    from clew.settings import SETTINGS_FILE

    policy, python = settings.policy, settings.policy.mlflow_python
    if os.sep in python:  # a bare name is looked for among the programs
        python = str(root / python)
    return Trust(
        types=frozenset(policy.trusted_types),
        allow_pickle=policy.allow_pickle,
        mlflow_python=python,
        settings=str(root / SETTINGS_FILE),
    )


class InPlace:
    """`clew.core.contracts.services.Services` over stores. Each service is loaded when it is asked for.

    Args:
        stores: of the project.
        settings: what it declares; the gate and the policy among it.
    """

    def __init__(self, stores: Stores, settings: Settings) -> None:
        self.stores, self._settings = stores, settings

    @cached_property
    def runs(self) -> LedgerRuns:
        """Runs."""
        from clew.tracking.runs import LedgerRuns

        return LedgerRuns(self.stores)

    @cached_property
    def steps(self) -> LedgerSteps:
        """The step cache."""
        from clew.pipelines.steps import LedgerSteps

        return LedgerSteps(self.stores)

    @cached_property
    def datasets(self) -> LedgerDatasets:
        """Datasets and their versions."""
        from clew.data.datasets import LedgerDatasets

        return LedgerDatasets(self.stores)

    @cached_property
    def models(self) -> LedgerModels:
        """Models and their versions."""
        from clew.registry.models import LedgerModels

        return LedgerModels(self.stores, trust_of(self._settings, self.stores.folder.parent))

    @cached_property
    def aliases(self) -> LedgerAliases:
        """Names that move over model versions, through the gate that the settings declare."""
        from clew.policy.gate import DeclaredGate
        from clew.registry.aliases import LedgerAliases

        return LedgerAliases(self.stores, DeclaredGate(self._settings))

    @cached_property
    def events(self) -> LedgerEvents:
        """What changed."""
        from clew.audit.events import LedgerEvents

        return LedgerEvents(self.stores)

    @cached_property
    def lineage(self) -> LedgerLineage:
        """What flowed into what."""
        from clew.audit.lineage import LedgerLineage

        return LedgerLineage(self.stores)

    @cached_property
    def endpoints(self) -> LedgerEndpoints:
        """Endpoints."""
        from clew.loop.endpoints import LedgerEndpoints

        return LedgerEndpoints(self.stores)

    @cached_property
    def jobs(self) -> LedgerJobs:
        """Jobs."""
        from clew.loop.jobs import LedgerJobs

        return LedgerJobs(self.stores)

    @property
    def objects(self) -> Objects:
        """Bytes."""
        return self.stores.objects

    @property
    def clock(self) -> Clock:
        """Where time comes from."""
        return self.stores.clock

    @property
    def ids(self) -> IdSource:
        """Where ids come from."""
        return self.stores.ids

    @property
    def project(self) -> str:
        """The id of the project."""
        return self.stores.project

    @property
    def actor(self) -> str:
        """Who acts."""
        return self.stores.actor

    @property
    def folder(self) -> Path:
        """For state that is neither rows nor bytes."""
        return self.stores.folder
