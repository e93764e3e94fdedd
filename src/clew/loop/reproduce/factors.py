"""What a run recorded about itself and is not so any more: data, code, packages, Python, threads, kernels, machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from clew.loop.reproduce.pin import COUNTED
from clew.loop.reproduce.recorded import Capture, Recorded
from clew.loop.reproduce.reproduction import (
    Divergence,
    Factor,
    FactorKind,
    MetricComparison,
    OutputComparison,
    StepComparison,
)
from clew.tracking.capture.threads import VARIABLES

__all__ = ["changed_factors", "divergence_of", "key_factors"]

_KIND_OF = {
    "argument": FactorKind.ARGUMENT,
    "distribution": FactorKind.PACKAGE,
    "environment": FactorKind.VARIABLE,
    "file": FactorKind.FILE,
    "files": FactorKind.FILE,
    "folder": FactorKind.FILE,
    "library": FactorKind.PACKAGE,
    "presence": FactorKind.FILE,
    "python": FactorKind.PYTHON,
}
"""From the first word of an ingredient of a step's key; everything else that a step reaches is code."""

_DIGITS = 12
_BEFORE = frozenset({FactorKind.DATA, FactorKind.CODE, FactorKind.ARGUMENT})
"""What arguments of the first step that differs can come from."""

_OUTSIDE = frozenset(
    {
        FactorKind.HARDWARE,
        FactorKind.KERNEL,
        FactorKind.SEED,
        FactorKind.SYSTEM,
        FactorKind.THREADS,
        FactorKind.VARIABLE,
    }
)
"""What is part of no step's key."""


def changed_factors(recorded: Recorded, was: Capture, now: Recorded, again: Capture) -> list[Factor]:
    """Everything recorded that is not what it was, the likeliest causes first."""
    return [
        *_data(recorded, now),
        *_pairs(FactorKind.ARGUMENT, _params(recorded), _params(now)),
        *_source(was, again),
        *_packages(was, again),
        *_pairs(FactorKind.PYTHON, _python(was), _python(again)),
        *_pairs(FactorKind.SYSTEM, _system(was), _system(again)),
        *_threads(was, again),
        *_counts(was, again),
        *_kernels(was, again),
        *_pairs(FactorKind.SEED, _seeds(was), _seeds(again)),
        *_pairs(FactorKind.HARDWARE, _hardware(was), _hardware(again)),
    ]


def key_factors(was: Mapping[str, str], now: Mapping[str, str], places: tuple[str, str] = ("", "")) -> list[Factor]:
    """Which ingredients of a step's key are not what they were.

    Args:
        was: then, by name.
        now: the same.
        places: the folders that the source lay in then and now: below them, paths are the same.
    """
    was, now = _at_home(was, places[0]), _at_home(now, places[1])
    return [
        Factor(
            kind=_kind_of(name),
            name=name,
            recorded=_brief(was.get(name, "")),
            now=_brief(now.get(name, "")),
        )
        for name in sorted(was.keys() | now.keys())
        if was.get(name) != now.get(name)
    ]


def divergence_of(
    steps: Sequence[StepComparison],
    outputs: Sequence[OutputComparison],
    metrics: Sequence[MetricComparison],
    *,
    recorded: Recorded,
    now: Recorded,
    places: tuple[str, str],
    changed: Sequence[Factor] = (),
) -> Divergence | None:
    """The first thing that is not the same: steps in their order, then outputs, then metrics.

    Args:
        steps: compared.
        outputs: compared.
        metrics: compared.
        recorded: the first time.
        now: the second time.
        places: the folders that the source lay in then and now.
        changed: every recorded factor that has changed.
    """
    for step in steps:
        if step.same is False:
            before, after = recorded.ingredients.get(step.recorded_key, {}), now.ingredients.get(step.key, {})
            known = key_factors(before, after, places) if before and after else []
            if known:
                return Divergence(what="step", name=step.step, position=step.position, factors=_traced(known, changed))
            # The same key: what is part of keys did not change, as far as this step goes.
            kinds = _OUTSIDE if before and after else set(FactorKind)
            suspects = [each for each in changed if each.kind in kinds]
            return Divergence(what="step", name=step.step, position=step.position, factors=[], suspects=suspects)
    parted = [(str(each.kind), each.name) for each in outputs if not each.same]
    parted += [("metric", each.metric) for each in metrics if not each.same]
    if not parted:
        return None
    what, name = parted[0]
    return Divergence(what=what, name=name, position=0, factors=[], suspects=list(changed))


def _kind_of(ingredient: str) -> FactorKind:
    word, _, name = ingredient.partition(" ")
    return FactorKind.THREADS if name in VARIABLES else _KIND_OF.get(word.lower(), FactorKind.CODE)


def _traced(known: list[Factor], changed: Sequence[Factor]) -> list[Factor]:
    """Causes in their order: where a step got other arguments and is otherwise the same, what they came from."""
    if any(each.kind is not FactorKind.ARGUMENT for each in known):
        return sorted(known, key=lambda each: (each.kind is FactorKind.ARGUMENT, each.kind is not FactorKind.PACKAGE))
    before = [each for each in changed if each.kind in _BEFORE]
    named = {f"{each.kind} {each.name}" for each in before}
    return before + [each for each in known if each.name not in named]


