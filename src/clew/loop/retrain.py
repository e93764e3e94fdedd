"""A retraining: labelled decisions appended to the training table, the project's pipeline run in a process of its own,
and its version put on trial.

The pipeline is the user's code: it runs apart from the worker, so that neither can harm the other.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.errors import Failed, Invalid
from clew.core.types.endpoint import Endpoint
from clew.core.types.model import ModelVersion
from clew.loop.harvest import harvest
from clew.loop.trial import begin_trial
from clew.loop.windows import Deciders
from clew.registry.aliases import LedgerAliases
from clew.settings import RetrainSettings

__all__ = ["Retrained", "retrain_model"]

CHALLENGER = "challenger"
_SHOWN_LINES = 15


class Retrained(msgspec.Struct, frozen=True, kw_only=True):
    """What a retraining gave; `new` is False when it gave the model that answers already, or gave before."""

    version: str
    number: int
    run: str
    data: str
    new: bool


class _Answer(msgspec.Struct):
    run: str
    versions: list[ModelVersion]


def retrain_model(
    stores: Stores,
    endpoint: Endpoint,
    aliases: LedgerAliases,
    settings: RetrainSettings,
    *,
    root: Path,
    now_us: int,
    reason: str,
    deciders: Deciders,
) -> Retrained:
    """Train the endpoint's model again, and put the new version on trial.

    Args:
        stores: the project.
        endpoint: whose model.
        aliases: for the name `challenger`.
        settings: which pipeline, on which data.
        root: the project's folder, where the pipeline's file is.
        now_us: now, in event time; labels that came later are not used.
        reason: why, for the record.
        deciders: model versions by id.

    Raises:
        Failed: the pipeline failed; the end of what it printed is part of the error.
        Invalid: it returned no model.
    """
    added = None
    if settings.harvest is not None:
        added = harvest(stores, endpoint, settings.harvest, until_us=now_us, deciders=deciders)
    answer = _run(settings, root)
    if not answer.versions:
        raise Invalid(f"{settings.pipeline} returned no clew.Model", hint="return the model from the pipeline")
    version = answer.versions[0]
    with stores.ledger.read() as tx:
        model = tx.models.get(endpoint.model)
        held = {move.alias: move.version for move in tx.models.aliases(model.id)}
        before = {trial.challenger for trial in tx.trials.list(endpoint.id)}
    champion = held.get(endpoint.alias, "")
    new = version.id not in {champion, *before}
    if new and champion:
        aliases.promote(version.reference, CHALLENGER, reason=reason)
        begin_trial(stores, endpoint, champion=champion, challenger=version.id, at_us=now_us)
    return Retrained(
        version=version.id,
        number=version.number,
        run=answer.run,
        data=added.reference if added is not None else "",
        new=new,
    )


def _run(settings: RetrainSettings, root: Path) -> _Answer:
    given = {**settings.data, **settings.params}
    words = [f"{name}={msgspec.json.encode(value).decode()}" for name, value in given.items()]
    command = [sys.executable, "-m", "clew", "run", "--kind", "retrain", "--json", settings.pipeline, *words]
    done = subprocess.run(  # noqa: S603 - our own program, with the project's own settings
        command, cwd=root, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    if done.returncode != 0:
        tail = "\n".join((done.stderr or done.stdout).splitlines()[-_SHOWN_LINES:])
        raise Failed(f"{settings.pipeline} ended with exit code {done.returncode}:\n{tail}")
    try:
        return msgspec.json.decode(done.stdout, type=_Answer)
    except msgspec.DecodeError as error:
        raise Invalid(f"{settings.pipeline} ended well, and its answer cannot be read: {error}") from error
