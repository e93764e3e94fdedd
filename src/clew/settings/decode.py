"""Turns the tables of `clew.toml` into structs, strictly, and says exactly what is wrong and where.

msgspec alone does not name the key inside a dict, guess what a misspelt one meant, or list what is allowed; the leaves
are its work.
"""

from __future__ import annotations

import enum
import functools
import operator
import re
import reprlib
import types
import typing
from collections.abc import Mapping
from datetime import date, datetime, time
from difflib import get_close_matches
from typing import Any, TypeVar

import msgspec

from clew.core.errors import Invalid
from clew.settings.settings import NOT_DECLARED

__all__ = ["decode_table"]

S = TypeVar("S", bound=msgspec.Struct)
Path = tuple[str, ...]


def decode_table(table: Mapping[str, Any], kind: type[S], *, where: str) -> S:
    """A table as a struct.

    Args:
        table: as `tomllib` read it.
        kind: the struct.
        where: what errors call the source, such as the file's name.

    Raises:
        Invalid: the first key that is unknown, missing, of the wrong type or out of range.
    """
    return _Decoder(where).struct(dict(table), kind, ())


class _Decoder:
    """Walks types and values side by side; `path` is where it stands."""

    def __init__(self, where: str) -> None:
        self.where = where

    def error(self, path: Path, what: str, *, hint: str = "") -> Invalid:
        place = f"{_header(path[:-1])}{path[-1]} " if path else ""
        return Invalid(f"{self.where}: {place}{what}", hint=hint)

    def any(self, value: Any, kind: Any, path: Path) -> Any:
        origin, args = typing.get_origin(kind), typing.get_args(kind)
        if origin is typing.Annotated:
            return self.any(value, args[0], path)
        if origin in (typing.Union, types.UnionType):
            return self.union(value, args, path)
        if origin is dict:
            table = self.table(value, path)
            return {name: self.any(part, args[1], (*path, name)) for name, part in table.items()}
        if origin is list and isinstance(value, list):
            return [self.any(part, args[0], (*path[:-1], f"{path[-1]}[{i}]")) for i, part in enumerate(value)]
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.struct(self.table(value, path), kind, path)
        if isinstance(kind, type) and issubclass(kind, enum.StrEnum):
            return self.word(value, kind, path)
        return self.leaf(value, kind, path)

    def table(self, value: Any, path: Path) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.error(path, f"= {reprlib.repr(value)} is no table", hint=f"write [{'.'.join(path)}]")
        return value

    def union(self, value: Any, kinds: tuple[Any, ...], path: Path) -> Any:
        structs = [k for k in kinds if isinstance(k, type) and issubclass(k, msgspec.Struct)]
        if not (structs and isinstance(value, dict)):
            words = [k for k in kinds if isinstance(k, type) and issubclass(k, enum.StrEnum)]
            if words and isinstance(value, str):
                return self.word(value, words[0], path)
            return self.leaf(value, functools.reduce(operator.or_, [k for k in kinds if k not in structs]), path)
        if len(structs) == 1:
            return self.struct(value, structs[0], path)
        return self.tagged(value, structs, path)

    def tagged(self, value: dict[str, Any], structs: list[type[msgspec.Struct]], path: Path) -> Any:
        """One of several structs, told apart by a key."""
        key = str(structs[0].__struct_config__.tag_field)
        by_tag = {str(struct.__struct_config__.tag): struct for struct in structs}
        if key not in value:
            raise self.error((*path, key), "is missing", hint=f"one of {', '.join(by_tag)}")
        tag = value[key]
        if not isinstance(tag, str) or tag not in by_tag:
            raise self.error((*path, key), f"= {reprlib.repr(tag)} is none of its words", hint=_near(str(tag), by_tag))
        rest = {name: part for name, part in value.items() if name != key}
        return self.struct(rest, by_tag[tag], path)

    def struct(self, table: dict[str, Any], kind: type[S], path: Path) -> S:
        hints = typing.get_type_hints(kind, include_extras=True)
        fields = {f.name: f for f in msgspec.structs.fields(kind) if not _undeclared(hints[f.name])}
        for name in table:
            if name not in fields:
                what = "is no setting" if path else "is no table that clew knows"
                raise self.error((*path, name), what, hint=_near(name, fields))
        for name, field in fields.items():
            if field.required and name not in table:
                raise self.error((*path, name), "is missing", hint="it has no default")
        values = {name: self.any(part, hints[name], (*path, name)) for name, part in table.items()}
        try:
            return kind(**values)
        except Invalid as error:
            raise Invalid(f"{self.where}: {_header(path)}{error.what}", hint=error.hint) from None

    def word(self, value: Any, kind: type[enum.StrEnum], path: Path) -> Any:
        words = [str(word) for word in kind]
        if value not in words:
            raise self.error(path, f"= {reprlib.repr(value)} is none of its words", hint=_near(str(value), words))
        return kind(value)

    def leaf(self, value: Any, kind: Any, path: Path) -> Any:
        if isinstance(value, datetime | date | time):
            value = value.isoformat()
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise self.error(path, f"= {reprlib.repr(value)}: {_in_words(error)}") from None


def _header(path: Path) -> str:
    return f"[{'.'.join(path)}] " if path else ""


_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "null": "nothing",
    "array": "a list",
    "object": "a table",
}


def _in_words(error: msgspec.ValidationError) -> str:
    """msgspec's message in the words of TOML, without its own idea of the path."""
    reason = str(error).split(" - at `$", 1)[0]
    reason = re.sub(r"`([a-z]+(?: \| [a-z]+)*)`", lambda found: _translated(found[1]), reason)
    return reason[:1].lower() + reason[1:]


def _translated(names: str) -> str:
    return " or ".join(_WORDS.get(name, name) for name in names.split(" | ") if name != "null" or " " not in names)


def _undeclared(hint: Any) -> bool:
    return typing.get_origin(hint) is typing.Annotated and NOT_DECLARED in typing.get_args(hint)


def _near(name: str, known: typing.Iterable[str]) -> str:
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
