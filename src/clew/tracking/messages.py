"""What a run says that is not a metric, as messages that wait in its outbox and are handed to the services in order.

Each is one call of `clew.core.contracts.services.RunService`, which are all idempotent: a message that is handed over
twice changes nothing. Not the file that they wait in (`outbox`).
"""

from __future__ import annotations

import msgspec

from clew.core.contracts.services import RunService
from clew.core.ids import Digest
from clew.core.types.edge import Node, Role
from clew.core.types.run import Artifact, Run, RunStatus, Scalar

__all__ = ["Begin", "Describe", "Fork", "Keep", "Link", "Message", "Resume", "Stop", "hand_over"]


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag="begin"):
    """`create`; and `resume` where the run has ended, which ranks share that are started again. One that was said
    before lets no run go on that has ended by a word of its own."""

    run: Run
    experiment: str


class Describe(msgspec.Struct, frozen=True, kw_only=True, tag="describe", omit_defaults=True):
    """`describe`; what is None stays."""

    run: str
    params: dict[str, Scalar] | None = None
    tags: dict[str, str] | None = None
    capture: dict[str, Digest] | None = None
    commit: str | None = None
    name: str | None = None
    experiment: str | None = None


class Keep(msgspec.Struct, frozen=True, kw_only=True, tag="keep"):
    """`add_artifact`; its bytes wait beside the outbox."""

    artifact: Artifact


class Link(msgspec.Struct, frozen=True, kw_only=True, tag="link"):
    """`link`."""

    run: str
    node: Node
    role: Role


class Resume(msgspec.Struct, frozen=True, kw_only=True, tag="resume"):
    """`resume`."""

    run: str


class Fork(msgspec.Struct, frozen=True, kw_only=True, tag="fork"):
    """`fork`."""

    run: str
    of: str
    step: float


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag="stop"):
    """`finish`: the last message, which goes behind all points."""

    run: str
    status: RunStatus
    ended_us: int
    reason: str = ""


Message = Begin | Describe | Fork | Keep | Link | Resume | Stop

_WITHOUT_A_WORD = (RunStatus.KILLED, RunStatus.LOST)


def hand_over(runs: RunService, message: Message) -> None:
    """Tell the services what the message says.

    Raises:
        ClewError: what the service raises.
    """
    match message:
        case Begin():
            found = runs.create(message.run, experiment=message.experiment)
            # A copy of the folder says the same beginning again, of which the end may be known already.
            again = found.created_us == message.run.created_us and found.status not in _WITHOUT_A_WORD
            if found.status is not RunStatus.RUNNING and not again:
                runs.resume(found.id)
        case Describe():
            given = msgspec.structs.asdict(message)
            runs.describe(given.pop("run"), **given)
        case Keep():
            runs.add_artifact(message.artifact)
        case Link():
            runs.link(message.run, message.node, message.role)
        case Resume():
            runs.resume(message.run)
        case Fork():
            runs.fork(message.run, of=message.of, step=message.step)
        case Stop():
            runs.finish(message.run, message.status, ended_us=message.ended_us, reason=message.reason)
