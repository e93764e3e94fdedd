"""Is a project whole: what is wrong with it, what needs what is lost, and the repairs that cannot make it worse."""

from clew.loop.doctor.examine import examine
from clew.loop.doctor.finding import Finding, Level
from clew.loop.doctor.recover import recover

__all__ = ["Finding", "Level", "examine", "recover"]
