"""What `run.log_object` keeps for a value: its form, and the bytes that show it. Not where they lie (`artifact`)."""

from __future__ import annotations

import io
import math
import struct
import wave
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from clew.core.errors import Invalid
from clew.core.types.run import Artifact
from clew.tracking.artifact import check_path

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Audio", "Histogram", "Html", "Shown", "logged_of", "path_of", "shown_of"]

_MOST_BINS, _MOST_CHANNELS, _LOUDEST = 10_000, 64, 32767
_HINT = "give an image, a figure, a frame or rows, text, clew.Histogram, clew.Audio or clew.Html"


class Histogram(msgspec.Struct, frozen=True):
    """Counts of values between edges: `Histogram(values)`, or `Histogram.of(edges, counts)` where they are counted.

    Args:
        values: numbers of any shape; what is not finite is counted apart.
        bins: how many of equal width there are.
    """

    values: Any
    bins: int = 64

    @staticmethod
    def of(edges: Sequence[float], counts: Sequence[float]) -> Counts:
        """A histogram that was counted already; one edge more than counts."""
        return Counts(list(map(float, edges)), list(map(float, counts)))


class Counts(NamedTuple):
    """Edges, and the counts between them."""

    edges: list[float]
    counts: list[float]
    others: int = 0


class Audio(msgspec.Struct, frozen=True):
    """Sound: floats from −1 to 1 or 16-bit integers, one column for each channel."""

    samples: Any
    rate_hz: int


class Html(msgspec.Struct, frozen=True):
    """A page, or a part of one."""

    text: str


class Shown(NamedTuple):
    """Bytes that show a value: `form` is image, figure, table, histogram, audio, text or html."""

    form: str
    data: bytes
    media_type: str
    suffix: str


def shown_of(key: str, value: Any) -> Shown:
    """The form and the bytes of a value.

    Args:
        key: its name, for errors.
        value: a PIL image, or an array of two dimensions or three (rows, columns, 1 to 4 channels) of uint8 or of
            floats from 0 to 1; a matplotlib or plotly figure; a polars or pandas frame or a list of dicts; text;
            `Histogram`, `Audio` or `Html`.

    Raises:
        Invalid: there is no form for it.
    """
    if isinstance(value, str):
        return Shown("text", value.encode(), "text/plain", ".txt")
    if isinstance(value, Html):
        return Shown("html", value.text.encode(), "text/html", ".html")
    if isinstance(value, Audio):
        return Shown("audio", _wave(key, value), "audio/wav", ".wav")
    if isinstance(value, Histogram | Counts):
        counted = _counted(key, value) if isinstance(value, Histogram) else _checked(key, value)
        facts = {"edges": counted.edges, "counts": counted.counts, "others": counted.others}
        return Shown("histogram", msgspec.json.encode(facts), "application/json", ".json")
    if hasattr(value, "savefig"):
        return Shown("figure", _saved(value.savefig, "png"), "image/png", ".png")
    if hasattr(value, "to_plotly_json"):
        return Shown("figure", value.to_json().encode(), "application/vnd.plotly.v1+json", ".plotly.json")
    if hasattr(value, "save") and hasattr(value, "getbands"):
        return Shown("image", _saved(value.save, "png"), "image/png", ".png")
    if hasattr(value, "write_parquet") or hasattr(value, "to_parquet") or _is_rows(value):
        return _table(value)
    if type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "dtype"):
        return Shown("image", _png(key, value), "image/png", ".png")
    raise Invalid(f"object {key!r} is a {type(value).__name__}, which has no form here", hint=_HINT)


def path_of(key: str, step: float, suffix: str) -> str:
    """Where the object of a key and a step lies among the files of its run.

    Raises:
        Invalid: the key leads out of the run.
    """
    place = f"{step:012d}" if isinstance(step, int) else repr(step)
    return check_path(f"logged/{check_path(key)}/{place}{suffix}")


def logged_of(artifacts: Sequence[Artifact], key: str = "") -> list[Artifact]:
    """The logged objects among the files of a run, by key and step; of one key where it is given."""
    found = [each for each in artifacts if each.key and key in ("", each.key)]
    return sorted(found, key=lambda each: (each.key, each.step or 0.0))


