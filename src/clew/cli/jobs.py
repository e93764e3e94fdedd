"""`clew jobs …`: what waits for a worker, and what came of it."""

from __future__ import annotations

import click
from msgspec import structs

from clew.cli import output
from clew.cli.command import command, group
from clew.core.types.job import JobState

__all__ = ["jobs"]


@group(
    "jobs", examples=[("clew jobs list", "what waits, goes on, or was done"), ("clew jobs cancel ID", "not this one")]
)
def jobs() -> None:
    """List jobs, and take them out of the queue."""


@command(
    "list",
    examples=[
        ("clew jobs list", "the newest hundred"),
        ("clew jobs list --state failed", "what went wrong, with the reason"),
    ],
)
@click.option("--state", type=click.Choice([each.value for each in JobState]), help="Only jobs in this state.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many, at most.")
def list_jobs(*, state: str | None, limit: int, as_json: bool) -> None:
    """List jobs, newest first."""
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        jobs = workspace.services.jobs.list(state=JobState(state) if state else None, limit=limit)
    found = [structs.replace(job, due_us=max(job.due_us, job.created_us)) for job in jobs]  # what is due at once has 0
    columns: output.Columns = [
        *("id", output.Column("kind", spare=1), "key", "state"),
        output.Column("due_us", spare=2),
        output.Column("attempts", spare=3),
        output.Column("reason", long=True),
    ]
    output.table(found, columns, as_json=as_json, empty="no jobs: clew worker queues what clew.toml schedules")


@command(
    "cancel", examples=[("clew jobs cancel 0193a7c1f2d07e6b9c3d5a8e4f601b27", "by the id that clew jobs list shows")]
)
@click.argument("job", metavar="ID")
def cancel(*, job: str, as_json: bool) -> None:
    """Take a job that nobody has begun out of the queue.

    A job that a worker does goes on: stop that worker. Cancelling a job twice is fine.
    """
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        found = workspace.services.jobs.cancel(job)
    output.text(f"{found.key} is cancelled", found, as_json=as_json)


jobs.add_command(list_jobs)
jobs.add_command(cancel)
