"""An endpoint in the ledger, and which versions its replicas run now.

The aliases of the model decide: a replica looks at them several times a second and swaps when they have moved, so
that a promotion or a rollback reaches every replica without a call to it.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Sequence
from difflib import get_close_matches

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, Invalid, NotFound
from clew.core.types.dataset import Dataset, DatasetKind
from clew.core.types.edge import Edge, Role, node
from clew.core.types.endpoint import Endpoint
from clew.core.types.model import ModelVersion
from clew.registry.reference import find_model
from clew.serving.slots import Served, Slots
from clew.store.account import row_digest

__all__ = ["Load", "declare", "design", "find_endpoint", "load_slots", "missing_model", "record", "watch"]

Load = Callable[[ModelVersion], Served]
"""Bring one version into memory."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")

_log = logging.getLogger("clew.serving")


def declare(stores: Stores, name: str, *, model: str, alias: str) -> Endpoint:
    """The endpoint of this name, made with its three logs when it is new. Raises what `design` does."""
    return record(stores, design(stores, name, model=model, alias=alias))


def design(stores: Stores, name: str, *, model: str, alias: str) -> Endpoint:
    """The endpoint of this name as it would be; nothing is written.

    Raises:
        Invalid: the name cannot be used.
        NotFound: there is no such model.
        Conflict: the endpoint serves another model.
    """
    _check_name(name)
    with stores.ledger.read() as tx:
        found = tx.endpoints.find(stores.project, name)
        of_model = find_model(tx, stores.project, model)
        if found is not None and found.model != of_model.id:
            other = tx.models.get(found.model).name
            raise Conflict(f"endpoint {name!r} serves {other!r}, not {model!r}", hint="serve under another --name")
    if found is not None:
        return msgspec.structs.replace(found, alias=alias)
    return Endpoint(
        id=stores.ids(),
        project=stores.project,
        name=name,
        model=of_model.id,
        alias=alias,
        predictions=stores.ids(),
        shadows=stores.ids(),
        labels=stores.ids(),
        created_us=stores.clock.now_us(),
    )


def record(stores: Stores, designed: Endpoint) -> Endpoint:
    """Write an endpoint down, with its logs when it is new.

    Raises:
        Conflict: somebody else made one of this name for another model meanwhile.
    """
    name = designed.name
    with stores.ledger.write() as tx:
        found = tx.endpoints.find(stores.project, name)
        if found is not None and found.model != designed.model:
            raise Conflict(f"endpoint {name!r} serves another model", hint="serve under another --name")
        if found is not None and found.alias == designed.alias:
            return found
        endpoint = msgspec.structs.replace(found, alias=designed.alias) if found is not None else designed
        if found is None:
            endpoint = msgspec.structs.replace(endpoint, **_logs(tx, stores, designed))
        tx.endpoints.put(endpoint)
        model = tx.models.get(endpoint.model).name
        facts = {"name": name, "model": model, "alias": endpoint.alias, "row": row_digest(endpoint)}
        stores.tell(tx, "endpoint.declared", node("endpoint", endpoint.id), facts)
    return endpoint


