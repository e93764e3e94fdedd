"""A monitor: an endpoint, and everything that it takes to judge its windows, its trials and its need of retraining.

What is read is kept from look to look, because versions and batches never change; nothing here must be remembered for
the next look to be right.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.types.endpoint import Endpoint
from clew.core.types.package import FileRole, Package
from clew.core.types.profile import Profile
from clew.core.types.value import ValueContract, plain_value
from clew.monitoring.logged import LogReader
from clew.monitoring.profile import decode_profile
from clew.registry.package import load_package
from clew.settings import MonitorSettings, Settings

__all__ = ["DAY_US", "EARLY_LABEL_US", "LENGTH_US", "Decider", "Deciders", "Monitor", "window_start"]

DAY_US = 86_400_000_000
LENGTH_US = {"hour": 3_600_000_000, "day": DAY_US, "week": 7 * DAY_US}
EARLY_LABEL_US = 7 * DAY_US
"""How long before a decision its label may have come."""

_MONDAY_US = 4 * DAY_US
"""The first Monday after 1970-01-01, from which weeks are counted."""


class Decider(msgspec.Struct, frozen=True):
    """A model version that decided, with what it takes to judge it."""

    package: Package
    profile: Profile | None


class Deciders:
    """Model versions by id, each read once."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._known: dict[str, Decider] = {}

    def __call__(self, version: str) -> Decider:
        if version not in self._known:
            with self._stores.ledger.read() as tx:
                digest = tx.models.version(version).package
            package = load_package(self._stores.objects, digest)
            file = package.find(FileRole.PROFILE)
            profile = decode_profile(self._stores.objects.get(file.digest)) if file else None
            self._known[version] = Decider(package, profile)
        return self._known[version]


@dataclass(frozen=True, kw_only=True)
class Monitor:
    """What watches one endpoint. `model` is the name of the endpoint's model, `contract` what its decisions are worth
    as far as the project says so."""

    stores: Stores
    endpoint: Endpoint
    model: str
    settings: MonitorSettings
    contract: ValueContract | None
    deciders: Deciders
    logs: LogReader

    @classmethod
    def of(
        cls, stores: Stores, settings: Settings, endpoint: Endpoint, *, deciders: Deciders, logs: LogReader
    ) -> Monitor:
        """The monitor of an endpoint, as the project's settings declare it."""
        with stores.ledger.read() as tx:
            model = tx.models.get(endpoint.model).name
        return cls(
            stores=stores,
            endpoint=endpoint,
            model=model,
            settings=settings.monitor_of(endpoint.name),
            contract=settings.value.get(model),
            deciders=deciders,
            logs=logs,
        )

    @property
    def length_us(self) -> int:
        """How long a window is."""
        return LENGTH_US[self.settings.window.value]

    def start_of(self, at_us: int) -> int:
        """The start of the window that a moment lies in."""
        return window_start(at_us, self.settings.window.value)

    def contract_of(self, version: str) -> ValueContract:
        """What the decisions of a version are worth; without a contract, every mistake costs 1."""
        signature = self.deciders(version).package.signature
        return self.contract or plain_value(signature.task, signature.classes)


def window_start(at_us: int, length: str) -> int:
    """The start of the `hour`, `day` or `week` that a moment lies in; weeks begin on Monday."""
    offset = _MONDAY_US if length == "week" else 0
    return (at_us - offset) // LENGTH_US[length] * LENGTH_US[length] + offset
