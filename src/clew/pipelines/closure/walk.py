"""The walk from one function through everything first-party that it reaches.

Each thing reached becomes an *ingredient*: a name such as `function helpers:scale` or `global config:ALPHA`, and the
digest of that thing alone, in which other things stand by name. Names are unique within a walk, so the flat map from
name to digest says as much as the graph does, and a changed entry names what changed. This module holds the queue and
the names; what a function, class, module or value is made of stands in the module of that name.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Collection, Mapping
from pathlib import PurePath
from types import FunctionType, ModuleType
from typing import Any

from clew.core.canonical import digest_of
from clew.core.errors import Invalid
from clew.pipelines.closure.classes import class_token
from clew.pipelines.closure.distributions import distribution_of, requirements_of, version_of
from clew.pipelines.closure.functions import function_token, library_function_token
from clew.pipelines.closure.guards import Guards
from clew.pipelines.closure.modules import follow, library_digest, namespace_token
from clew.pipelines.closure.origin import Origin, globals_origin, module_name, module_origin, type_origin
from clew.pipelines.closure.planted import planted
from clew.pipelines.closure.references import may_be_path
from clew.pipelines.closure.values import value_token

__all__ = ["Walk", "shown"]

_TAG = "clew.ingredient/0"


class Walk:
    """One walk: hand in what to start from by `reference`, `run`, then read `ingredients` and `guards`.

    Args:
        ignores: names of globals, class attributes and closure variables to leave out, as `module:name`
            or `name`.
        open_ended: whether the caller has declared what cannot be found, so that computed code is not refused.
    """

    def __init__(self, *, ignores: Collection[str] = (), open_ended: bool = False) -> None:
        self.ingredients: dict[str, str] = {}
        self.guards = Guards()
        self.paths: set[str] = set()
        self.roots: set[str] = set()
        self.open_ended = open_ended
        self.reads_texts = False
        self._reads_subclasses = False
        self._ignores = frozenset(ignores)
        self._tokens: dict[object, object] = {}
        self._held: list[object] = []
        self._todo: deque[Callable[[], None]] = deque()
        self._classes: list[type] = []
        self._texts: dict[str, str | None] = {}

    def run(self) -> None:
        """Visit everything that is reached from what was handed in."""
        while self._todo or self._more():
            self._todo.popleft()()
        if self.reads_texts:
            self.put("docstrings", sorted(self._texts.items(), key=str))

    def _more(self) -> bool:
        """Queue the subclasses of every class reached, when code asks classes for them."""
        if self._reads_subclasses:
            for cls in self._classes[:]:
                known: list[type] = cls.__subclasses__()
                for each in known:
                    self.reference(each, "")
                if not self._todo:
                    self.guards.check(cls.__subclasses__, known)
        return bool(self._todo)

    # What the parts of a walk call.

    def reference(self, value: object, where: str) -> object:
        """The token of anything: of a value what it holds; of a function or class its name, and it gets queued."""
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, ModuleType):
            return self.module(value)
        return value_token(self, value, where)

    def lenient(self, value: object, where: str) -> object:
        """Like `reference`, but a value that cannot be known is taken by its type."""
        try:
            return self.reference(value, where)
        except Invalid:
            return ["opaque", f"{type(value).__module__}.{type(value).__qualname__}"]

    def bound(self, names: Mapping[str, object], name: str, *, label: str = "", owner: object = None) -> object:
        """The token of `names[name]`, an ingredient of its own when it is a plain value.

        Args:
            names: the globals of a module; with an `owner`, the attributes of that class or function.
            name: the name in it.
            label: how to call it; made from the module when empty.
            owner: whose attributes they are.
        """
        value = names[name]
        self.guards.binding(names, name, value)
        if owner is None:
            return self.held("global", label or f"{module_name(names)}:{name}", value, (id(names), name))
        return self.held("attribute", f"{label}.{name}", value, (id(owner), name))

    def held(self, kind: str, label: str, value: object, key: tuple[int, str]) -> object:
        """The token of a value that something holds, an ingredient of its own unless it is one already."""
        if label in self._ignores or label.partition(":")[2] in self._ignores:
            return ["ignored"]
        if isinstance(value, (FunctionType, type, ModuleType)):
            return self.reference(value, label)
        if key not in self._tokens:
            token = value_token(self, value, label)
            self._name(kind, label, key)
            name = self._tokens[key][1]  # type: ignore[index]  # `_name` has just put one there
            self.ingredients[name] = shown(value) or digest_of(_TAG, token)
            self.guards.value(value, lambda: self._reread(value), token)
            if isinstance(value, (str, PurePath)) and may_be_path(str(value)):
                self.paths.add(str(value))
        return self._tokens[key]

    def follow(self, value: object, path: tuple[str, ...], where: str) -> tuple[object, object]:
        """What is found by reading attributes, of modules as far as they go, and its token."""
        return follow(self, value, path, where)

    def note_attributes(self, attributes: Collection[str], names: Mapping[str, Any], where: str) -> object:
        """Attributes that lead further than they look: texts, subclasses, globals, and planted accessors."""
        self.reads_texts |= not {"__doc__", "getdoc"}.isdisjoint(attributes)
        self._reads_subclasses |= "__subclasses__" in attributes
        found: list[object] = []
        for host, name, value in planted(attributes):
            self.guards.binding(host, name, host[name])
            found.append([name, self.reference(value, where)])
        if not {"__globals__", "f_globals", "__builtins__"}.isdisjoint(attributes):
            found.append(["globals", self.namespace(names)])
        return found

    def refuse(self, where: str, why: str) -> Invalid:
        """The error for what cannot be known."""
        return Invalid(
            f"the cache key cannot be known: {where or 'a value'} {why}",
            hint="pass it to the step as an argument, or make it inside the step; or declare reaches=[…] (what it "
            f"leads to: functions, classes, modules), ignores=[{where!r}] (it does not matter) or cache=False",
        )

    def put(self, name: str, token: object) -> None:
        """Put an ingredient down."""
        self.ingredients[name] = digest_of(_TAG, token)

    def module(self, module: ModuleType) -> object:
        """All of a module: whatever it holds may be reached."""
        origin = module_origin(module)
        if origin is Origin.FIRST_PARTY:
            return self.namespace(vars(module))
        self.library(module.__name__, origin)
        return ["library", module.__name__]

    def namespace(self, names: Mapping[str, Any]) -> object:
        """All that some globals hold."""
        return self._visit("module", module_name(names), names, lambda _: namespace_token(self, names))

    def library(self, module: str, origin: Origin) -> None:
        """Take a library by its version and those of what it requires."""
        if origin is Origin.PYTHON:
            return
        root = module.partition(".")[0]
        self.roots.add(root)
        distribution = distribution_of(root)
        if distribution is None:
            self.ingredients[f"library {root}"] = library_digest(root)
            return
        for each in requirements_of(distribution) if origin is Origin.LIBRARY else (distribution,):
            self.ingredients[f"distribution {each}"] = version_of(each) or ""

    # How things get their names.

    def _visit(self, kind: str, label: str, value: object, token_of: Callable[[str], object]) -> object:
        """The token of a thing that is visited once, by name."""
        if id(value) not in self._tokens:
            self._held.append(value)
            name = self._name(kind, label, id(value))
            self.ingredients[name] = ""
            self._todo.append(lambda: self.put(name, token_of(name)))
        return self._tokens[id(value)]

    def _name(self, kind: str, label: str, key: object) -> str:
        name, count = f"{kind} {label}", 1
        while name in self.ingredients:
            count += 1
            name = f"{kind} {label} #{count}"
        self._tokens[key] = ["ref", name]
        return name

    def _function(self, function: FunctionType) -> object:
        origin = globals_origin(function.__globals__)
        label = f"{module_name(function.__globals__)}:{function.__qualname__}"
        if origin is Origin.FIRST_PARTY:
            token = self._visit("function", label, function, lambda _: function_token(self, function, label))
            self._texts[str(token)] = function.__doc__
            return token
        self.library(str(function.__globals__.get("__name__", "")), origin)
        if origin is Origin.CLEW or _is_named(function):
            return ["library", label]
        return self._visit("wrapper", label, function, lambda _: library_function_token(self, function, label))

    def _class(self, cls: type) -> object:
        origin = type_origin(cls)
        if origin is not Origin.FIRST_PARTY:
            self.library(cls.__module__, origin)
            return ["library", f"{cls.__module__}:{cls.__qualname__}"]
        module = sys.modules.get(cls.__module__)
        label = f"{cls.__module__ if module is None else module_name(vars(module))}:{cls.__qualname__}"
        if id(cls) not in self._tokens:
            self._classes.append(cls)
        token = self._visit("class", label, cls, lambda _: class_token(self, cls, label))
        self._texts[str(token)] = cls.__doc__
        return token

    def _reread(self, value: object) -> object:
        """The token of a value as it is now, without visiting anything new."""
        try:
            return value_token(_Again(self._tokens), value, "")
        except Invalid:
            return None


class _Again:
    """Reads a value again after the walk; what it did not meet then makes the token different."""

    def __init__(self, tokens: Mapping[object, object]) -> None:
        self._tokens = tokens

    def reference(self, value: object, where: str) -> object:
        if isinstance(value, FunctionType) and not _is_named(value):
            return self._tokens.get(id(value), ["new"])
        if isinstance(value, FunctionType):
            return self._tokens.get(id(value)) or ["library", f"{module_name(value.__globals__)}:{value.__qualname__}"]
        if isinstance(value, type):
            return self._tokens.get(id(value)) or ["library", f"{value.__module__}:{value.__qualname__}"]
        if isinstance(value, ModuleType):
            return self._tokens.get(id(vars(value))) or ["library", value.__name__]
        return value_token(self, value, where)

    def refuse(self, where: str, why: str) -> Invalid:
        return Invalid(f"{where} {why}")


def _is_named(function: FunctionType) -> bool:
    """Whether a library's function is what its module calls by its name, and so is known by the version."""
    module = sys.modules.get(function.__module__)
    if module is None or module_origin(module) is Origin.FIRST_PARTY:
        return False
    found: object = module
    for part in function.__qualname__.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    return found is function


def shown(value: object) -> str:
    """The text that stands for a number, a truth value or None in an ingredient; empty for anything else."""
    if value is None or type(value) in (bool, int, float):
        text = repr(value)
        return text if len(text) <= 40 else ""
    return ""
