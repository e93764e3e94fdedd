"""The contract of a format, and what a project trusts. Not the choice of a format (`clew.registry.formats.choice`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Dump", "Format", "Trust"]


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What may be loaded: the project's `[policy]`.

    Args:
        types: dotted names of types and functions beyond the built-in list.
        allow_pickle: whether files that run code when they are read may be read at all.
        mlflow_python: the interpreter that loads models which MLflow logged; this one when empty.
        settings: the file that says so, for people.
    """

    types: frozenset[str] = frozenset()
    allow_pickle: bool = False
    mlflow_python: str = ""
    settings: str = "clew.toml"

    @property
    def to_allow(self) -> str:
        """What to do where a file that runs code is to be read all the same."""
        return f"set allow_pickle = true under [policy] in {self.settings}"


@dataclass(frozen=True, kw_only=True)
class Dump:
    """A model as bytes; `types` are the dotted names that reading it would import, sorted; `unsafe` says in words what
    a policy may refuse."""

    content: bytes
    types: tuple[str, ...] = ()
    unsafe: tuple[str, ...] = ()


class Format(Protocol):
    """Writes and reads models. Equal models give equal bytes, in any process."""

    def dump(self, model: object, trust: Trust) -> Dump:
        """The model as bytes. `Invalid` when this format cannot hold it, `Denied` when the policy forbids it."""
        ...

    def load(self, content: bytes, trust: Trust) -> object:
        """The model. `Denied` names what is not trusted, `Corrupt` says that the bytes are damaged."""
        ...
