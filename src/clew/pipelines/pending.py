"""A result that may not be there yet."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

__all__ = ["Pending", "pendings", "resolved"]

R = TypeVar("R")


class Pending(Generic[R]):
    """What `submit` returns: hand it to another step, or ask it for its `result`."""

    def __init__(self, step: str, position: int = 0) -> None:
        self.step, self.position = step, position
        self.future: Future[Callable[[], R]] = Future()
        self.asked = False
        self._value: list[R] = []

    @classmethod
    def done(cls, step: str, value: R) -> Pending[R]:
        """A result that is there."""
        made = cls(step)
        made.future.set_result(lambda: value)
        return made

    def result(self, timeout_s: float | None = None) -> R:
        """The result; waits for it.

        Raises:
            Failed: the step raised.
            TimeoutError: it took longer than `timeout_s`.
        """
        self.asked = True
        if not self._value:
            self._value.append(self.future.result(timeout_s)())
        return self._value[0]

    def __repr__(self) -> str:
        return f"<pending {self.step}, {'done' if self.future.done() else 'running'}>"


def pendings(value: Any, depth: int = 0) -> list[Pending[Any]]:
    """The pending results in an argument, down to lists of lists of them."""
    if isinstance(value, Pending):
        return [value]
    if depth < 3 and type(value) in (list, tuple):
        return [found for item in value for found in pendings(item, depth + 1)]
    if depth < 3 and type(value) is dict:
        return [found for item in value.values() for found in pendings(item, depth + 1)]
    return []


def resolved(value: Any, depth: int = 0) -> Any:
    """An argument with every pending result in it replaced by its value; waits for them."""
    if isinstance(value, Pending):
        return value.result()
    if depth < 3 and type(value) in (list, tuple) and pendings(value, depth):
        return type(value)(resolved(item, depth + 1) for item in value)
    if depth < 3 and type(value) is dict and pendings(value, depth):
        return {key: resolved(item, depth + 1) for key, item in value.items()}
    return value
