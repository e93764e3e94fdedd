"""How long a run that starts waits for its server: a few seconds. Not how long one that ends does (`drain`)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from clew.core.errors import Unavailable

__all__ = ["Patience"]

T = TypeVar("T")


class Patience:
    """Asks a server that may never answer: one that hangs, or that a firewall keeps from us without a word.

    Args:
        limit_s: how long an answer may take.
        rest_s: for how long nothing is asked of who did not answer.
        clock_s: seconds that do not jump.
    """

    def __init__(
        self, limit_s: float = 5.0, rest_s: float = 30.0, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit_s, self._rest_s, self._clock_s = limit_s, rest_s, clock_s
        self._again_s = 0.0

    def ask(self, question: Callable[[], T]) -> T:
        """What the answer is. A question that takes longer is left to a thread, which nobody waits for.

        Raises:
            Unavailable: there is none in time.
        """
        found: list[T] = []
        failed: list[BaseException] = []

        def work() -> None:
            try:
                found.append(question())
            except BaseException as error:  # noqa: BLE001 - raised below, where it was asked
                failed.append(error)

        if self._clock_s() >= self._again_s:
            thread = threading.Thread(target=work, name="clew-ask", daemon=True)
            thread.start()
            thread.join(self._limit_s)
            if found:
                return found[0]
            if failed:
                raise failed[0]
            self._again_s = self._clock_s() + self._rest_s
        raise Unavailable(f"the server did not answer within {self._limit_s:g} s")
