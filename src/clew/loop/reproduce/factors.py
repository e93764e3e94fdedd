"""What a run recorded about itself and is not so any more: packages, Python, machine, threads, data, code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clew.core.ids import Digest
from clew.loop.reproduce.recorded import Capture, Recorded
from clew.loop.reproduce.reproduction import (
    Divergence,
    Factor,
    FactorKind,
    MetricComparison,
    OutputComparison,
    StepComparison,
)

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


def changed_factors(recorded: Recorded, was: Capture, now: Recorded, again: Capture) -> list[Factor]:
    """Everything recorded that is not what it was, the likeliest causes first."""
    return [
        *_data(recorded, now),
        *_packages(was, again),
        *_pairs(FactorKind.PYTHON, _python(was), _python(again)),
        *_pairs(FactorKind.SYSTEM, _system(was), _system(again)),
        *_pairs(FactorKind.THREADS, _threads(was), _threads(again)),
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
            kind=_KIND_OF.get(name.partition(" ")[0].lower(), FactorKind.CODE),
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
) -> Divergence | None:
    """The first thing that is not the same: steps in their order, then outputs, then metrics."""
    for step in steps:
        if step.same is False:
            before, after = recorded.ingredients.get(step.recorded_key, {}), now.ingredients.get(step.key, {})
            known = key_factors(before, after, places) if before and after else []
            return Divergence(what="step", name=step.step, position=step.position, factors=known)
    for output in outputs:
        if not output.same:
            return Divergence(what=output.kind, name=output.name, position=0, factors=[])
    for metric in metrics:
        if not metric.same:
            return Divergence(what="metric", name=metric.metric, position=0, factors=[])
    return None


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
    before = {version.name: f"{version.reference} {version.digest[:_DIGITS]}" for version in recorded.inputs}
    after = {version.name: f"{version.reference} {version.digest[:_DIGITS]}" for version in now.inputs}
    return _pairs(FactorKind.DATA, before, after)


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


def _threads(capture: Capture) -> dict[str, str]:
    found = capture.threads
    return {} if found is None else {name: str(count) for name, count in found.effective.items()}


def _seeds(capture: Capture) -> dict[str, str]:
    found = capture.seeds
    if found is None:
        return {}
    return {"hash seed": found.hash_seed, "random states": Digest(found.digest)[:_DIGITS]}


def _brief(text: str) -> str:
    return text[:_DIGITS] if len(text) == 64 else text