def _at_home(ingredients: Mapping[str, str], place: str) -> Mapping[str, str]:
    """Ingredients with paths below a folder as seen from it."""
    if not place:
        return ingredients
    return {name.replace(place, "."): value for name, value in ingredients.items()}


def _pairs(kind: FactorKind, was: Mapping[str, str], now: Mapping[str, str]) -> list[Factor]:
    """Where both sides, or at least one, say something and not the same."""
    return [
        Factor(kind=kind, name=name, recorded=was.get(name, ""), now=now.get(name, ""))
        for name in sorted(was.keys() | now.keys())
        if was.get(name, "") != now.get(name, "")
    ]


def _data(recorded: Recorded, now: Recorded) -> list[Factor]:
    return _pairs(FactorKind.DATA, _inputs(recorded), _inputs(now))


def _inputs(side: Recorded) -> dict[str, str]:
    return {
        side.swapped.get(version.id, version.name): f"{version.reference} {version.digest[:_DIGITS]}"
        for version in side.inputs
    }


def _params(recorded: Recorded) -> dict[str, str]:
    return {name: str(value) for name, value in recorded.run.params.items()}


def _source(was: Capture, again: Capture) -> list[Factor]:
    """Source files that are others. What only one side has counts for Python: a clean folder is listed differently."""
    if was.source is None or again.source is None:
        return []
    before = {file.path: file.digest for file in was.source.files}
    after = {file.path: file.digest for file in again.source.files}
    found = _pairs(FactorKind.CODE, before, after)
    return [
        Factor(kind=each.kind, name=each.name, recorded=_brief(each.recorded), now=_brief(each.now))
        for each in found
        if each.name.endswith(".py") or (each.recorded and each.now)
    ]


def _packages(was: Capture, again: Capture) -> list[Factor]:
    if was.environment is None or again.environment is None:
        return []
    return _pairs(FactorKind.PACKAGE, was.environment.packages, again.environment.packages)


def _python(capture: Capture) -> dict[str, str]:
    found = capture.environment
    return {} if found is None else {"python": f"{found.implementation} {found.python}"}


def _system(capture: Capture) -> dict[str, str]:
    found = capture.environment
    return {} if found is None else {"system": f"{found.system} {found.machine}", "libc": found.libc}


def _hardware(capture: Capture) -> dict[str, str]:
    found = capture.hardware
    if found is None:
        return {}
    return {
        "processor": found.cpu,
        "instructions": " ".join(found.features),
        "usable processors": str(found.usable_cpus),
        "accelerators": ", ".join(found.accelerators),
    }


def _threads(was: Capture, again: Capture) -> list[Factor]:
    """How many threads libraries took, where both sides say it."""
    before, after = ({} if side.threads is None else dict(side.threads.effective) for side in (was, again))
    if was.kernels is not None and again.kernels is not None:
        before |= {each.name: each.threads for each in was.kernels.libraries}
        after |= {each.name: each.threads for each in again.kernels.libraries}
    texts = ({name: str(count) for name, count in side.items()} for side in (before, after))
    return _pairs(FactorKind.THREADS, *texts)


def _counts(was: Capture, again: Capture) -> list[Factor]:
    """How many threads the variables allow; several that say the same are one factor."""
    before, after = _allowed(was), _allowed(again)
    changed = _pairs(FactorKind.THREADS, before, after) if before and after else []
    groups: dict[tuple[str, str], list[str]] = {}
    for each in changed:
        groups.setdefault((each.recorded, each.now), []).append(each.name)
    return [
        Factor(kind=FactorKind.THREADS, name=", ".join(names), recorded=recorded, now=now)
        for (recorded, now), names in groups.items()
    ]


def _allowed(capture: Capture) -> dict[str, str]:
    if capture.threads is None or capture.hardware is None:
        return {}
    usable = str(capture.hardware.usable_cpus)
    return {name: capture.threads.asked.get(name, usable) for name in COUNTED}


def _kernels(was: Capture, again: Capture) -> list[Factor]:
    """What libraries chose, where both sides say it."""
    if was.kernels is None or again.kernels is None:
        return []
    before, after = (
        {
            **{each.name: each.architecture for each in side.libraries if each.architecture},
            **({"numpy": " ".join(side.numpy)} if side.numpy else {}),
        }
        for side in (was.kernels, again.kernels)
    )
    return _pairs(FactorKind.KERNEL, before, after)


def _seeds(capture: Capture) -> dict[str, str]:
    found = capture.seeds
    if found is None:
        return {}
    states = msgspec.structs.replace(found, hash_seed="")
    return {"hash seed": found.hash_seed or "drawn", "random states": states.digest[:_DIGITS]}


def _brief(text: str) -> str:
    return text[:_DIGITS] if len(text) == 64 else text
