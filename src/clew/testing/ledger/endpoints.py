"""What a ledger must do for endpoints, windows, trials and alerts."""

from __future__ import annotations

import msgspec

from clew.core.contracts.ledger import Ledger
from clew.core.types.endpoint import Trial, TrialState
from clew.testing.ledger.examples import a_window, an_alert, an_endpoint

__all__ = ["EndpointsContract"]


class EndpointsContract:
    """What holds for `clew.core.contracts.ledger.Endpoints`, `Windows`, `Trials` and `Alerts`."""

    def test_endpoints_and_windows(self, ledger: Ledger) -> None:
        endpoint = an_endpoint()
        with ledger.write() as tx:
            tx.endpoints.add(endpoint)
            tx.endpoints.put(msgspec.structs.replace(endpoint, alias="stable"))
            assert tx.endpoints.get("e").alias == "stable"
            for start in (30, 10, 20):
                tx.windows.put(a_window(start))
            tx.windows.put(a_window(20, rows=5))
            tx.windows.put(a_window(20, version="v2"))
            assert [(w.start_us, w.version) for w in tx.windows.list("e")] == [
                (10, "v1"),
                (20, "v1"),
                (20, "v2"),
                (30, "v1"),
            ]
            assert [w.rows for w in tx.windows.list("e", low_us=20, high_us=30, version="v1")] == [5]
            assert tx.windows.find("e", "v2", 10) is None

    def test_trials_and_alerts(self, ledger: Ledger) -> None:
        trial = Trial(
            id="1",
            endpoint="e",
            champion="v1",
            challenger="v2",
            state=TrialState.RUNNING,
            started_us=1,
            ended_us=0,
            test={"n": 3, "sum": 0.25},
        )
        with ledger.write() as tx:
            tx.trials.put(trial)
            tx.trials.put(msgspec.structs.replace(trial, state=TrialState.PROMOTED))
            assert tx.trials.get("1").state is TrialState.PROMOTED
            assert len(tx.trials.list("e")) == 1
            assert tx.alerts.raise_(an_alert("1", key="a", at_us=10))
            assert not tx.alerts.raise_(an_alert("2", key="a", at_us=11))
            assert tx.alerts.raise_(an_alert("3", key="b", at_us=20))
            assert [alert.id for alert in tx.alerts.list("e")] == ["3", "1"]
            assert [alert.id for alert in tx.alerts.list("e", low_us=11)] == ["3"]
