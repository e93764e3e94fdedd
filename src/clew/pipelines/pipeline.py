"""`@pipeline`: a plain function that calls steps. Calling it calls it; `run` makes a run of it."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from types import FunctionType
from typing import Any, Generic, ParamSpec, TypeVar, overload

from clew.core.errors import Invalid
from clew.pipelines.current import acting, current, opened

__all__ = ["Pipeline", "pipeline"]

P = ParamSpec("P")
R = TypeVar("R")
_DATASET = re.compile(r"(?:^|[.\s|\[])Dataset\b")


class Pipeline(Generic[P, R]):
    """A function that calls steps. Made by `pipeline`."""

    def __init__(self, function: Callable[P, R], *, name: str) -> None:
        given: object = function
        if not isinstance(given, FunctionType):
            raise Invalid(f"{function!r} cannot be a pipeline", hint="put @clew.pipeline on a plain function")
        self.__wrapped__ = function
        functools.update_wrapper(self, function)
        self.name = name or function.__name__
        self.signature = inspect.signature(function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function: its steps act in the session that is open here, if there is one."""
        return self.__wrapped__(*args, **kwargs)

    def run(self, **params: Any) -> R:
        """Run the pipeline as a run of the project, in the session that is open here or in one of its own.

        Args:
            params: arguments by name. A text for a parameter of type `Dataset` is a reference such as
                `flights@latest`.

        Raises:
            Invalid: a parameter is missing or unknown, or there is no project to run in.
            Failed: a step raised.
        """
        bound = self.bind(params)
        session = current()
        with nullcontext(session) if session is not None else opened(self, dict(bound)) as active:
            assert active is not None
            with acting(active):
                found: dict[str, Any] = {
                    name: self._resolved(active.resolve, name, value) for name, value in bound.items()
                }
                function: Callable[..., R] = self.__wrapped__
                return function(**found)

    def datasets(self) -> list[str]:
        """The names of the parameters that are datasets."""
        return [name for name, parameter in self.signature.parameters.items() if _is_dataset(parameter.annotation)]

    def bind(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """All its arguments, with defaults for those that are not given.

        Raises:
            Invalid: a parameter is missing, unknown, or a text where a number is wanted.
        """
        try:
            bound = self.signature.bind(**params)
        except TypeError as error:
            raise Invalid(f"the pipeline {self.name} cannot run: {error}", hint=f"it takes {self._takes()}") from error
        for name, value in bound.arguments.items():
            wanted = _plain(self.signature.parameters[name].annotation)
            if isinstance(value, str) and wanted in ("int", "float", "bool"):
                raise Invalid(f"the pipeline {self.name} takes {name} as {wanted}, not {value!r}")
        bound.apply_defaults()
        return dict(bound.arguments)

    def _takes(self) -> str:
        """Its parameters as they are given: `flights=DATASET@VERSION, depth=6`."""
        words = []
        for name, parameter in self.signature.parameters.items():
            plain = "DATASET@VERSION" if _is_dataset(parameter.annotation) else _plain(parameter.annotation).upper()
            given = parameter.default is not parameter.empty
            words.append(f"{name}={parameter.default if given else plain or 'VALUE'}")
        return ", ".join(words) or "no parameters"

    def _resolved(self, resolve: Callable[[str], object] | None, name: str, value: object) -> object:
        if isinstance(value, str) and name in self.datasets():
            if resolve is None:
                raise Invalid(f"nothing here can find the dataset {value!r}", hint="run the pipeline in a project")
            return resolve(value)
        return value

    def __repr__(self) -> str:
        return f"<pipeline {self.name}>"


def _plain(annotation: object) -> str:
    """The name of the class that an annotation, a class or its name, says; empty for what is more than a name."""
    name = annotation.__name__ if isinstance(annotation, type) else annotation
    return name if isinstance(name, str) and name.isidentifier() and name != "_empty" else ""


def _is_dataset(annotation: object) -> bool:
    """Whether a parameter's annotation, a class or its name, says that it is a dataset."""
    if isinstance(annotation, type):
        return annotation.__name__ in ("Dataset", "DatasetHandle") and annotation.__module__.partition(".")[0] == "clew"
    return bool(_DATASET.search(str(annotation)))


@overload
def pipeline(function: Callable[P, R], /) -> Pipeline[P, R]: ...
@overload
def pipeline(*, name: str = ...) -> Callable[[Callable[P, R]], Pipeline[P, R]]: ...
def pipeline(
    function: Callable[P, R] | None = None, /, *, name: str = ""
) -> Pipeline[P, R] | Callable[[Callable[P, R]], Pipeline[P, R]]:
    """Make a function a pipeline.

    Args:
        function: a plain function that calls steps.
        name: what its runs are called; the function's own name when empty.
    """

    def make(function: Callable[P, R]) -> Pipeline[P, R]:
        return Pipeline(function, name=name)

    return make if function is None else make(function)
