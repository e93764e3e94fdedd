"""Why a step hit or missed: what differs from the nearest earlier result, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from clew.core.contracts.services import StepService
from clew.core.ids import Digest
from clew.core.types.step import StepEntry, StepOutcome, StepRun
from clew.pipelines.closure import Closure

__all__ = ["Change", "Explanation", "Reasons", "explain"]

_NEIGHBOURS = 20
_SHOWN = 5


class Change(msgspec.Struct, frozen=True):
    """One ingredient that is not what it was; `before` or `after` is empty when it is new or gone."""

    ingredient: str
    before: str
    after: str

    def text(self) -> str:
        """`argument depth: 6 → 8`, or `function helpers:scale changed` where there are only digests."""
        if not self.before:
            return f"{self.ingredient} is new"
        if not self.after:
            return f"{self.ingredient} is gone"
        if len(self.before) == 64 and len(self.after) == 64:
            return f"{self.ingredient} changed"
        return f"{self.ingredient}: {_brief(self.before)} → {_brief(self.after)}"


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one step of a run, and why.

    `compared_with` is the run that made the nearest earlier result, empty when there was none. `ingredients` are all
    parts of the key.
    """

    step: str
    run: str
    position: int
    outcome: StepOutcome
    key: Digest
    reason: str
    compared_with: str = ""
    changes: list[Change] = []
    ingredients: dict[str, str] = {}


class Reasons:
    """Says in one line why a result was not found, while a run goes on."""

    def __init__(self, steps: StepService) -> None:
        self._steps = steps
        self._earlier: dict[str, list[StepEntry]] = {}

    def of(self, step: str, ingredients: Mapping[str, str], closure: Closure | None) -> str:
        """What differs from the nearest result that an earlier run made."""
        if step not in self._earlier:
            self._earlier[step] = self._steps.newest(step, limit=_NEIGHBOURS)
        nearest = _nearest(ingredients, self._earlier[step])
        if nearest is None:
            return "first time"
        found = _changes(self._steps, nearest.ingredients, ingredients, closure)
        listed = "; ".join(change.text() for change in found[:_SHOWN])
        return f"{listed}; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else listed or "its result is gone"


def explain(steps: StepService, done: StepRun) -> Explanation:
    """Explain one step of a run.

    Args:
        steps: where results are kept.
        done: the step, as the run recorded it.
    """
    entry = steps.find(done.key) if done.key else None
    told = Explanation(
        step=done.step,
        run=done.run,
        position=done.position,
        outcome=done.outcome,
        key=done.key,
        reason=done.reason,
    )
    if entry is None:
        return told
    whole = _whole(steps, entry.ingredients)
    if done.outcome is not StepOutcome.EXECUTED:
        return msgspec.structs.replace(told, ingredients=whole, compared_with=entry.run)
    earlier = _before(steps, entry)
    nearest = _nearest(entry.ingredients, earlier)
    if nearest is None:
        return msgspec.structs.replace(told, ingredients=whole)
    changes = _changes(steps, nearest.ingredients, entry.ingredients, None)
    return msgspec.structs.replace(told, ingredients=whole, compared_with=nearest.run, changes=changes)


def _before(steps: StepService, entry: StepEntry) -> list[StepEntry]:
    """Results of the same step that were there before this one, of other runs if there are any."""
    limit = _NEIGHBOURS
    while True:
        found = steps.newest(entry.step, limit=limit)
        earlier = [each for each in found if each.key != entry.key and each.created_us <= entry.created_us]
        others = [each for each in earlier if each.run != entry.run]
        if others or len(found) < limit:
            return others or earlier
        limit *= 10


def _nearest(ingredients: Mapping[str, str], entries: Sequence[StepEntry]) -> StepEntry | None:
    """The entry with the fewest differences, the newest of those."""
    return min(entries, key=lambda entry: _distance(ingredients, entry.ingredients), default=None)


def _distance(left: Mapping[str, str], right: Mapping[str, str]) -> int:
    return sum(left.get(name) != right.get(name) for name in left.keys() | right.keys())


def _changes(
    steps: StepService, before: Mapping[str, str], after: Mapping[str, str], closure: Closure | None
) -> list[Change]:
    """The ingredients that differ; of closures that differ, the parts."""
    if before.get("closure") != after.get("closure"):
        before = _whole(steps, before)
        after = {**after, **closure.ingredients} if closure is not None else _whole(steps, after)
    return [
        Change(name, before.get(name, ""), after.get(name, ""))
        for name in sorted(before.keys() | after.keys())
        if name != "closure" and before.get(name) != after.get(name)
    ]


def _whole(steps: StepService, ingredients: Mapping[str, str]) -> dict[str, str]:
    """Ingredients with those of the closure among them."""
    digest = ingredients.get("closure")
    kept = steps.find(Digest(digest)) if digest else None
    return {**(kept.ingredients if kept else {}), **ingredients}


def _brief(text: str) -> str:
    return f"{text[:12]}…" if len(text) == 64 else text
