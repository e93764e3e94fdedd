"""`clew reproduce`: repeat a run from its record, and compare. One part of the work to a file."""

from clew.loop.reproduce.pin import ROOM_VARIABLES
from clew.loop.reproduce.reproduce import TOLERANCE, reproduce
from clew.loop.reproduce.reproduction import Reproduction, ReproductionVerdict

__all__ = ["ROOM_VARIABLES", "TOLERANCE", "Reproduction", "ReproductionVerdict", "reproduce"]
