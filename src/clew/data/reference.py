"""`name@selector`: how a version of a dataset is named, and which version that is.

Selectors are a number (`@7`), `@latest`, and a date (`@2026-01-31`: the newest version that was there when that day
ended in UTC). A name alone means `@latest`.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches

from clew.core.contracts.ledger import Transaction
from clew.core.errors import Invalid, NotFound
from clew.core.types.dataset import Dataset, DatasetKind, DatasetVersion
from clew.core.types.reference import Reference, checked_name

__all__ = ["parse", "resolve", "unknown_dataset"]

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse(text: str) -> Reference:
    """Take a reference apart.

    Raises:
        Invalid: the name or the selector has no meaning.
    """
    name, at, selector = text.partition("@")
    checked_name("dataset", name)
    if not at:
        return Reference(name)
    if selector != "latest" and not _is_number(selector):
        _end_of_day_us(text, selector)
    return Reference(name, selector)


def resolve(tx: Transaction, project: str, text: str) -> DatasetVersion:
    """The version that a reference means.

    Raises:
        Invalid: the text is no reference, or names a log, which has no versions of its own.
        NotFound: there is no such dataset or version; `near` holds names that look alike.
    """
    reference = parse(text)
    dataset = tx.datasets.find(project, reference.name)
    if dataset is None:
        raise unknown_dataset(tx, project, reference.name)
    if dataset.kind is DatasetKind.LOG:
        raise Invalid(
            f"{reference.name!r} is a log, which has positions and no versions", hint=f"clew data show {reference.name}"
        )
    version = _select(tx, dataset, reference)
    if version is None:
        raise _unknown_version(tx, dataset, reference)
    if version.deleted_us:
        gone = "its time in the trash is over" if version.purged_us else f"clew data restore {version.reference}"
        raise NotFound("version", f"{version.reference} outside of the trash", hint=gone)
    return version


def unknown_dataset(tx: Transaction, project: str, name: str) -> NotFound:
    """The error for a name that no dataset has, with those that look alike."""
    names = [dataset.name for dataset in tx.datasets.list(project)]
    return NotFound("dataset", name, near=get_close_matches(name, names, n=3), hint="clew data list")


def _select(tx: Transaction, dataset: Dataset, reference: Reference) -> DatasetVersion | None:
    if reference.selector == "latest":
        return tx.datasets.newest(dataset.id)
    if _is_number(reference.selector):
        return tx.datasets.find_version(dataset.id, int(reference.selector[:18]))
    return tx.datasets.newest(dataset.id, until_us=_end_of_day_us(str(reference), reference.selector))


def _is_number(selector: str) -> bool:
    return selector.isascii() and selector.isdecimal()


def _unknown_version(tx: Transaction, dataset: Dataset, reference: Reference) -> NotFound:
    newest = tx.datasets.newest(dataset.id)
    near = [newest.reference] if newest is not None else []
    return NotFound("version", str(reference), near=near, hint=f"clew data show {dataset.name}")


def _end_of_day_us(text: str, selector: str) -> int:
    """The last microsecond of a day in UTC."""
    try:
        if not _DATE.fullmatch(selector):
            raise ValueError
        day = date.fromisoformat(selector)
    except ValueError as error:
        raise Invalid(
            f"{text!r} names no version",
            hint="after the @ comes a number, 'latest', or a date such as 2026-01-31",
        ) from error
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return (begin - _EPOCH) // timedelta(microseconds=1) + 24 * 3600 * 1_000_000 - 1
