"""`name@selector`: how a version of a model is named, and which version that is.

Selectors are a number (`@12`), an alias (`@champion`) and `@latest`. A name alone means `@latest`.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import partial

from clew.core.contracts.ledger import Transaction
from clew.core.errors import Invalid, NotFound
from clew.core.paging import items_of
from clew.core.types.model import Alias, Model, ModelVersion
from clew.core.types.reference import Reference, checked_name

__all__ = ["checked_alias", "find_model", "holder", "newest_of", "parse", "resolve", "unknown_alias"]

_FOREIGN = re.compile(r"[^\s/:@~-][^/:@]{0,255}")
"""Names that other clients may give; clew makes none of these itself, and finds them."""
_ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def checked_alias(alias: str) -> str:
    """The alias itself.

    Raises:
        Invalid: it cannot be an alias.
    """
    if alias == "latest":
        raise Invalid("'latest' is always the newest version, and no alias", hint="choose another name")
    if not _ALIAS.fullmatch(alias):
        hint = "use letters, digits, '_' and '-', at most 64, beginning with a letter"
        raise Invalid(f"{alias!r} cannot be an alias", hint=hint)
    return alias


def parse(text: str) -> Reference:
    """Take a reference apart.

    Raises:
        Invalid: the name or the selector has no meaning.
    """
    name, at, selector = text.partition("@")
    if not _FOREIGN.fullmatch(name) or not name.isprintable():
        checked_name("model", name)
    if not at:
        return Reference(name)
    if selector != "latest" and not _is_number(selector) and not _ALIAS.fullmatch(selector):
        raise Invalid(
            f"{text!r} names no version", hint="after the @ comes a number, 'latest', or a name like champion"
        )
    return Reference(name, selector)


def resolve(tx: Transaction, project: str, text: str) -> ModelVersion:
    """The version that a reference means.

    Raises:
        Invalid: the text is no reference.
        NotFound: there is no such model, version or alias; `near` holds what looks alike.
    """
    reference = parse(text)
    model = find_model(tx, project, reference.name)
    if reference.selector == "latest":
        found = newest_of(tx, model.id)
    elif _is_number(reference.selector):
        found = tx.models.find_version(model.id, int(reference.selector))
    else:
        held = holder(tx, model, reference.selector)
        found = tx.models.version(held.version) if held is not None else None
    if found is None or found.deleted_us:
        raise _unknown(tx, model, reference)
    return found


def find_model(tx: Transaction, project: str, name: str) -> Model:
    """The model of a name.

    Raises:
        NotFound: there is none; `near` holds names that look alike.
    """
    model = tx.models.find(project, name)
    if model is None:
        names = [one.name for one in tx.models.list(project)]
        raise NotFound("model", name, near=get_close_matches(name, names, n=3), hint="clew model list")
    return model


def holder(tx: Transaction, model: Model, alias: str) -> Alias | None:
    """The move that holds for an alias, if the name was ever given."""
    return next((move for move in tx.models.aliases(model.id) if move.alias == alias), None)


def newest_of(tx: Transaction, model: str) -> ModelVersion | None:
    """The newest version of a model (by its id) that was not deleted."""
    versions = items_of(partial(tx.models.versions, model, limit=20))
    return next((version for version in versions if not version.deleted_us), None)


def unknown_alias(tx: Transaction, model: Model, alias: str) -> NotFound:
    """The error for a name that no version of a model has, with those that look alike."""
    names = [f"{model.name}@{move.alias}" for move in tx.models.aliases(model.id)]
    said = f"{model.name}@{alias}"
    return NotFound("alias", said, near=get_close_matches(said, names, n=3), hint=f"clew model list {model.name}")


def _unknown(tx: Transaction, model: Model, reference: Reference) -> NotFound:
    names = [f"{model.name}@{move.alias}" for move in tx.models.aliases(model.id)]
    newest = newest_of(tx, model.id)
    number = _is_number(reference.selector)
    near = [] if number else get_close_matches(str(reference), names, n=3)
    if not near and newest is not None:
        near = [newest.reference]
    kind = "version" if number or reference.selector == "latest" else "alias"
    return NotFound(kind, str(reference), near=near, hint=f"clew model list {model.name}")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 9
