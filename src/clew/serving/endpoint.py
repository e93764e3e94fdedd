"""An endpoint in the ledger, and which versions its replicas run now.

The aliases of the model decide: a replica looks at them several times a second and swaps when they have moved, so
that a promotion or a rollback reaches every replica without a call to it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, NotFound
from clew.core.types.dataset import Dataset, DatasetKind
from clew.core.types.edge import Edge, Role, node
from clew.core.types.endpoint import Endpoint
from clew.core.types.event import Event
from clew.core.types.model import ModelVersion
from clew.serving.slots import Served, Slots

__all__ = ["Load", "declare", "find_endpoint", "load_slots", "watch"]

Load = Callable[[ModelVersion], Served]
"""Bring one version into memory."""

_log = logging.getLogger("clew.serving")


def declare(stores: Stores, name: str, *, model: str, alias: str) -> Endpoint:
    """The endpoint of this name, made with its three logs when it is new.

    Raises:
        NotFound: there is no such model.
        Conflict: the endpoint serves another model.
    """
    with stores.ledger.write() as tx:
        found = tx.endpoints.find(stores.project, name)
        of_model = tx.models.find(stores.project, model)
        if of_model is None:
            near = [each.name for each in tx.models.list(stores.project)][:3]
            raise NotFound("model", model, near=near, hint="clew model list")
        if found is not None:
            if found.model != of_model.id:
                other = tx.models.get(found.model).name
                raise Conflict(f"endpoint {name!r} serves {other!r}, not {model!r}", hint="serve under another --name")
            if found.alias == alias:
                return found
        now_us = stores.clock.now_us()
        logs = {}
        for kind in ("predictions", "shadows", "labels"):
            log = Dataset(
                id=stores.ids(),
                project=stores.project,
                name=f"{name}.{kind}",
                kind=DatasetKind.LOG,
                created_us=now_us,
                description=f"{kind} of the endpoint {name}",
            )
            existing = tx.datasets.find(stores.project, log.name)
            if existing is None:
                tx.datasets.add(log)
            logs[kind] = (existing or log).id
        endpoint = Endpoint(
            id=found.id if found else stores.ids(),
            project=stores.project,
            name=name,
            model=of_model.id,
            alias=alias,
            predictions=logs["predictions"],
            shadows=logs["shadows"],
            labels=logs["labels"],
            created_us=found.created_us if found else now_us,
        )
        tx.endpoints.put(endpoint)
        tx.events.add(
            Event(
                id=stores.ids(),
                project=stores.project,
                at_us=now_us,
                actor=stores.actor,
                kind="endpoint.declared",
                subject=node("endpoint", endpoint.id),
                facts={"name": name, "model": model, "alias": alias},
            )
        )
    return endpoint


def find_endpoint(stores: Stores, name: str) -> Endpoint:
    """The endpoint of a name.

    Raises:
        NotFound: there is none.
    """
    with stores.ledger.read() as tx:
        found = tx.endpoints.find(stores.project, name)
        near = [each.name for each in tx.endpoints.list(stores.project)][:3]
    if found is None:
        raise NotFound("endpoint", name, near=near, hint="clew serve MODEL@ALIAS makes one")
    return found


def load_slots(stores: Stores, endpoint: Endpoint, *, shadows: Sequence[str], load: Load) -> Slots:
    """The versions that the aliases name now; what is in shadow twice, or answers, is loaded once.

    Raises:
        NotFound: the endpoint's alias names no version yet.
    """
    champion, others = _versions(stores, endpoint, shadows)
    return Slots(champion=load(champion), shadows=tuple(load(version) for version in others))


def watch(
    stores: Stores,
    endpoint: Endpoint,
    *,
    shadows: Sequence[str],
    load: Load,
    slots: Slots,
    swap: Callable[[Slots], None],
    stop: threading.Event,
    every_s: float = 0.1,
) -> None:
    """Swap whenever the aliases have moved, until `stop` is set.

    A version that cannot be loaded is logged and not tried again until the aliases move anew: what runs, runs on.
    """
    _record_served(stores, endpoint, slots)
    refused: tuple[str, ...] = ()
    while not stop.wait(every_s):
        try:
            champion, others = _versions(stores, endpoint, shadows)
            wanted = (champion.id, *(version.id for version in others))
            if wanted in (slots.versions, refused):
                continue
            loaded = {served.version.id: served for served in (slots.champion, *slots.shadows)}
            try:
                fresh = {v.id: loaded.get(v.id) or load(v) for v in (champion, *others)}
            except Exception:  # noqa: BLE001 - the version that runs must go on answering
                refused = wanted
                _log.exception("%s cannot be served; %s goes on", champion.reference, slots.champion.version.reference)
                continue
            slots = Slots(champion=fresh[champion.id], shadows=tuple(fresh[v.id] for v in others))
            swap(slots)
            _record_served(stores, endpoint, slots)
        except Exception:  # noqa: BLE001 - a busy ledger now is no reason to stop watching
            _log.exception("the aliases of endpoint %s could not be read", endpoint.name)


def _versions(
    stores: Stores, endpoint: Endpoint, shadows: Sequence[str]
) -> tuple[ModelVersion, tuple[ModelVersion, ...]]:
    with stores.ledger.read() as tx:
        numbers = {move.alias: move.version for move in tx.models.aliases(endpoint.model)}
        if endpoint.alias not in numbers:
            model = tx.models.get(endpoint.model).name
            raise NotFound(
                "version",
                f"{model}@{endpoint.alias}",
                hint=f"clew model promote {model}@latest {endpoint.alias}",
            )
        champion = tx.models.version(numbers[endpoint.alias])
        others = dict.fromkeys(numbers[alias] for alias in shadows if alias in numbers)
        return champion, tuple(tx.models.version(id) for id in others if id != champion.id)  # noqa: A001


def _record_served(stores: Stores, endpoint: Endpoint, slots: Slots) -> None:
    """An event and the lineage: from now on these versions run here."""
    now_us = stores.clock.now_us()
    subject = node("endpoint", endpoint.id)
    with stores.ledger.write() as tx:
        tx.edges.add(
            Edge(source=node("model", version), target=subject, role=Role.SERVED, at_us=now_us)
            for version in slots.versions
        )
        tx.events.add(
            Event(
                id=stores.ids(),
                project=stores.project,
                at_us=now_us,
                actor=stores.actor,
                kind="endpoint.serves",
                subject=subject,
                facts={
                    "champion": slots.champion.version.reference,
                    "shadows": [served.version.reference for served in slots.shadows],
                },
            )
        )
