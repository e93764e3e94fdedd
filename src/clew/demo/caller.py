"""Asks an endpoint over HTTP as any client would: one kept-alive connection, JSON, and a clock beside it."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from time import perf_counter
from urllib.parse import urlsplit

import msgspec

from clew.core.clock import format_us
from clew.core.errors import Invalid, Unavailable

__all__ = ["Answered", "Caller", "Serving"]

_PATIENCE_S = 30.0
_REFUSED = 400


class Answered(msgspec.Struct, frozen=True):
    """What came back for a request, and how long it took as the caller saw it."""

    version: int
    decisions: list[bool]
    took_ms: float


class Serving(msgspec.Struct, frozen=True):
    """Which versions an endpoint runs now."""

    endpoint: str
    model: str
    version: int
    shadows: list[int]


class _Row(msgspec.Struct):
    decision: bool


class _Predicted(msgspec.Struct):
    version: int
    predictions: list[_Row]


_predicted = msgspec.json.Decoder(_Predicted)
_serving = msgspec.json.Decoder(Serving)


class Caller:
    """A client of one replica.

    Args:
        url: of the replica, `http://127.0.0.1:8470`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_PATIENCE_S)

    def ask(self, body: bytes) -> Answered:
        """Ask for decisions.

        Raises:
            Unavailable: nobody answers; whether the request was logged is not known then.
            Invalid: the endpoint refuses the request, in its own words.
        """
        began = perf_counter()
        answer = self._call("POST", "/predict", body)
        took_ms = (perf_counter() - began) * 1e3
        found = _predicted.decode(answer)
        return Answered(found.version, [row.decision for row in found.predictions], took_ms)

    def tell(self, labels: Sequence[tuple[str, bool]], *, at_us: int) -> None:
        """Say what came of some flights, by their keys.

        Raises:
            Unavailable: nobody answers; whether the labels were logged is not known then.
        """
        told = [{"key": key, "label": label} for key, label in labels]
        self._call("POST", "/labels", msgspec.json.encode({"labels": told, "time": format_us(at_us)}))

    def serving(self) -> Serving:
        """Which versions run now.

        Raises:
            Unavailable: nobody answers.
        """
        return _serving.decode(self._call("GET", "/", None))

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _call(self, method: str, path: str, body: bytes | None) -> bytes:
        try:
            self._connection.request(method, path, body, {"content-type": "application/json"} if body else {})
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Unavailable(f"{self.url} does not answer: {error or type(error).__name__}") from error
        if response.status >= _REFUSED:
            words = answer[:500].decode("utf-8", "replace")
            raise Invalid(f"{self.url}{path} refuses a request with status {response.status}: {words}")
        return answer
