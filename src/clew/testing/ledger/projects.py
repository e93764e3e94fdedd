"""What a ledger must do for projects."""

from __future__ import annotations

import msgspec
import pytest

from clew.core.contracts.ledger import Ledger
from clew.core.errors import Exists, NotFound
from clew.core.types.project import Project

__all__ = ["ProjectsContract"]


class ProjectsContract:
    """What holds for `clew.core.contracts.ledger.Projects`."""

    def test_projects(self, ledger: Ledger) -> None:
        project = Project(id="1", name="late", created_us=1)
        with ledger.write() as tx:
            tx.projects.add(project)
        with ledger.write() as tx:
            with pytest.raises(Exists):
                tx.projects.add(msgspec.structs.replace(project, id="2"))
            with pytest.raises(NotFound):
                tx.projects.get("early")
            assert tx.projects.find("late") == tx.projects.get("late") == project
            assert tx.projects.list() == [project]
