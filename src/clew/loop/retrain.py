"""A retraining: labelled decisions appended to the training table, the project's pipeline run in a process of its own,
and its version put on trial.

The pipeline is the user's code: it runs apart from the worker, so that neither can harm the other.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from clew.core.contracts.services import AliasService
from clew.core.errors import Failed, Invalid
from clew.core.types.model import ModelVersion
from clew.loop.harvest import harvest
from clew.loop.monitor import Monitor
from clew.loop.tether import Tether
from clew.loop.trial import begin_trial
from clew.settings import RetrainSettings

__all__ = ["CHALLENGER", "Retrained", "retrain_model"]

CHALLENGER = "challenger"
"""The name of a version on trial."""

_SHOWN_LINES, _SHOWN_BYTES = 15, 16_384
_NAP_S = 0.5
_MOST_TRIES = 3
_log = logging.getLogger("clew.loop")


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
    monitor: Monitor, aliases: AliasService, settings: RetrainSettings, *, root: Path, now_us: int, reason: str
) -> Retrained:
    """Train the endpoint's model again, and put the new version on trial.

    Args:
        monitor: of the endpoint.
        aliases: for the name `challenger`.
        settings: which pipeline, on which data.
        root: the project's folder, where the pipeline's file is.
        now_us: now, in event time; labels that came later are not used.
        reason: why, for the record.

    Raises:
        Failed: the pipeline failed; the end of what it printed is part of the error.
        Invalid: it returned no version of this model.
    """
    stores, endpoint = monitor.stores, monitor.endpoint
    added = None
    if settings.harvest is not None:
        added = harvest(monitor, settings.harvest, until_us=now_us)
    answer = _run(settings, root)
    version = next((version for version in answer.versions if version.model == endpoint.model), None)
    if version is None:
        others = ", ".join(version.reference for version in answer.versions) or "no clew.Model"
        raise Invalid(
            f"{settings.pipeline} returned {others}, and nothing named {monitor.model!r}",
            hint=f'return clew.Model("{monitor.model}", …) from the pipeline',
        )
    with stores.ledger.read() as tx:
        held = {move.alias: move.version for move in tx.models.aliases(endpoint.model)}
        tried = {trial.challenger for trial in tx.trials.list(endpoint.id)}
    champion = held.get(endpoint.alias, "")
    new = bool(champion) and version.id not in {champion, *tried}
    if new:
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
    """Run the pipeline as anybody would; one that is killed gets another try, whose cached steps are there already."""
    words = [
        f"{name}={msgspec.json.encode(value).decode()}" for name, value in (settings.data | settings.params).items()
    ]
    command = [sys.executable, "-m", "clew", "run", "--kind", "retrain", "--json", settings.pipeline, *words]
    for number in range(1, _MOST_TRIES + 1):
        code, answer, printed = _run_once(command, root)
        if code != -signal.SIGKILL:
            break
        _log.warning("%s was killed, try %d of %d", settings.pipeline, number, _MOST_TRIES)
    if code != 0:
        hint = "was there enough memory?" if code == -signal.SIGKILL else ""
        raise Failed(f"{settings.pipeline} ended with exit code {code}:\n{printed}", hint=hint)
    try:
        return msgspec.json.decode(answer, type=_Answer)
    except msgspec.DecodeError as error:
        raise Invalid(f"{settings.pipeline} ended well, and its answer cannot be read: {error}") from error


def _run_once(command: list[str], root: Path) -> tuple[int, bytes, str]:
    """Run it out of reach of a Ctrl-C that is meant for the worker: exit code, answer, and the end of what it printed.

    What it prints goes to a file, however much that is. It ends with this call, whatever ends the call, and with this
    process, whatever ends that: whoever takes the job over does not meet it.
    """
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as answered:
        with (
            Tether(signal.SIGKILL) as tether,
            subprocess.Popen(  # noqa: S603 - our own program, with the project's own settings
                command,
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=answered,
                stderr=printed,
                start_new_session=True,
                pass_fds=tether.fds,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **tether.environment},
            ) as process,
        ):
            try:
                code = _wait(process)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise
        answered.seek(0)
        return code, answered.read(), _tail(printed)


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait in short sleeps: polars takes SIGINT over, and lets a single long one go on."""
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=_NAP_S)


def _tail(printed: IO[bytes]) -> str:
    printed.seek(max(0, printed.seek(0, os.SEEK_END) - _SHOWN_BYTES))
    return "\n".join(printed.read().decode("utf-8", "replace").splitlines()[-_SHOWN_LINES:])
