"""Which branch of which repository the code of a run is from: as clew captured it, or as MLflow says in tags."""

from __future__ import annotations

from typing import NamedTuple

from clew.core.contracts.objects import Objects
from clew.core.errors import NotFound
from clew.core.types.run import Run
from clew.tracking.capture import Source, read_aspect
from clew.tracking.capture.secrets import strip_userinfo

__all__ = ["BRANCH_TAG", "Branch", "branch_of"]

BRANCH_TAG, _REMOTE_TAG = "mlflow.source.git.branch", "mlflow.source.git.repoURL"


class Branch(NamedTuple):
    """Its name, and the address of its repository without a password; what nobody said is empty."""

    name: str
    remote: str


def branch_of(objects: Objects, run: Run) -> Branch:
    """The branch of a run.

    Args:
        objects: where what the run recorded is.
        run: the run.
    """
    try:
        git = read_aspect(objects, run, "source", Source).git
    except NotFound:
        git = None
    if git is not None:
        return Branch(git.branch, git.remote)
    return Branch(run.tags.get(BRANCH_TAG, ""), strip_userinfo(run.tags.get(_REMOTE_TAG, "")))
