"""Which versions an endpoint runs: one that answers, and those in shadow. Replaced as a whole, so that a request sees
one consistent set and a swap fails none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any, Protocol

import msgspec

from clew.core.types.model import ModelVersion
from clew.core.types.signature import Signature, Task, spellings
from clew.serving.protocol_json import PredictReader
from clew.serving.protocol_mlflow import InvocationsReader
from clew.serving.protocol_v2 import InferReader
from clew.serving.request import ColumnCheck

__all__ = ["Scorer", "Served", "Slots"]

_MOST_CLASSES = 64


class Scorer(Protocol):
    """A model in memory. Called from one thread; the same columns give the same bits every time."""

    @property
    def id(self) -> str:
        """Which implementation answers, with versions: what a replay needs."""
        ...

    def decide(self, columns: dict[str, list[Any]], /) -> tuple[list[float], list[Any]]:
        """Scores and decisions of the rows. The columns were checked against the signature."""
        ...

    def decide_classes(self, columns: dict[str, list[Any]], /) -> tuple[list[float], list[Any], list[list[float]]]:
        """As `decide`, with the score of each class for each row; only of a model of several classes."""
        ...


@dataclass(frozen=True)
class Served:
    """One loaded version. `check` gives what is wrong with some columns, in words, by the project's data checks.

    `slow` says that a row takes milliseconds, so that requests must not wait for it when it is in shadow.
    """

    version: ModelVersion
    signature: Signature
    scorer: Scorer
    check: Callable[[dict[str, list[Any]]], Sequence[str]]
    slow: bool = False

    @cached_property
    def logs_classes(self) -> bool:
        """Whether the scores of all classes are logged: of several, unless they are very many."""
        return self.signature.task is Task.MULTICLASS and len(self.signature.classes) <= _MOST_CLASSES

    @cached_property
    def check_columns(self) -> ColumnCheck:
        """Holds columns to the signature."""
        return ColumnCheck(self.signature)

    def knows(self, label: str | float) -> bool:
        """Whether it could ever be right about a label: one of its classes as JSON has it; a number, also as text."""
        if self.signature.task is Task.REGRESSION:
            return _is_number(label) if isinstance(label, str) else not isinstance(label, bool)
        return msgspec.json.encode(label).decode() in self._classes

    @cached_property
    def _classes(self) -> frozenset[str]:
        return frozenset(text for label in self.signature.classes for text in spellings(label))

    @cached_property
    def read_predict(self) -> PredictReader:
        """Reads requests of the plain form."""
        return PredictReader(self.signature, self.check_columns)

    @cached_property
    def read_infer(self) -> InferReader:
        """Reads requests of the Open Inference Protocol."""
        return InferReader(self.signature, self.check_columns)

    @cached_property
    def read_invocations(self) -> InvocationsReader:
        """Reads requests of MLflow's scoring protocol."""
        return InvocationsReader(self.signature, self.check_columns)


@dataclass(frozen=True)
class Slots:
    """The version that answers, and the versions in shadow."""

    champion: Served
    shadows: tuple[Served, ...] = ()

    @property
    def versions(self) -> tuple[str, ...]:
        """The ids of the versions, the answering one first."""
        return tuple(served.version.id for served in (self.champion, *self.shadows))


def _is_number(text: str) -> bool:
    try:
        return text == text.strip() and isfinite(msgspec.json.decode(text, type=float))
    except msgspec.DecodeError:
        return False
