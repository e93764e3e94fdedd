"""A search that goes through all runs: the oracle of the plans in SQL, with which it shares no code."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from clew.core.judging import FoundRun, Key, key_of, key_of_token, matches, sort_key, token_of, value_of
from clew.core.paging import Page
from clew.core.types.filter import Search

__all__ = ["search_all"]


def search_all(runs: Sequence[FoundRun], search: Search) -> Page[FoundRun]:
    """Those of these runs that a search asks for."""
    cursor, behind = key_of_token(search.after, search.order)
    wanted = search.filter
    found: list[tuple[tuple[object, ...], list[Key], FoundRun]] = []
    for run in runs:
        if wanted is None or matches(wanted, partial(value_of, run)) is True:
            keys = [key_of(value_of(run, each.field)) for each in search.order]
            found.append((sort_key(keys, search.order, run.run.id), keys, run))
    if search.after:
        start = sort_key(cursor, search.order, behind)
        found = [each for each in found if each[0] > start]
    found.sort(key=lambda each: each[0])
    found = found[search.skip :]
    shown = found[: search.limit]
    token = token_of(shown[-1][1], search.order, shown[-1][2].run.id) if len(found) > len(shown) else ""
    return Page(items=[_only(run, search.metrics) for _, _, run in shown], next=token)


def _only(found: FoundRun, metrics: Sequence[str] | None) -> FoundRun:
    if metrics is None:
        return found
    return msgspec.structs.replace(found, metrics={key: found.metrics[key] for key in metrics if key in found.metrics})
