"""What a run says that it used or made, by name and digest: data of other tools, and logged models."""

from __future__ import annotations

import msgspec

from clew.core.types.edge import Role

__all__ = ["RunInput"]


class RunInput(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset or logged model that flowed into a run, or a logged model that came out of it.

    A dataset has `name` and `digest` as its own tool counts them, which clew cannot check; a logged model has its id
    in `model`, and the step at which it was made.
    """

    run: str
    role: Role
    name: str = ""
    digest: str = ""
    kind: str = ""
    source: str = ""
    schema: str = ""
    profile: str = ""
    tags: dict[str, str] = {}
    model: str = ""
    step: int = 0
