"""`@step`: a plain function whose results are kept and found again.

Outside of a session (a pipeline, or a run that opened one) calling a step calls its function and does nothing else.
Inside of one, the call is looked up by its cache key, and run, kept and recorded when it is not found. Inside of
another step it is a plain call again: a step is kept whole.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterable
from types import FunctionType
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from clew.core.errors import Invalid
from clew.pipelines.closure import Closure, Fingerprint
from clew.pipelines.closure.origin import adopt
from clew.pipelines.codecs import Codec
from clew.pipelines.current import current
from clew.pipelines.pending import Pending
from clew.pipelines.reads import declared

__all__ = ["Step", "step"]

P = ParamSpec("P")
R = TypeVar("R")


class Step(Generic[P, R]):
    """A function with a cache. Made by `step`."""

    def __init__(
        self,
        function: Callable[P, R],
        *,
        name: str,
        cache: bool,
        codec: Codec | None,
        inputs: Collection[str],
        reaches: Collection[object],
        ignores: Collection[str],
    ) -> None:
        self.__wrapped__ = _plain(function)
        adopt(self.__wrapped__.__globals__)
        functools.update_wrapper(self, function)
        self.name = name or function.__name__
        self.cache, self.codec = cache, codec
        self.reads, self.doors = declared(inputs)
        self.signature = inspect.signature(function)
        self._fingerprint = Fingerprint(self.__wrapped__, reaches=reaches, ignores=ignores)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The result, from the cache when it is there.

        Raises:
            Failed: the function raised; the original is `__cause__`.
            Invalid: the cache key cannot be known, or there is no codec for the result.
        """
        session = current()
        if session is None:
            return cast("R", self.__wrapped__(*args, **kwargs))
        return cast("R", session.call(self, args, kwargs))

    def submit(self, *args: Any, **kwargs: Any) -> Pending[R]:
        """Start the step and go on; it runs beside others where the session has workers.

        Arguments may be what other `submit`s returned: they are waited for. Outside of a session the function runs
        here and now.
        """
        session = current()
        if session is None:
            return Pending.done(self.name, self.__wrapped__(*args, **kwargs))
        return cast("Pending[R]", session.submit(self, args, kwargs))

    def map(self, items: Iterable[Any], **common: Any) -> list[R]:
        """The results for many values of the first parameter, in their order; only new values are computed.

        Args:
            items: values of the first parameter.
            common: other arguments, the same for all.
        """
        return [pending.result() for pending in [self.submit(item, **common) for item in items]]

    def closure(self) -> Closure:
        """The step's code and everything that it reaches, as it is now.

        Raises:
            Invalid: a part of it cannot be known.
        """
        return self._fingerprint()

    def __repr__(self) -> str:
        return f"<step {self.name}>"


def _plain(function: Callable[..., Any]) -> FunctionType:
    if not isinstance(function, FunctionType):
        raise Invalid(f"{function!r} cannot be a step", hint="put @step on a plain function")
    if "." in function.__qualname__.rpartition("<locals>.")[2]:
        raise Invalid(f"the method {function.__qualname__} cannot be a step", hint="make it a plain function")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise Invalid(
            f"the generator {function.__qualname__} cannot be a step", hint="return a list, or map over items"
        )
    if inspect.iscoroutinefunction(function):
        raise Invalid(f"the coroutine {function.__qualname__} cannot be a step", hint="run it inside: asyncio.run(…)")
    return function


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(
    *,
    name: str = ...,
    cache: bool = ...,
    codec: Codec | None = ...,
    inputs: Collection[str] = ...,
    reaches: Collection[object] = ...,
    ignores: Collection[str] = ...,
) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str = "",
    cache: bool = True,
    codec: Codec | None = None,
    inputs: Collection[str] = (),
    reaches: Collection[object] = (),
    ignores: Collection[str] = (),
) -> Step[P, R] | Callable[[Callable[P, R]], Step[P, R]]:
    """Make a function a step.

    Args:
        function: a plain function.
        name: what runs and `clew explain` call it; the function's own name when empty.
        cache: False to run it every time; it is recorded all the same.
        codec: encodes and decodes the result, for types that clew does not know.
        inputs: files and patterns that it reads, `env:NAME` for environment variables, and `network` or `programs`
            when it asks those and may be kept all the same.
        reaches: functions, classes and modules that it leads to in ways that cannot be seen.
        ignores: globals whose content does not matter, as `module:name` or `name`.
    """

    def make(function: Callable[P, R]) -> Step[P, R]:
        return Step(function, name=name, cache=cache, codec=codec, inputs=inputs, reaches=reaches, ignores=ignores)

    return make if function is None else make(function)