def _saved(save: Any, form: str) -> bytes:
    buffer = io.BytesIO()
    save(buffer, format=form)
    return buffer.getvalue()


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _table(value: Any) -> Shown:
    if isinstance(value, list):
        lines = b"".join(msgspec.json.encode(row, enc_hook=_plain) + b"\n" for row in value)
        return Shown("table", lines, "application/x-ndjson", ".jsonl")
    buffer = io.BytesIO()
    write = value.write_parquet if hasattr(value, "write_parquet") else value.to_parquet
    write(buffer)
    return Shown("table", buffer.getvalue(), "application/vnd.apache.parquet", ".parquet")


def _plain(value: Any) -> object:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _counted(key: str, histogram: Histogram) -> Counts:
    import numpy as np

    try:
        values = np.asarray(histogram.values, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise Invalid(f"histogram {key!r} holds values that are no numbers: {error}") from None
    if not 1 <= histogram.bins <= _MOST_BINS:
        raise Invalid(f"histogram {key!r} cannot have {histogram.bins} bins", hint=f"1 to {_MOST_BINS:,}")
    finite = values[np.isfinite(values)]
    if not len(finite):
        return Counts([0.0], [], len(values))
    if not math.isfinite(float(finite.max()) - float(finite.min())):
        raise Invalid(f"histogram {key!r} spans {finite.min()} to {finite.max()}, which is wider than floats reach")
    try:
        counts, edges = np.histogram(finite, bins=histogram.bins)
    except ValueError:  # so many bins do not fit between neighbouring floats
        counts, edges = np.histogram(finite, bins=1)
    return Counts(edges.tolist(), counts.tolist(), len(values) - len(finite))


def _checked(key: str, counts: Counts) -> Counts:
    edges = counts.edges
    if len(edges) != len(counts.counts) + 1 or any(not a < b for a, b in pairwise(edges)):
        raise Invalid(f"histogram {key!r} needs growing edges, one more than counts")
    if not all(map(math.isfinite, [*edges, *counts.counts])):
        raise Invalid(f"histogram {key!r} has an edge or a count that is not finite")
    return counts


def _wave(key: str, audio: Audio) -> bytes:
    import numpy as np

    samples = np.asarray(audio.samples)
    if samples.ndim == 1:
        samples = samples[:, None]
    if samples.ndim != 2 or not samples.size or samples.dtype.kind not in "if" or samples.shape[1] > _MOST_CHANNELS:
        raise Invalid(f"audio {key!r} needs numbers of one dimension, or two with a column for each channel")
    if samples.dtype.kind == "f":
        samples = np.round(np.clip(np.nan_to_num(samples), -1, 1) * _LOUDEST)
    if samples.min() < -_LOUDEST - 1 or samples.max() > _LOUDEST or audio.rate_hz < 1:
        raise Invalid(
            f"audio {key!r} has integers from {samples.min()} to {samples.max()} at {audio.rate_hz} Hz",
            hint="16-bit integers or floats from -1 to 1, and a rate of 1 Hz or more",
        )
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(audio.rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}
"""Channels, and what PNG calls them: grey, grey with alpha, RGB, RGB with alpha."""


def _png(key: str, value: Any) -> bytes:
    pixels = _pixels(key, value)
    rows, columns, channels = pixels.shape
    head = struct.pack(">IIBBBBB", columns, rows, 8, _COLOURS[channels], 0, 0, 0)
    lines = b"".join(b"\0" + pixels[row].tobytes() for row in range(rows))
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(lines, 6)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def _pixels(key: str, value: Any) -> NDArray[np.uint8]:
    import numpy as np

    array = np.asarray(value)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in _COLOURS or not array.size or array.dtype.kind not in "biuf":
        raise Invalid(
            f"object {key!r} has the shape {value.shape} and the type {value.dtype}, which is no image",
            hint="(rows, columns) or (rows, columns, 1 to 4 channels); clew.Histogram(values) counts values",
        )
    if array.dtype.kind == "f":
        array = np.round(np.clip(np.nan_to_num(array), 0, 1) * 255)
    elif array.dtype == np.bool_:
        array = array * 255
    elif array.min() < 0 or array.max() > 255:
        raise Invalid(
            f"image {key!r} has values from {array.min()} to {array.max()}", hint="0 to 255, or floats 0 to 1"
        )
    return np.ascontiguousarray(array.astype(np.uint8))
