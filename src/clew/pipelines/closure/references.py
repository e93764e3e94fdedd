"""What a code object names: globals, closure variables and imports, each with the attributes read from it.

`np.linalg.norm(x)` is one reference to the global `np` with the path `linalg.norm`. A name that is used in any other
way than reading an attribute has an empty path: whoever resolves it has to take all that it stands for. Nested code
(lambdas, comprehensions, inner functions and classes) is part of the code around it.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from types import CodeType

__all__ = ["Reference", "References", "Root", "may_be_path", "references"]


class Root(StrEnum):
    """Where a name is looked up."""

    GLOBAL = "global"
    CELL = "cell"
    IMPORT = "import"


@dataclass(frozen=True, slots=True)
class Reference:
    """One name and the attributes that are read from it.

    `level` is the number of leading dots of a relative import. `constant` is the text in `f("text")` or `d["text"]`
    when the reference is called or indexed with exactly one constant text; `own` says that the index was `__name__`.
    """

    root: Root
    name: str
    path: tuple[str, ...] = ()
    level: int = 0
    constant: str | None = None
    own: bool = False


@dataclass(slots=True)
class References:
    """All references of a code object, in the order in which they come, and every attribute that it reads.

    `paths` are the constant texts that may name a file.
    """

    found: dict[Reference, None] = field(default_factory=dict)
    attributes: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)


_held: dict[int, tuple[CodeType, References]] = {}


def references(code: CodeType) -> References:
    """What a code object and everything nested in it name; kept per code object."""
    held = _held.get(id(code))
    if held is None:
        found = References()
        _Scan(code, {}, found).run()
        held = _held[id(code)] = (code, found)
    return held[1]


_QUIET = frozenset({"CACHE", "EXTENDED_ARG", "NOP", "PUSH_NULL", "PRECALL", "COPY_FREE_VARS", "MAKE_CELL", "RESUME"})
_ATTRIBUTE = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_GLOBAL = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_CELL = frozenset({"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"})
_CALL = frozenset({"CALL", "CALL_FUNCTION", "BINARY_SUBSCR", "BINARY_OP"})


class _Scan:
    """One pass over the instructions of one code object."""

    def __init__(self, code: CodeType, outer: dict[str, list[Reference]], out: References) -> None:
        self.code, self.out = code, out
        self.steps = [step for step in dis.get_instructions(code) if step.opname not in _QUIET]
        self.imported: dict[str, list[Reference]] = {**outer}
        self.local = {*code.co_varnames, *code.co_cellvars}

    def run(self) -> None:
        """Record everything."""
        for name in self.local:
            self.imported.pop(name, None)
        self._imports()
        for at, step in enumerate(self.steps):
            self._load(at, step)
            if step.opname in _ATTRIBUTE:
                self.out.attributes.add(_attribute(step))
        for value in self.code.co_consts:
            if isinstance(value, CodeType):
                _Scan(value, self.imported, self.out).run()
            elif isinstance(value, str) and may_be_path(value):
                self.out.paths.add(value)

    def _imports(self) -> None:
        """Which local names stand for imported modules, and the imports themselves.

        Such a name may stand for something else as well; whatever that is, it was loaded somewhere too.
        """
        bound: dict[str, list[Reference]] = {}
        for at, step in enumerate(self.steps):
            if step.opname == "IMPORT_NAME":
                for name, reference in self._bindings(at):
                    bound.setdefault(name, []).append(reference)
        for name, found in bound.items():
            if name in self.local:
                self.imported[name] = found
                self._mention(found)
            else:
                self._add_all(found)

    def _mention(self, found: list[Reference]) -> None:
        """An imported name of which nothing is read was imported for its effects: all of it counts."""
        name = self._name_of(found)
        if not any(name in _names(step) and "LOAD" in step.opname for step in _deep(self.code)):
            self._add_all(found)

    def _name_of(self, found: list[Reference]) -> str:
        return next(name for name, held in self.imported.items() if held is found)

    def _bindings(self, at: int) -> Iterator[tuple[str, Reference]]:
        """The names that the import at an instruction binds."""
        name = str(self.steps[at].argval)
        level, listed = self.steps[at - 2].argval, self.steps[at - 1].argval
        level = level if isinstance(level, int) else 0
        following = self.steps[at + 1 :]
        if listed:
            current: tuple[str, ...] = ()
            for step in following:
                if step.opname == "IMPORT_FROM":
                    current = (str(step.argval),)
                elif step.opname.startswith("STORE_"):
                    yield _names(step)[0], Reference(Root.IMPORT, name, current, level)
                else:
                    return
        else:
            plain = following[0].opname.startswith("STORE_")
            stored = next((step for step in following if step.opname.startswith("STORE_")), None)
            path = () if plain else tuple(name.split(".")[1:])
            if stored is not None:
                yield _names(stored)[0], Reference(Root.IMPORT, name, ("", *path), level)

    def _load(self, at: int, step: dis.Instruction) -> None:
        name = _loaded(step)
        if name is None:
            return
        path = self._path(at)
        constant, own = self._argument(at + 1 + len(path))
        if step.opname in _GLOBAL:
            self._add(Reference(Root.GLOBAL, name, path, 0, constant, own))
        elif name in self.imported:
            if step.opname not in _CELL and name in self.code.co_cellvars:
                return
            for each in self.imported[name]:
                self._add(Reference(Root.IMPORT, each.name, (*each.path, *path), each.level, constant, own))
        elif step.opname in _CELL and name not in self.local:
            self._add(Reference(Root.CELL, name, path, 0, constant, own))

    def _path(self, at: int) -> tuple[str, ...]:
        """The attributes that are read one after the other from what the instruction loads."""
        path = []
        for step in self.steps[at + 1 :]:
            if step.opname not in _ATTRIBUTE:
                break
            path.append(_attribute(step))
        return tuple(path)

    def _argument(self, at: int) -> tuple[str | None, bool]:
        """The one constant text that a thing is called or indexed with, and whether that is `__name__`."""
        pair = self.steps[at : at + 2]
        if len(pair) < 2 or pair[1].opname not in _CALL:
            return None, False
        if pair[1].opname.startswith("CALL") and pair[1].arg != 1:
            return None, False
        if pair[0].opname == "LOAD_CONST" and isinstance(pair[0].argval, str):
            return pair[0].argval, False
        return None, pair[0].opname in _GLOBAL and pair[0].argval == "__name__"

    def _add_all(self, found: list[Reference]) -> None:
        for each in found:
            self._add(each)

    def _add(self, reference: Reference) -> None:
        self.out.found.setdefault(reference)


def may_be_path(text: str) -> bool:
    """Whether a text looks like the path of a file: short, on one line, with a dot or a slash in it."""
    return 2 < len(text) < 512 and text.isprintable() and ("." in text or "/" in text) and not text.isspace()


def _deep(code: CodeType) -> Iterator[dis.Instruction]:
    yield from dis.get_instructions(code)
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from _deep(value)


def _attribute(step: dis.Instruction) -> str:
    return str(step.argval)


def _names(step: dis.Instruction) -> tuple[str, ...]:
    """The variables that an instruction names; some of them name two."""
    if isinstance(step.argval, tuple):
        return tuple(str(name) for name in step.argval)
    return (str(step.argval),)


def _loaded(step: dis.Instruction) -> str | None:
    """The variable that an instruction leaves on top of the stack."""
    if step.opname in _GLOBAL or step.opname in _CELL:
        return str(step.argval)
    if "LOAD_FAST" in step.opname and step.opname != "LOAD_FAST_AND_CLEAR":
        return _names(step)[-1]
    return None
