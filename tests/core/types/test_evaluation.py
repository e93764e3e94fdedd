"""Evaluations and gate reports as bytes: the format is frozen at version 0, and damage is noticed."""

from __future__ import annotations

import msgspec
import pytest

from clew.core.errors import Corrupt, Invalid
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.core.types.evaluation import (
    EVALUATION_VERSION,
    Evaluation,
    EvaluationSource,
    ScoreHistogram,
    SliceTotals,
    UnitTotals,
    decode_evaluation,
    encode_evaluation,
)
from clew.core.types.gate import GateCheck, GateReport, Verdict, seal_report, verdict_of
from clew.core.types.interval import Interval
from clew.core.types.value import BinaryValue

EVALUATION = Evaluation(
    contract=BinaryValue(missed_cost=50.0, false_alarm_cost=10.0, unit="day"),
    source=EvaluationSource.HOLDOUT,
    created_us=1,
    rows=3,
    rows_digest=Digest("ab" * 32),
    units=UnitTotals(names=["2013-01-01", "2013-01-02"], rows=[2, 1], cost=[50.0, 0.0]),
    trivial={"always": [10.0, 0.0]},
    metrics={"cost": Interval(value=1, low=0, high=float("inf"), level=0.95, units=2, method="mean by unit")},
    classes=[0, 1],
    confusion=[[1, 0], [1, 1]],
    threshold=0.2,
    scores=ScoreHistogram(edges=[0.0, 1.0], positives=[0, 2, 0], negatives=[0, 1, 0]),
    slices=[SliceTotals(column="origin", value="JFK", rows=[1, 0], cost=[50.0, 0.0])],
    data="flights@3",
    data_version="0193",
)


def change(**fields: object) -> bytes:
    return encode_evaluation(msgspec.structs.replace(EVALUATION, **fields))


def test_an_evaluation_is_stored_and_read_back() -> None:
    assert decode_evaluation(encode_evaluation(EVALUATION)) == EVALUATION


def test_the_format_of_version_0_is_frozen() -> None:
    assert EVALUATION_VERSION == 0
    expected = "735afb9f3c774fa0b75500ccc6bd62a7bb78bffbf3d2304f94f14b51f804284d"
    assert hash_bytes(encode_evaluation(EVALUATION)) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x80",
        encode_evaluation(EVALUATION)[:-1],
        encode_evaluation(EVALUATION) + b"\0",
        bytes(17 << 20),
        change(rows=4),
        change(trivial={"always": [1.0]}),
        change(slices=[SliceTotals(column="c", value="v", rows=[1], cost=[1.0])]),
        change(units=UnitTotals(names=["a"], rows=[3], cost=[])),
        change(rows=0, units=UnitTotals(names=[], rows=[], cost=[]), trivial={}, slices=[]),
    ],
)
def test_damage_is_noticed(data: bytes) -> None:
    with pytest.raises(Corrupt):
        decode_evaluation(data)


def test_a_contract_that_cannot_be_is_damage() -> None:
    good, bad = msgspec.msgpack.encode(10.0), msgspec.msgpack.encode(-10.0)
    data = encode_evaluation(EVALUATION).replace(good, bad)
    with pytest.raises(Corrupt):
        decode_evaluation(data)


def test_a_newer_version_is_refused_with_advice() -> None:
    with pytest.raises(Invalid, match="install a newer clew"):
        decode_evaluation(change(version=1))


def check(verdict: Verdict) -> GateCheck:
    return GateCheck(name=str(verdict), verdict=verdict, reason="because")


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ("pass pass", "pass"),
        ("pass cannot_tell", "cannot_tell"),
        ("cannot_tell fail pass", "fail"),
        ("", "cannot_tell"),
    ],
)
def test_one_failure_fails_and_one_open_question_leaves_it_open(verdicts: str, whole: str) -> None:
    assert verdict_of([check(Verdict(word)) for word in verdicts.split()]) == whole


REPORT = GateReport(
    model="delay",
    version="v2",
    number=2,
    package=Digest("cd" * 32),
    champion="v1",
    policy=Digest("ef" * 32),
    created_us=5,
    verdict=Verdict.FAIL,
    checks=[check(Verdict.PASS), check(Verdict.CANNOT_TELL), check(Verdict.FAIL)],
)


def test_a_report_is_sealed_by_the_digest_of_its_contents() -> None:
    report = seal_report(REPORT)
    assert report.sealed
    assert not REPORT.sealed
    assert not msgspec.structs.replace(report, verdict=Verdict.PASS).sealed
    assert (
        seal_report(report).digest
        == report.digest
        == "f2205939f4614389596aa5b38dad2f4eeddde3937d344e53dd29fd671dd8eba4"
    )
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(report), type=GateReport).sealed


def test_what_stands_against_a_version_comes_failures_first() -> None:
    assert [c.verdict for c in REPORT.against] == [Verdict.FAIL, Verdict.CANNOT_TELL]
    assert not REPORT.passed
