"""Objects that a run logs at its steps are kept in a form that shows them."""

from __future__ import annotations

import io
import struct
import wave
import zlib
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from clew.core.contracts.stores import Stores
from clew.core.errors import Invalid
from clew.tracking.found import find_runs
from clew.tracking.logged import Audio, Histogram, Html, logged_of, path_of, shown_of
from clew.tracking.recorder import Recorder
from clew.tracking.runs import LedgerRuns
from clew.tracking.start import start


def pixels_of(png: bytes) -> np.ndarray[Any, Any]:
    """Read back a PNG of 8 bits without filters."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, parts = 8, {}
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length)[0] == zlib.crc32(kind + data)
        parts[kind] = data
        at += length + 12
    columns, rows, depth, colour = struct.unpack(">IIBB", parts[b"IHDR"][:10])
    channels = {0: 1, 4: 2, 2: 3, 6: 4}[colour]
    lines = np.frombuffer(zlib.decompress(parts[b"IDAT"]), dtype=np.uint8).reshape(rows, 1 + columns * channels)
    assert depth == 8
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(rows, columns, channels)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_arrays_become_images(channels: int) -> None:
    array = np.random.default_rng(1).integers(0, 256, (5, 7, channels), dtype=np.uint8)
    shown = shown_of("x", array)
    assert (shown.form, shown.media_type) == ("image", "image/png")
    assert np.array_equal(pixels_of(shown.data), array)
    assert np.array_equal(pixels_of(shown_of("x", array[::-1, ::2]).data), array[::-1, ::2])


def test_floats_and_booleans_become_grey() -> None:
    array = np.array([[0.0, 0.5, 1.0], [-1.0, 2.0, np.nan]])
    assert pixels_of(shown_of("x", array).data)[:, :, 0].tolist() == [[0, 128, 255], [0, 255, 0]]
    assert pixels_of(shown_of("x", array > 0.4).data)[:, :, 0].tolist() == [[0, 255, 255], [0, 255, 0]]


def test_tables_keep_their_rows() -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    shown = shown_of("x", frame)
    assert (shown.form, shown.suffix) == ("table", ".parquet")
    assert pl.read_parquet(io.BytesIO(shown.data)).equals(frame)
    lines = shown_of("x", [{"a": np.float64(1.5), "b": np.arange(2)}, {"a": None}]).data.splitlines()
    assert [msgspec.json.decode(line) for line in lines] == [{"a": 1.5, "b": [0, 1]}, {"a": None}]


def test_histograms_count_what_is_finite() -> None:
    shown = shown_of("x", Histogram([[0.0, 1.0], [1.0, float("nan")], [float("inf"), 0.5]], bins=2))
    assert shown.form == "histogram"
    assert msgspec.json.decode(shown.data) == {"edges": [0.0, 0.5, 1.0], "counts": [1, 3], "others": 2}
    assert msgspec.json.decode(shown_of("x", Histogram([])).data) == {"edges": [0.0], "counts": [], "others": 0}
    assert msgspec.json.decode(shown_of("x", Histogram.of([0, 1, 3], [5, 6])).data)["counts"] == [5, 6]


@pytest.mark.parametrize("low", [1.0, 1e16, 0.0])
def test_values_that_are_neighbours_are_counted_in_one_bin(low: float) -> None:
    high = float(np.nextafter(low, np.inf))
    found = msgspec.json.decode(shown_of("x", Histogram([low, high, high])).data)
    assert found == {"edges": [low, high], "counts": [3], "others": 0}


def test_audio_is_a_wave() -> None:
    shown = shown_of("x", Audio(np.array([[0.0, 1.0], [-1.0, 0.5], [7.0, np.nan]]), rate_hz=8000))
    with wave.open(io.BytesIO(shown.data)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 8000, 3)
        samples = np.frombuffer(file.readframes(3), dtype="<i2").tolist()
    assert samples == [0, 32767, -32767, 16384, 32767, 0]


class AFigure:
    def savefig(self, file: Any, format: str) -> None:
        file.write(format.encode())


class APlot:
    def to_plotly_json(self) -> dict[str, object]:
        return {}

    def to_json(self) -> str:
        return '{"data": []}'


class AnImage:
    def getbands(self) -> tuple[str, ...]:
        return ("R",)

    def save(self, file: Any, format: str) -> None:
        file.write(format.encode())


@pytest.mark.parametrize(
    ("value", "form", "data", "suffix"),
    [
        (AFigure(), "figure", b"png", ".png"),
        (APlot(), "figure", b'{"data": []}', ".plotly.json"),
        (AnImage(), "image", b"png", ".png"),
        ("said", "text", b"said", ".txt"),
        (Html("<b>"), "html", b"<b>", ".html"),
    ],
)
def test_figures_and_texts(value: object, form: str, data: bytes, suffix: str) -> None:
    shown = shown_of("x", value)
    assert (shown.form, shown.data, shown.suffix) == (form, data, suffix)


@pytest.mark.parametrize(
    "value",
    [
        np.arange(5),
        np.zeros((2, 2, 5)),
        np.zeros((0, 2)),
        np.full((2, 2), 256),
        np.full((2, 2), -1),
        Histogram(["a"]),
        Histogram([1], bins=0),
        Histogram.of([0, 1], [1, 2]),
        Histogram.of([1, 1], [1]),
        Histogram.of([0, float("inf")], [1]),
        Histogram([-1.7e308, 1.7e308]),
        np.full((2, 2), "a"),
        np.zeros((2, 2), dtype=complex),
        Audio(np.zeros((2, 2, 2)), 8000),
        Audio(np.zeros((1, 70_000)), 8000),  # a row for each channel
        Audio([0, 1 << 15], 8000),
        Audio([0.5], 0),
        Audio([], 8000),
        object(),
        [],
        3,
    ],
)
def test_what_has_no_form_is_refused(value: object) -> None:
    with pytest.raises(Invalid, match="'loss'"):
        shown_of("loss", value)


def test_keys_and_steps_make_paths() -> None:
    assert path_of("val/samples", 3, ".png") == "logged/val/samples/000000000003.png"
    assert path_of("x", 0.5, ".txt") == "logged/x/0.5.txt"
    for key in ("", "/x", "../../x"):
        with pytest.raises(Invalid):
            path_of(key, 1, ".txt")


def test_a_run_keeps_objects_by_key_and_step(stores: Stores) -> None:
    runs = LedgerRuns(stores)
    with start(Recorder.of(stores), "shows", capture=False) as run:
        for step in (2, 1):
            run.log_object("notes", f"at {step}", step=step)
        run.log_object("notes", "again", step=2)
        for _ in range(2):
            run.log_object("pictures", np.zeros((2, 2)))
        run.save("other.txt", "a file")
        with pytest.raises(Invalid, match="finite"):
            run.log_object("notes", "x", step=float("nan"))
    (found,) = find_runs(runs, stores.objects, where="name = shows", limit=None)
    assert [(each.step, each.form, each.bytes()) for each in found.objects("notes")] == [
        (1, "text", b"at 1"),
        (2, "text", b"again"),
    ]
    assert [(each.key, each.step) for each in logged_of(found.artifacts())] == [
        ("notes", 1.0),
        ("notes", 2.0),
        ("pictures", 0.0),
        ("pictures", 1.0),
    ]
