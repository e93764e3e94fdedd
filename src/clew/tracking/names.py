"""Names of runs that a person can say, for runs that were given none."""

from __future__ import annotations

__all__ = ["name_of"]

_FIRST = (
    "amber brave brisk calm clear clever coral crisp dapper deft eager early fair fleet fresh gentle glad "
    "golden grand green happy hazel hearty humble jolly keen kind lively loyal lucid lucky mellow merry "
    "mild misty modest neat nimble noble olive patient placid plucky polite prime proud quick quiet rapid "
    "ready rosy royal ruby sage sharp silver snug solid steady still sunny swift tidy true vivid warm "
    "wise witty"
)
_SECOND = (
    "alder aspen badger beacon birch brook canyon cedar cliff cove crane creek dale delta dune eagle elm "
    "falcon fern field finch fjord forest glade grove harbor hawk heron hill island ivy jay lagoon lake "
    "lark laurel linden lynx maple marsh meadow moss oak oasis orchid osprey otter pine plover pond "
    "prairie quail raven reef ridge river robin rowan shore sparrow spruce stone summit swan thistle tide "
    "valley willow wren"
)


def name_of(id: str) -> str:
    """Two words and a number that follow from an id: `calm-otter-417`."""
    number = int(id[-12:], 16)
    number, last = divmod(number, 1000)
    firsts, seconds = _FIRST.split(), _SECOND.split()
    number, second = divmod(number, len(seconds))
    return f"{firsts[number % len(firsts)]}-{seconds[second]}-{last}"
