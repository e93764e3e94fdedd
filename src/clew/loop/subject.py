"""What a reference names among the nodes of the lineage: a dataset version, a model version, or a run."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from string import hexdigits
from typing import NamedTuple

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import Invalid, NotFound
from clew.core.ids import is_id
from clew.core.types.edge import Node, node
from clew.data import reference as of_data
from clew.registry import reference as of_models
from clew.tracking.runs import LedgerRuns

__all__ = ["Subject", "find_subject", "parts_of"]

_DIGESTS = ("code", "environment")


class Subject(NamedTuple):
    """A node, and how people say it."""

    node: Node
    reference: str


def parts_of(node: Node) -> tuple[str, str]:
    """The kind of a node, and its id."""
    kind, _, id = node.partition(":")  # noqa: A001
    return kind, id


def find_subject(stores: Stores, text: str) -> Subject:
    """The node that a reference names.

    Args:
        stores: the project.
        text: `flights@7`, `delay@champion`, a run's name or id; with `data:`, `model:` or `run:` before it where a name
            is several of these; `code:DIGEST` or `environment:DIGEST`, or the beginning of one, for what runs share.

    Raises:
        Invalid: the name is of several kinds, the beginning of several digests, or no reference.
        NotFound: there is nothing of that name.
    """
    kind, rest = parts_of(text)
    if kind in _DIGESTS and rest:
        return _shared(stores, kind, rest)
    chosen = {kind: _LOOKS[kind]} if kind in _LOOKS and rest else _LOOKS
    name = rest if chosen is not _LOOKS else text
    found = [subject for look in chosen.values() if (subject := look(stores, name)) is not None]
    if not found:
        raise _unknown(stores, name)
    if len(found) > 1:
        kinds = [parts_of(subject.node)[0] for subject in found]
        hint = f"say which: {', '.join(f'{each}:{name}' for each in kinds)}"
        raise Invalid(f"{name!r} is the name of several things: {', '.join(kinds)}", hint=hint)
    return found[0]


def _shared(stores: Stores, kind: str, digits: str) -> Subject:
    """What runs share, by its digest or the beginning of it."""
    found: list[Node] = []
    if set(digits) <= set(hexdigits):
        with stores.ledger.read() as tx:
            found = tx.edges.beginning(node(kind, digits.lower()), limit=2)
    if not found:
        raise NotFound(kind, digits, hint="clew runs show RUN says it, below inputs")
    if len(found) > 1:
        raise Invalid(f"{digits!r} is the beginning of several {kind} digests", hint="give more digits")
    return Subject(found[0], found[0])


def _data(stores: Stores, text: str) -> Subject | None:
    with stores.ledger.read() as tx:
        if is_id(text):
            try:
                version = tx.datasets.version(text)
            except NotFound:
                return None
        elif tx.datasets.find(stores.project, text.partition("@")[0]) is None:
            return None
        else:
            version = of_data.resolve(tx, stores.project, text)
    return Subject(node("data", version.id), version.reference)


def _model(stores: Stores, text: str) -> Subject | None:
    with stores.ledger.read() as tx:
        if is_id(text):
            try:
                version = tx.models.version(text)
            except NotFound:
                return None
        elif tx.models.find(stores.project, text.partition("@")[0]) is None:
            return None
        else:
            version = of_models.resolve(tx, stores.project, text)
    return Subject(node("model", version.id), version.reference)


def _run(stores: Stores, text: str) -> Subject | None:
    try:
        run = LedgerRuns(stores).get(text)
    except NotFound:
        return None
    return Subject(node("run", run.id), f"run {run.name}")


_LOOKS: dict[str, Callable[[Stores, str], Subject | None]] = {"data": _data, "model": _model, "run": _run}


def _unknown(stores: Stores, text: str) -> NotFound:
    with stores.ledger.read() as tx:
        names = dict.fromkeys(_names(tx, stores.project))  # a dataset and a model may have the same name
        near = get_close_matches(text.partition("@")[0], names, n=3)
    return NotFound("dataset, model or run", text, near=near, hint="clew data list, clew model list, clew runs list")


def _names(tx: Transaction, project: str) -> list[str]:
    return [each.name for each in tx.datasets.list(project)] + [each.name for each in tx.models.list(project)]
