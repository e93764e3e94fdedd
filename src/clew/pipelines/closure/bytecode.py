"""What a code object does, without where it stands: no file, no line numbers, no positions.

It is the proof that a source text belongs to a loaded function (`source.py`), and the digest of functions that have
no source. Bytecode differs between Python versions; Python's version is part of every cache key.
"""

from __future__ import annotations

from types import CodeType

from clew.core.canonical import canonical

__all__ = ["bytecode"]


def bytecode(code: CodeType) -> bytes:
    """Canonical bytes of a code object and everything nested in it."""
    return canonical(_token(code))


def _token(code: CodeType) -> list[object]:
    return [
        "code",
        code.co_qualname,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags,
        code.co_code,
        code.co_exceptiontable,
        list(code.co_names),
        list(code.co_varnames),
        list(code.co_freevars),
        list(code.co_cellvars),
        [_constant(value) for value in code.co_consts],
    ]


def _constant(value: object) -> object:
    if isinstance(value, CodeType):
        return _token(value)
    if isinstance(value, tuple):
        return ["tuple", *map(_constant, value)]
    if isinstance(value, frozenset):
        return ["set", *sorted(canonical(_constant(item)) for item in value)]
    return [type(value).__name__, repr(value)]
