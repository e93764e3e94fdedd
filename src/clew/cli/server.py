"""`clew server`: the HTTP door for a team."""

from __future__ import annotations

import os

import click

from clew.cli import output
from clew.cli.command import command

__all__ = ["server"]


@command(
    "server",
    examples=[
        ("clew server", "serve this project on 127.0.0.1:8430; the first start shows a token for its admin, once"),
        ("clew server --open", "ask nobody for a token; this machine only"),
        ("clew server --host 0.0.0.0 --workers 4", "for a team; put TLS before it"),
    ],
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8430, show_default=True, help="Port to listen on.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that answer.")
@click.option("--open", "open_", is_flag=True, help="Ask callers for no token; on loopback only.")
@click.option("--access-log", is_flag=True, help="Write a line for each request to stderr.")
def server(*, host: str, port: int, workers: int, open_: bool, access_log: bool, as_json: bool) -> None:
    """Answer for this project, and others in its ledger, over HTTP.

    Who names no project, as clients of MLflow may, means the one of this folder.
    Callers prove who they are with a token. The first start makes the user admin and shows its token, once.
    """
    from clew.core.extras import require_installed
    from clew.core.loopback import url_of
    from clew.server.counts import forget_counts
    from clew.server.port import sole_port
    from clew.server.start import ADMIN, first_admin, run_server
    from clew.workspace import open_workspace

    require_installed("litestar")
    from clew.server.hosting import FOLDER_VARIABLE, LOG_VARIABLE, OPEN_VARIABLE, host_of

    with sole_port(host, port):  # before anything is made: a token that is not shown is lost
        with open_workspace() as workspace:
            secret = "" if open_ else first_admin(host_of(workspace))
            os.environ[FOLDER_VARIABLE] = str(workspace.root)
            projects = [project.name for project in workspace.accounts.projects()]
        os.environ[OPEN_VARIABLE] = "1" if open_ else ""
        os.environ[LOG_VARIABLE] = "1" if access_log else ""
        forget_counts(workspace.folder)
        url = url_of(host, port)

        def ready() -> None:
            if as_json:
                output.json_line({"url": url, "projects": projects, "pid": os.getpid(), "token": secret})
                return
            output.note(f"{_said(projects, url)}  (Ctrl-C stops)")
            if secret:
                output.note(f"token of {ADMIN}, shown this once: {secret}")

        run_server("clew.server.factory:make", address=host, port=port, workers=workers, open=open_, ready=ready)


def _said(projects: list[str], url: str) -> str:
    """Where the projects are, the one of the folder first."""
    own, *others = projects
    return f"{own} at {url}" + (f"; also, at {url}/projects/NAME: {', '.join(others)}" if others else "")
