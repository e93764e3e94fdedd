"""The arguments of a step as ingredients of its key.

A value is taken by what it holds, never by where it came from; an instance of a first-party class brings the code of
its class along, and a frame the version of its library. A path is taken by its text here: what lies behind it is an
observed read (`reads.py`).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from clew.core.canonical import digest_of
from clew.pipelines.closure import Walk, may_be_path, shown

__all__ = ["Arguments", "bind"]

_TAG = "clew.argument/0"
_SECRET = re.compile(r"(?i)passw|secret|token|credential|api_?key|private")
_PLAIN = frozenset({type(None), bool, int, float, str, bytes})


@dataclass(slots=True)
class Arguments:
    """Bound arguments: what they are by name, and what to call the function with.

    `paths` are the `pathlib` paths among them, `texts` the texts that may name a file, `mutable` the names of those
    that could change in place.
    """

    ingredients: dict[str, str]
    bound: inspect.BoundArguments
    paths: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    mutable: list[str] = field(default_factory=list)

    def changed(self) -> list[str]:
        """The names of arguments that do not hold any more what they held when they were bound."""
        found = []
        for name in self.mutable:
            now: dict[str, str] = {}
            _add(now, name, self.bound.arguments[name], {})
            if any(key in self.ingredients and self.ingredients[key] != value for key, value in now.items()):
                found.append(name)
        return found

    def own(self) -> dict[str, str]:
        """The ingredients without the code and the libraries that came along with a value."""
        return {f"argument {name}": self.ingredients[f"argument {name}"] for name in self.bound.arguments}

    def text(self) -> str:
        """The arguments as one line for a person, long ones shortened."""
        shown = {name: "…" if _is_secret(name) else _short(value) for name, value in self.bound.arguments.items()}
        return ", ".join(f"{name}={text}" for name, text in shown.items())


def bind(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any], closure: Mapping[str, str]
) -> Arguments:
    """Bind arguments to a function's parameters and read them.

    Args:
        signature: of the function.
        args: by position.
        kwargs: by name.
        closure: the ingredients of the function, which an argument's class may be one of.

    Raises:
        TypeError: they do not fit the signature.
        Invalid: one of them cannot be known.
    """
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    found = Arguments({}, bound)
    for name, value in bound.arguments.items():
        if type(value) in _PLAIN:
            found.ingredients[f"argument {name}"] = _plain(value, secret=_is_secret(name))
        else:
            _add(found.ingredients, name, value, closure)
            found.mutable.append(name)
        _note_paths(found, value)
    return found


def _is_secret(name: str) -> bool:
    """Whether an argument is called like something that must not be written down."""
    return _SECRET.search(name) is not None


def _plain(value: object, *, secret: bool) -> str:
    if type(value) is str and len(value) <= 48 and value.isprintable() and not secret:
        return repr(value)
    if isinstance(value, str):
        return digest_of(_TAG, ["text", value.encode("utf-8", "surrogatepass")])
    return shown(value) or digest_of(_TAG, ["int", str(value)] if isinstance(value, int) else value)


def _add(into: dict[str, str], name: str, value: object, closure: Mapping[str, str]) -> None:
    walk = Walk()
    token = walk.reference(value, f"argument {name}")
    walk.run()
    into[f"argument {name}"] = digest_of(_TAG, token)
    for key, digest in walk.ingredients.items():
        if closure.get(key) != digest:
            shared = key.startswith(("distribution ", "library "))
            into[key if shared else f"argument {name}: {key}"] = digest


def _note_paths(found: Arguments, value: object, depth: int = 0) -> None:
    """Note the paths in an argument, down to lists of lists of them."""
    if isinstance(value, str):
        if may_be_path(value):
            found.texts.append(value)
    elif isinstance(value, PurePath):
        found.paths.append(str(value))
    elif isinstance(value, (list, tuple)) and depth < 2 and len(value) < 1000:
        for item in value:
            _note_paths(found, item, depth + 1)


def _short(value: object) -> str:
    shape = getattr(value, "shape", None)
    if shape is not None and type(value).__module__.partition(".")[0] in ("numpy", "polars", "pandas"):
        return f"<{type(value).__name__} {'×'.join(map(str, shape))}>"
    text = repr(value) if type(value) in _PLAIN or isinstance(value, PurePath) else f"<{type(value).__qualname__}>"
    return text if len(text) <= 60 else f"{text[:57]}…"
