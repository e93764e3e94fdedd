"""`clew reproduce`: repeat a run from its record, and compare. One part of the work to a file."""

from clew.loop.reproduce.alone import each_alone
from clew.loop.reproduce.environment import Choice
from clew.loop.reproduce.pack import pack_bundle
from clew.loop.reproduce.pin import ROOM_VARIABLES
from clew.loop.reproduce.reproduce import TOLERANCE, Options, reproduce
from clew.loop.reproduce.reproduction import Reproduction, ReproductionVerdict
from clew.loop.reproduce.unpack import is_bundle, open_bundle, unpack_bundle
from clew.loop.reproduce.using import Using, parse_using

__all__ = [
    "ROOM_VARIABLES",
    "TOLERANCE",
    "Choice",
    "Options",
    "Reproduction",
    "ReproductionVerdict",
    "Using",
    "each_alone",
    "is_bundle",
    "open_bundle",
    "pack_bundle",
    "parse_using",
    "reproduce",
    "unpack_bundle",
]
