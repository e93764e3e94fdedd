"""`clew worker`: the process that runs jobs."""

from __future__ import annotations

import signal
import threading

import click

from clew.cli import output
from clew.cli.command import Span, command

__all__ = ["worker"]


@command(
    "worker",
    examples=[
        ("clew worker", "run jobs until Ctrl-C, and look at every endpoint each quarter of an hour"),
        ("clew worker --every 0", "run only what others queue"),
        ("clew worker --once", "run what is due now, and end"),
    ],
)
@click.option(
    "--every",
    "every_s",
    type=Span(1e9),
    default=900.0,
    show_default=True,
    help="Seconds between two looks at each endpoint; 0 for none.",
)
@click.option("--once", is_flag=True, help="Run what is due now, and end.")
def worker(*, every_s: float, once: bool, as_json: bool) -> None:
    """Run queued and scheduled jobs.

    Moves decisions from the replicas' journals into the logs, judges windows, raises alerts, trains again and promotes,
    as clew.toml says; seals events within a second, and adds checkpoints. Several workers share the work.
    """
    from clew.worker.handlers import handlers_of
    from clew.worker.presence import Presence
    from clew.worker.schedule import Schedule
    from clew.worker.sealing import sealing
    from clew.worker.witness import Witness
    from clew.worker.worker import Worker
    from clew.workspace import open_workspace

    stop = threading.Event()

    def end(*_: object) -> None:
        """After the job at hand; at once when asked again: another worker takes the job over then."""
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    with open_workspace(serves=True) as workspace, Presence(workspace.folder, workspace.stores.ids) as presence:
        schedule, witness = Schedule(workspace, every_s=every_s), Witness(workspace)
        running = Worker(workspace.stores, presence.holder, handlers_of(workspace), presence=presence)
        if once:
            with sealing(workspace.stores, after=witness.look):
                schedule.look(now=True)
                done = running.drain(stop)
            output.text(f"{output.amount(done, 'jobs')} done", {"jobs": done}, as_json=as_json)
            return
        if as_json:
            output.json_line({"worker": "running"})
        else:
            output.note("the worker runs; Ctrl-C stops it after the job at hand, Ctrl-C again at once")
        with sealing(workspace.stores, after=witness.look):
            running.run(stop, before=schedule.look)
