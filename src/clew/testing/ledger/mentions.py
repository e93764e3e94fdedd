"""What a ledger must do for the collector and the trash. Subclass with a `ledger` fixture that starts empty."""

from __future__ import annotations

from clew.core.contracts.ledger import Ledger
from clew.core.ids import Digest
from clew.core.types.edge import Edge, Role
from clew.core.types.run import Artifact
from clew.core.types.step import StepOutput
from clew.testing.ledger.examples import NO_DIGEST, a_block, a_job, a_run, a_step, an_entry, an_event, change

__all__ = ["MentionsContract"]


class MentionsContract:
    """What holds for the mentions of every ledger."""

    def test_words_that_may_name_objects_are_found_in_every_row(self, ledger: Ledger) -> None:
        names = ("run", "file", "job", "told", "event", "inline", "purged")
        words = {name: Digest(f"{at:x}" * 64) for at, name in enumerate(names, 1)}
        inline = b"a path's document, long enough: " + words["inline"].encode()
        with ledger.write() as tx:
            tx.runs.add(a_run("a" * 32, params={"purged_us": 7}, capture={"source": words["run"]}))
            tx.runs.add(a_run("b" * 32, capture={"source": words["purged"]}, deleted_us=6, purged_us=7))
            file = Artifact(run="r", path="p", digest=words["file"], size_bytes=1, media_type="", created_us=1)
            tx.artifacts.put(file)
            tx.jobs.queue(change(a_job("j"), args={"object": words["job"]}))
            output = StepOutput(codec="path", digest=Digest("d"), size_bytes=1, inline=inline)
            tx.steps.put([change(an_entry("k"), output=output)])
            tx.events.add(change(an_event("1"), facts={"report": words["event"]}))
            tx.events.add(change(an_event("2", kind="run.artifact_added"), facts={"digest": words["told"]}))
            tx.edges.add([Edge(source=f"code:{'b' * 64}", target="run:r", role=Role.CODE)])
        with ledger.read() as tx:
            found = set(tx.mentions.list())
        assert ("artifacts", words["file"]) in found
        assert {digest for _, digest in found} - {NO_DIGEST} == set(words.values()) - {words["told"], words["purged"]}

    def test_what_a_run_did_and_measured_is_forgotten_and_the_cache_stays(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            block = a_block("j:0-1", 1.0)
            tx.runs.add(a_run(block.run))
            tx.series.append([block, change(block, run="other")])
            tx.steps.put([an_entry("k")])
            tx.steps.record([a_step(1), change(a_step(1), run="other")])
            tx.series.remove(block.run)
            tx.steps.forget("r")
        with ledger.read() as tx:
            assert [series.run for series in tx.series.summaries([block.run, "other"])] == ["other"]
            assert tx.series.blocks(block.run, block.key) == []
            assert tx.steps.of_run("r") == []
            assert len(tx.steps.of_run("other")) == 1
            assert tx.steps.find("p", Digest("k")) is not None
