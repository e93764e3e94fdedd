"""What a ledger must do for logged models and the inputs of runs."""

from __future__ import annotations

import math

import msgspec
import pytest

from clew.core.contracts.ledger import Ledger
from clew.core.errors import Exists, NotFound
from clew.core.types.edge import Role
from clew.core.types.logged_model import LoggedMetric, LoggedModel, LoggedModelStatus
from clew.core.types.run_input import RunInput
from clew.testing.ledger.examples import change

__all__ = ["LoggedModelsContract"]


class LoggedModelsContract:
    """What holds for `clew.core.contracts.ledger.RunInputs` and `LoggedModels`."""

    def test_what_runs_say_that_they_used(self, ledger: Ledger) -> None:
        data = RunInput(run="r", role=Role.INPUT, name="iris", digest="d1", source="s3://x")
        made = RunInput(run="r", role=Role.OUTPUT, model="m-1", step=3)
        with ledger.write() as tx:
            tx.inputs.put([made, data])
            tx.inputs.put([msgspec.structs.replace(data, tags={"context": "train"})])
            assert tx.inputs.list(["r", "s"]) == [msgspec.structs.replace(data, tags={"context": "train"}), made]
            assert tx.inputs.list(["s"]) == tx.inputs.list([]) == []

    def test_logged_models(self, ledger: Ledger) -> None:
        one = LoggedModel(
            id="m-1", project="p", experiment="e", run="r", name="tree", status=LoggedModelStatus.PENDING, created_us=1
        )
        with ledger.write() as tx:
            tx.logged_models.add(one)
            tx.logged_models.add(msgspec.structs.replace(one, id="m-2", experiment="f", run="s"))
            with pytest.raises(Exists):
                tx.logged_models.add(one)
            ready = msgspec.structs.replace(one, status=LoggedModelStatus.READY, tags={"a": "b"})
            tx.logged_models.put(ready)
            assert tx.logged_models.get("m-1") == ready
            assert [each.id for each in tx.logged_models.list("p")] == ["m-2", "m-1"]
            assert tx.logged_models.list("p", experiments=["e", "g"]) == tx.logged_models.list("p", run="r") == [ready]
            assert tx.logged_models.list("q") == []
            for missing in (lambda: tx.logged_models.get("x"), lambda: tx.logged_models.put(change(one, id="x"))):
                with pytest.raises(NotFound):
                    missing()

    def test_what_was_measured_of_logged_models(self, ledger: Ledger) -> None:
        one = LoggedMetric(model="m-1", key="acc", value=0.5, step=1, time_us=10, run="r")
        order = [
            one,
            change(one, value=0.25, dataset="iris", digest="d1"),
            change(one, value=0.25, dataset="iris", digest="d2"),
            change(one, value=0.75, dataset="iris", digest="d2"),
            change(one, run="s"),
            change(one, step=2),
            change(one, time_us=20, step=0),
            change(one, key="loss"),
            change(one, model="m-2"),
        ]
        with ledger.write() as tx:
            tx.logged_models.measure(order[::-1])
            tx.logged_models.measure([*order, one])
        with ledger.read() as tx:
            assert tx.logged_models.metrics(["m-2", "m-1", "m-1"]) == order
            assert tx.logged_models.metrics(["m-1"], key="acc") == order[:-2]
            assert tx.logged_models.metrics(["m-3"]) == tx.logged_models.metrics([]) == []
            assert tx.logged_models.metrics(["m-1"], key="x") == []
        with ledger.write() as tx:
            tx.logged_models.forget_metrics("m-1")
            assert tx.logged_models.metrics(["m-1", "m-2"]) == order[-1:]

    def test_numbers_of_logged_models_that_are_none(self, ledger: Ledger) -> None:
        values = [math.inf, -math.inf, math.nan, 1e-300, 0.1 + 0.2, 1e300]
        metrics = [
            LoggedMetric(model="m-1", key="acc", value=value, step=step, time_us=1 << 62, run="")
            for step, value in enumerate(values)
        ]
        with ledger.write() as tx:
            tx.logged_models.measure(metrics)
            tx.logged_models.measure(metrics)
            assert str([each.value for each in tx.logged_models.metrics(["m-1"])]) == str(values)
