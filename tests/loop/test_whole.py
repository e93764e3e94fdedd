"""The whole loop on each database: trained, registered, promoted, served, labelled, watched, tried, and why."""

from __future__ import annotations

from clew.core.types.edge import node
from clew.core.types.endpoint import TrialState
from clew.loop.trial import begin_trial
from clew.loop.why import why
from clew.testing.life import MODEL, START_US, Life

DATABASES = ["sqlite", "postgresql"]


def test_the_loop_closes_and_a_decision_leads_back_through_it(life: Life) -> None:
    life.workspace.promote(f"{MODEL}@2", "challenger")
    begin_trial(life.stores, life.endpoint, champion=life.version(1).id, challenger=life.version(2).id, at_us=START_US)
    named: list[str] = []
    for day in range(30):
        named = life.decide(day, shadows=[2], keys=False)
        life.label(named, day=day + 1, by_id=True)
        done = life.watch(day + 1)
        if done.trial is not None and done.trial.state is not TrialState.RUNNING:
            break
    assert [trial.state for trial in life.trials] == [TrialState.PROMOTED]
    assert life.workspace.models.resolve(f"{MODEL}@champion").number == 2
    life.decide(day + 1, by=2, keys=False)
    life.watch(day + 2)
    found = why(life.stores, named[0], trust=life.workspace.trust)
    assert found.model is not None
    assert found.model.reference == f"{MODEL}@1"
    served = node("model", life.version(1).id)
    with life.stores.ledger.read() as tx:
        kinds = {event.kind for event in tx.events.list(life.stores.project, limit=1000).items}
        assert any(edge.target.startswith("batch:") for edge in tx.edges.down(served))
    assert {"project.added", "run.ended", "alias.moved", "trial.began", "trial.promoted"} <= kinds
