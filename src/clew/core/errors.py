"""Every error that clew raises on purpose, as one tree.

An error carries its facts as attributes and composes its own text: what failed, with which value, and what to do
next. Doors (command line, HTTP) map classes of this tree to exit codes and statuses in one table each; anything that
is not a `ClewError` is a defect of clew and may show a traceback.
"""

from __future__ import annotations

__all__ = [
    "ClewError",
    "Conflict",
    "Corrupt",
    "Denied",
    "Exists",
    "Failed",
    "GateRefused",
    "Invalid",
    "MissingExtra",
    "NotFound",
    "Unavailable",
    "Unreadable",
]


class ClewError(Exception):
    """Root of the tree.

    Args:
        what: one sentence: what failed, with the value that made it fail.
        hint: what to do next, usually a command.
    """

    def __init__(self, what: str, *, hint: str = "") -> None:
        self.what = what
        self.hint = hint
        super().__init__(f"{what}\n  → {hint}" if hint else what)

    @property
    def code(self) -> str:
        """A stable word for machines, the class name in snake case."""
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in type(self).__name__).lstrip("_")


class Invalid(ClewError):
    """What the caller gave cannot be used: a wrong type, a broken file, an option out of range."""


class Unreadable(Invalid):
    """A text in a language of clew cannot be read; `position` is the character at which that shows, from 0."""

    def __init__(self, noun: str, text: str, position: int, what: str, *, hint: str = "") -> None:
        self.noun, self.text, self.position = noun, text, position
        arrow = f"\n    {text}\n    {' ' * position}^"
        super().__init__(f"the {noun} cannot be read at character {position + 1}: {what}{arrow}", hint=hint)


class NotFound(ClewError):
    """The thing that was named does not exist."""

    def __init__(self, kind: str, name: str, *, what: str = "", hint: str = "", near: list[str] | None = None) -> None:
        self.kind, self.name, self.near = kind, name, near or []
        guess = f"did you mean {', '.join(self.near)}?" if self.near else ""
        super().__init__(what or f"no {kind} named {name!r}", hint="; ".join(x for x in (guess, hint) if x))


class Exists(ClewError):
    """A name is taken already."""

    def __init__(self, kind: str, name: str, *, hint: str = "") -> None:
        self.kind, self.name = kind, name
        super().__init__(f"{kind} {name!r} exists already", hint=hint)


class Conflict(ClewError):
    """Somebody else changed the same thing first, or its state does not allow this."""


class Denied(ClewError):
    """The caller, or the project's policy, does not allow this."""


class GateRefused(Denied):
    """A model version did not pass its gate; `verdict` holds the evidence (a `clew.core.types.gate.GateReport`)."""

    def __init__(self, what: str, *, verdict: object, hint: str = "") -> None:
        self.verdict = verdict
        super().__init__(what, hint=hint)


class Corrupt(ClewError):
    """Stored bytes are not what their name or frame says they are."""


class Unavailable(ClewError):
    """Something outside clew does not answer or has no room: a disk, a port, a database."""


class MissingExtra(ClewError):
    """An optional library is not installed."""

    def __init__(self, library: str, extra: str) -> None:
        self.library, self.extra = library, extra
        super().__init__(f"this needs {library}, which is not installed", hint=f"pip install 'clew[{extra}]'")


class Failed(ClewError):
    """The user's own code (a step, a script) raised; the original is `__cause__`."""
