"""A small project on disk whose steps run again and again in this process, as if in new ones."""

from __future__ import annotations

import importlib
import os
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clew.core.contracts.stores import Stores
from clew.core.types.step import StepOutcome, StepRun
from clew.pipelines import session
from clew.testing.project import open_stores


@dataclass
class Ran:
    """What one run gave, and what became of its steps."""

    value: Any
    steps: list[StepRun] = field(default_factory=list)

    @property
    def outcomes(self) -> list[StepOutcome]:
        return [step.outcome for step in self.steps]

    @property
    def executed(self) -> list[str]:
        return [step.step for step in self.steps if step.outcome is StepOutcome.EXECUTED]


class Project:
    """Files in a folder, with `main.py` and its function `run`."""

    def __init__(self, folder: Path, stores: Stores) -> None:
        self.folder, self.stores = folder, stores
        self._names: set[str] = set()
        self._count = 0

    def write(self, files: Mapping[str, str]) -> None:
        """Put files in place; those of Python are imported anew by the next run."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
            if name.endswith(".py"):
                self._names.add(name.partition("/")[0].removesuffix(".py"))

    def run(self, *args: Any, workers: int = 0) -> Ran:
        """Import `main` anew and call `main.run` in a session of its own."""
        self._count += 1
        steps: list[StepRun] = []
        with self.imported() as main, session(self.stores, f"run{self._count}", listener=steps.append, workers=workers):
            return Ran(main.run(*args), steps)

    def truth(self, *args: Any) -> Any:
        """What `main.run` gives without any cache."""
        with self.imported() as main:
            return main.run(*args)

    @contextmanager
    def imported(self) -> Iterator[Any]:
        """`main`, freshly imported, with the folder as the current one."""
        self.forget()
        importlib.invalidate_caches()
        before, written = Path.cwd(), sys.dont_write_bytecode
        sys.path.insert(0, str(self.folder))
        sys.dont_write_bytecode = True
        os.chdir(self.folder)
        try:
            yield importlib.import_module("main")
        finally:
            os.chdir(before)
            sys.path.remove(str(self.folder))
            sys.dont_write_bytecode = written
            self.forget()

    def forget(self) -> None:
        """Drop the project's modules."""
        for name in list(sys.modules):
            if name.partition(".")[0] in self._names:
                del sys.modules[name]


@pytest.fixture
def stores(tmp_path: Path, database: str) -> Iterator[Stores]:
    stores = open_stores(tmp_path / "home" / ".clew")
    yield stores
    stores.ledger.close()


@pytest.fixture
def project(stores: Stores) -> Project:
    return Project(stores.folder.parent, stores)