def _logs(tx: Transaction, stores: Stores, endpoint: Endpoint) -> dict[str, str]:
    """The logs of a new endpoint, by their kind; those of its name that are there are taken up."""
    ids = {"predictions": endpoint.predictions, "shadows": endpoint.shadows, "labels": endpoint.labels}
    for kind, id in ids.items():  # noqa: A001
        log = Dataset(
            id=id,
            project=stores.project,
            name=f"{endpoint.name}.{kind}",
            kind=DatasetKind.LOG,
            created_us=endpoint.created_us,
            description=f"{kind} of the endpoint {endpoint.name}",
        )
        existing = tx.datasets.find(stores.project, log.name)
        if existing is None:
            tx.datasets.add(log)
        elif existing.kind is not DatasetKind.LOG:
            raise Conflict(f"dataset {log.name!r} is no log", hint="serve under another --name")
        ids[kind] = (existing or log).id
    return ids


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"{name!r} cannot be the name of an endpoint",
            hint="use letters, digits, '_', '-' and '.', at most 100, not beginning with '-' or '.'",
        )


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

    A version in shadow that cannot be loaded is logged and left out: it is only tried.

    Raises:
        NotFound: the endpoint's alias names no version yet.
    """
    champion, others = _versions(stores, endpoint, shadows)
    return Slots(champion=load(champion), shadows=_in_shadow(others, load))


def _in_shadow(versions: Sequence[ModelVersion], load: Load) -> tuple[Served, ...]:
    found = []
    for version in versions:
        try:
            found.append(load(version))
        except Exception:  # noqa: BLE001 - a challenger's failure must not keep the champion from answering
            _log.exception("%s cannot score in shadow, and is left out", version.reference)
    return tuple(found)


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
    settled, trouble = slots.versions, ""
    recorded: tuple[str, ...] = ()
    while True:
        try:
            champion, others = _versions(stores, endpoint, shadows)
            wanted = (champion.id, *(version.id for version in others))
            if wanted != settled:
                settled = wanted
                fresh = slots if wanted == slots.versions else _moved(slots, champion, others, load)
                if fresh.versions != slots.versions:
                    slots = fresh
                    swap(slots)
            if slots.versions != recorded:
                _record_served(stores, endpoint, slots)
                recorded = slots.versions
            trouble = ""
        except Exception as error:  # noqa: BLE001 - a busy ledger now is no reason to stop watching
            if str(error) != trouble:  # once, and not ten times a second
                trouble = str(error)
                _log.exception("the aliases of endpoint %s cannot be followed now", endpoint.name)
        if stop.wait(every_s):
            return


def _moved(slots: Slots, champion: ModelVersion, others: Sequence[ModelVersion], load: Load) -> Slots:
    """What runs once the aliases have moved: as before where the version that is to answer cannot be loaded."""
    loaded = {served.version.id: served for served in (slots.champion, *slots.shadows)}

    def known(version: ModelVersion) -> Served:
        return loaded.get(version.id) or load(version)

    try:
        return Slots(champion=known(champion), shadows=_in_shadow(others, known))
    except Exception:  # noqa: BLE001 - the version that runs must go on answering
        _log.exception("%s cannot be served; %s goes on", champion.reference, slots.champion.version.reference)
        return slots


def _versions(
    stores: Stores, endpoint: Endpoint, shadows: Sequence[str]
) -> tuple[ModelVersion, tuple[ModelVersion, ...]]:
    with stores.ledger.read() as tx:
        numbers = {move.alias: move.version for move in tx.models.aliases(endpoint.model)}
        if endpoint.alias not in numbers:
            raise _no_version(tx.models.get(endpoint.model).name, endpoint.alias, sorted(numbers))
        champion = tx.models.version(numbers[endpoint.alias])
        others = dict.fromkeys(numbers[alias] for alias in shadows if alias in numbers)
        return champion, tuple(tx.models.version(id) for id in others if id != champion.id)  # noqa: A001


def missing_model(stores: Stores, model: str, alias: str) -> str:
    """What there is not yet for an endpoint to serve, and how it comes to be; "" where all is there."""
    with stores.ledger.read() as tx:
        found = tx.models.find(stores.project, model)
        if found is None:
            return f"there is no model {model!r} yet: clew run FILE.py:PIPELINE makes one"
        if any(move.alias == alias for move in tx.models.aliases(found.id)):
            return ""
    return f"no version of {model} is its {alias} yet: clew model promote {model}@latest {alias}"


def _no_version(model: str, alias: str, known: list[str]) -> NotFound:
    said = f"{model}@{alias}"
    if alias.isdecimal() or alias == "latest":
        what = f"an endpoint follows a name such as champion, and {said} is a version"
        return NotFound("alias", said, what=what, hint=f"clew model promote {said} NAME, then clew serve {model}@NAME")
    alike = get_close_matches(alias, known, n=3)
    hint = "" if alike else f"clew model promote {model}@latest {alias}"
    return NotFound("alias", said, near=[f"{model}@{each}" for each in alike or known], hint=hint)


def _record_served(stores: Stores, endpoint: Endpoint, slots: Slots) -> None:
    """An event and the lineage: from now on these versions run here."""
    now_us = stores.clock.now_us()
    subject = node("endpoint", endpoint.id)
    with stores.ledger.write() as tx:
        tx.edges.add(
            Edge(source=node("model", version), target=subject, role=Role.SERVED, at_us=now_us)
            for version in slots.versions
        )
        facts = {
            "champion": slots.champion.version.reference,
            "shadows": [served.version.reference for served in slots.shadows],
        }
        stores.tell(tx, "endpoint.serves", subject, facts)
