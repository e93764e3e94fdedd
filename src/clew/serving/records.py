"""What stands in a replica's journal: decisions, shadow scores and labels, as MessagePack arrays with a tag.

Design: docs/design/prediction-log.md.
"""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["DecisionRecord", "LabelRecord", "Record", "ShadowRecord", "decode", "encode", "row_id"]


class DecisionRecord(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """One request: its rows as columns, and what was answered.

    Row `i` has the id `row_id(first_id, i)`. `keys` are the caller's own names of the rows, or empty. Times are
    microseconds since 1970 UTC: `time_us` of the event as the caller says it, `received_us` of the request.
    `class_scores` hold the scores of all classes by row, for a model of several; empty for others.
    """

    first_id: str
    request: str
    time_us: int
    received_us: int
    latency_us: int
    version: str
    runtime: str
    rows: int
    keys: list[str]
    columns: dict[str, list[Any]]
    scores: list[float]
    decisions: list[Any]
    class_scores: list[list[float]] = []


class ShadowRecord(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """What a version in shadow would have answered to a request."""

    first_id: str
    time_us: int
    received_us: int
    version: str
    runtime: str
    scores: list[float]
    decisions: list[Any]


class LabelRecord(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Truth that arrived: by prediction id, or by the caller's key where the id is empty."""

    received_us: int
    time_us: int
    ids: list[str]
    keys: list[str]
    labels: list[Any]


Record = DecisionRecord | ShadowRecord | LabelRecord

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)
encode = _encoder.encode
decode = _decoder.decode


def row_id(first_id: str, row: int) -> str:
    """The id of a row of a request: the request's first id, counted on in its random bits."""
    return f"{int(first_id, 16) + row:032x}" if row else first_id
