"""How the replay stands: written by the replay, read by whoever draws it. Nothing is decided by it."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

__all__ = ["Standing"]

_NEWS = 8


@dataclass
class Standing:
    """What a person may look at while the year goes by. Costs are in the units of the value contract.

    `flights` were served by now and `fresh` of them since this replay began; `news` holds the newest things that
    happened, each with its date.
    """

    phase: str = "starting"
    total: int = 0
    flights: int = 0
    fresh: int = 0
    at_us: int = 0
    champion: int = 0
    challenger: int = 0
    cost_loop: float = 0.0
    cost_static: float = 0.0
    drifted: list[str] = field(default_factory=list)
    news: deque[str] = field(default_factory=lambda: deque(maxlen=_NEWS))
    told: int = 0
    began_s: float = field(default_factory=time.monotonic)

    def tell(self, text: str) -> None:
        """Add something to the news."""
        self.news.append(text)
        self.told += 1

    @property
    def rate(self) -> float:
        """Flights served per second by this replay, everything between the requests included."""
        return self.fresh / max(time.monotonic() - self.began_s, 1e-3)
