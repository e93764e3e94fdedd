"""Which session steps act in, and who opens one for a pipeline that is run outside of any."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from clew.core.errors import Invalid

if TYPE_CHECKING:
    from clew.pipelines.pipeline import Pipeline
    from clew.pipelines.session import Session

__all__ = ["Opener", "acting", "current", "opened", "set_opener"]

_session: ContextVar[Session | None] = ContextVar("clew_session", default=None)


class Opener(Protocol):
    """Starts a run for a pipeline: the workspace's part."""

    def __call__(self, pipeline: Pipeline[..., Any], params: dict[str, Any], /) -> AbstractContextManager[Session]:
        """A session for one run of this pipeline, ended with the block."""
        ...


_opener: list[Opener] = []


def current() -> Session | None:
    """The session that steps act in here, or None."""
    return _session.get()


@contextmanager
def acting(session: Session | None) -> Iterator[None]:
    """Have steps act in a session within the block; in none when it is None."""
    token = _session.set(session)
    try:
        yield
    finally:
        _session.reset(token)


def set_opener(opener: Opener | None) -> None:
    """Say who starts a run when `pipeline.run(…)` is called outside of any session."""
    _opener[:] = [] if opener is None else [opener]


def opened(pipeline: Pipeline[..., Any], params: dict[str, Any]) -> AbstractContextManager[Session]:
    """A session for one run of a pipeline.

    Raises:
        Invalid: nobody has said who opens one.
    """
    if not _opener:
        raise Invalid(
            f"the pipeline {pipeline.name} has no project to run in",
            hint="run it through clew (import clew; @clew.pipeline), or call it as a plain function",
        )
    return _opener[0](pipeline, params)
