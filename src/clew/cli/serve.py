"""`clew serve`: one replica of an endpoint."""

from __future__ import annotations

from contextlib import ExitStack
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from clew.cli import output
from clew.cli.command import command
from clew.cli.progress import progress
from clew.core.errors import Invalid, NotFound

if TYPE_CHECKING:
    from clew.serving.server import Address

__all__ = ["serve"]


@command(
    "serve",
    examples=[
        ("clew serve delay@champion", "serve the champion; it is replaced while it runs when the alias moves"),
        ("clew serve delay@champion --name late --port 9000", "under another name, on another port"),
        ("clew serve --endpoint late", "as [endpoints.late] of clew.toml says"),
    ],
)
@click.argument("reference", metavar="MODEL@ALIAS", required=False, default="")
@click.option("--name", default="", help="Name of the endpoint; the model's by default.")
@click.option("--endpoint", default="", help="An endpoint that clew.toml declares, instead of MODEL@ALIAS.")
@click.option("--host", default=None, help="Address to listen on; beyond loopback only once the endpoint has keys.")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Port; 0 takes any free one.")
def serve(*, reference: str, name: str, endpoint: str, host: str | None, port: int | None, as_json: bool) -> None:
    """Serve over HTTP the version of a model that has a name, such as champion.

    Answers POST /predict with rows as JSON, and the Open Inference Protocol at /v2. Every decision is logged before it
    is answered. Once the endpoint has keys (clew keys add), it answers only those who send one.

    An endpoint follows a name and no number, and swaps versions when the name moves: clew model promote gives delay@3
    one, through the gate. MODEL alone means its champion.
    """
    if bool(reference) == bool(endpoint):
        what = f"{reference} and --endpoint {endpoint}: only one can be served" if reference else "serve what?"
        raise Invalid(what, hint="clew serve MODEL@ALIAS, or clew serve --endpoint NAME")
    model, _, alias = reference.partition("@")
    called = endpoint or name or model

    with ExitStack() as until_ready:
        until_ready.enter_context(progress(f"starting {called}"))
        from clew.workspace import open_workspace

        def ready(address: Address) -> None:
            until_ready.close()
            if as_json:
                output.json_line(address)
            else:
                output.note(f"{address.endpoint} answers at {address.url}  (POST {address.url}/predict, Ctrl-C stops)")

        with open_workspace(serves=True) as workspace:
            names = workspace.settings.endpoints
            if endpoint and endpoint not in names:
                hint = f"declare [endpoints.{endpoint}] in clew.toml, or clew serve MODEL@ALIAS"
                raise NotFound("endpoint", endpoint, near=get_close_matches(endpoint, names, n=3), hint=hint)
            declared = workspace.settings.endpoint_of(called)
            workspace.serve(
                called,
                model=model or declared.model,
                alias=alias or declared.alias,
                host=host or declared.host,
                port=declared.port if port is None else port,
                ready=ready,
            )
