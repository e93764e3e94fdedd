"""The fingerprint of a function: what it would take to compute something else. Design: docs/design/cache-key.md."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from types import FunctionType, ModuleType

from clew.core.canonical import digest_of
from clew.core.errors import Invalid
from clew.core.ids import Digest
from clew.pipelines.closure.distributions import python_version
from clew.pipelines.closure.guards import Guards
from clew.pipelines.closure.walk import Walk

__all__ = ["Closure", "Fingerprint", "fingerprint"]


@dataclass(frozen=True, slots=True)
class Closure:
    """Everything first-party that a function reaches, and the versions of everything else.

    `ingredients` maps each part by name to its digest, or to its value where that is a number or a version. `paths`
    are constant texts among them that may name files, which native code may open unseen; `roots` are the top-level
    modules of libraries that first-party code names itself.
    """

    digest: Digest
    ingredients: dict[str, str]
    paths: tuple[str, ...] = ()
    roots: frozenset[str] = frozenset()

    @property
    def distributions(self) -> dict[str, str]:
        """Versions of the distributions that are reached, by name."""
        prefix = "distribution "
        return {name[len(prefix) :]: value for name, value in self.ingredients.items() if name.startswith(prefix)}


class Fingerprint:
    """The fingerprint of one function, taken again only when something that it depends on has changed.

    Args:
        function: what to take it of.
        reaches: functions, classes and modules that it leads to in ways that cannot be seen; when there are any, code
            that is found by a computed name is not refused.
        ignores: names of things whose content does not matter, as `module:name` or `name`.
    """

    def __init__(
        self, function: FunctionType, *, reaches: Collection[object] = (), ignores: Collection[str] = ()
    ) -> None:
        self._function, self._reaches, self._ignores = function, reaches, ignores
        self._held: tuple[Closure, Guards] | None = None

    def __call__(self) -> Closure:
        """The closure as it is now.

        Raises:
            Invalid: something that the function reaches cannot be known.
        """
        held = self._held
        if held is None or not held[1].hold():
            held = self._held = self._take()
        return held[0]

    def _take(self) -> tuple[Closure, Guards]:
        walk = Walk(ignores=self._ignores, open_ended=bool(self._reaches))
        walk.reference(self._function, "")
        for each in self._reaches:
            _declared(walk, each)
        walk.run()
        return closure_of(walk), walk.guards


def _declared(walk: Walk, value: object) -> None:
    from clew.pipelines.closure.packages import import_all, package_token

    if isinstance(value, ModuleType) and hasattr(value, "__path__"):
        import_all(value)
        walk.put(f"package {value.__name__}", package_token(value))
    walk.reference(value, "reaches")


def closure_of(walk: Walk) -> Closure:
    """What a finished walk has found."""
    ingredients = {"python": python_version(), **dict(sorted(walk.ingredients.items()))}
    return Closure(
        digest_of("clew.closure/0", ingredients), ingredients, tuple(sorted(walk.paths)), frozenset(walk.roots)
    )


def fingerprint(function: object, *, reaches: Collection[object] = (), ignores: Collection[str] = ()) -> Closure:
    """The closure of a function.

    Args:
        function: a plain function, or anything that wraps one (`__wrapped__`).
        reaches: functions, classes and modules that it leads to in ways that cannot be seen.
        ignores: names of things whose content does not matter, as `module:name` or `name`.

    Raises:
        Invalid: it is no function, or something that it reaches cannot be known.
    """
    if not isinstance(function, FunctionType):
        raise Invalid(f"{function!r} is no plain function", hint="take the fingerprint of a function made by def")
    return Fingerprint(function, reaches=reaches, ignores=ignores)()
