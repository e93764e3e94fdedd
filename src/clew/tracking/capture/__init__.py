"""What a run records about where it runs, one aspect to a file. Design: docs/design/capture.md."""

from clew.tracking.capture.command import Command
from clew.tracking.capture.environment import Environment
from clew.tracking.capture.hardware import Hardware
from clew.tracking.capture.kernels import Kernels, NumericLibrary
from clew.tracking.capture.seeds import Seeds, restore_seeds
from clew.tracking.capture.snapshot import Snapshot, read_aspect, take_snapshot
from clew.tracking.capture.source import LeftOut, Source, SourceFile, restore_source
from clew.tracking.capture.threads import Threads

__all__ = [
    "Command",
    "Environment",
    "Hardware",
    "Kernels",
    "LeftOut",
    "NumericLibrary",
    "Seeds",
    "Snapshot",
    "Source",
    "SourceFile",
    "Threads",
    "read_aspect",
    "restore_seeds",
    "restore_source",
    "take_snapshot",
]
