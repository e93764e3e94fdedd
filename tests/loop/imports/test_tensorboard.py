"""Imports from folders that a real writer of TensorBoard's files wrote, and from records put together by hand."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
from tensorboardX import SummaryWriter

from clew.audit.verify import verify
from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt, Invalid, NotFound
from clew.core.types.run import Run, RunStatus
from clew.loop.imports import Outcome, take_in
from clew.loop.imports.event_file import read_events
from clew.loop.imports.tensorboard import TensorBoardFolder
from clew.tracking.series import Points, join, points_of


def come(stores: Stores, root: Path) -> Outcome:
    def promote(reference: str, alias: str) -> None:
        raise AssertionError(reference, alias)

    found = take_in(stores, TensorBoardFolder(root), promote=promote, tell=lambda _: None)
    assert not any(count.differs for count in found.counts)
    return found


def the_run(stores: Stores, name: str) -> Run:
    with stores.ledger.read() as tx:
        (found,) = [run for run in tx.runs.list(stores.project).items if run.name == name]
    return found


def points(stores: Stores, run: Run, key: str) -> Points:
    with stores.ledger.read() as tx:
        return join(points_of(block) for block in tx.series.blocks(run.id, key))


def files(stores: Stores, run: Run) -> dict[str, bytes]:
    with stores.ledger.read() as tx:
        kept = tx.artifacts.list(run.id)
    return {each.path: stores.objects.get(each.digest) for each in kept}


def write(folder: Path, start: int = 0, stop: int = 5000) -> None:
    with SummaryWriter(str(folder), filename_suffix=f".{start}") as writer:
        for step in range(start, stop):
            writer.add_scalar("loss/train", 1 / (step + 1), step, walltime=1_700_000_000.25 + step)
        writer.add_scalar("odd", float("nan"), -7, walltime=1_700_000_000.5)


def test_scalars_keep_steps_times_and_values(stores: Stores, tmp_path: Path) -> None:
    write(tmp_path / "runs" / "a" / "b")
    come(stores, tmp_path / "runs")
    run = the_run(stores, "a/b")
    assert run.status is RunStatus.FINISHED
    steps, times, values = points(stores, run, "loss/train")
    assert steps.tolist() == list(range(5000))
    assert times[:2].tolist() == [1_700_000_000_250_000, 1_700_000_001_250_000]
    assert values.tolist() == [float(np.float32(1 / (step + 1))) for step in range(5000)]
    odd = points(stores, run, "odd")
    assert (odd.steps.tolist(), math.isnan(odd.values[0])) == ([-7], True)
    with stores.ledger.read() as tx:
        assert tx.experiments.get(run.experiment).name == "runs"


def test_everything_else_becomes_files_and_parameters(stores: Stores, tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path / "runs")) as writer:
        writer.add_text("note", "Hello\nthere", 3)
        writer.add_histogram("weights", np.arange(100.0), 1)
        writer.add_histogram("weights", np.arange(50.0), 2)
        tuned = {"lr": 0.5, "depth": 3, "name": "net", "wide": True}
        writer.add_hparams({**tuned, "limit": math.inf}, {"auc": 0.75}, name="tried")
    come(stores, tmp_path / "runs")
    run = the_run(stores, "runs")
    kept = files(stores, run)
    assert [(path, content) for path, content in kept.items() if path.startswith("text")] == [
        ("text/note/text_summary/3.txt", b"Hello\nthere")
    ]
    lines = [json.loads(line) for line in kept["histograms/weights.jsonl"].splitlines()]
    assert [(line["step"], line["count"], line["sum"]) for line in lines] == [(1, 100, 4950.0), (2, 50, 1225.0)]
    assert sum(lines[0]["counts"]) == 100
    tried = the_run(stores, "tried")
    assert tried.params == {**tuned, "limit": "inf"}
    assert points(stores, tried, "auc").values.tolist() == [0.75]


def test_again_changes_nothing_and_what_is_new_is_added(stores: Stores, tmp_path: Path) -> None:
    write(tmp_path / "runs" / "a", 0, 10)
    come(stores, tmp_path / "runs")
    with stores.ledger.read() as tx:
        before = tx.events.count(stores.project)
    come(stores, tmp_path / "runs")
    with stores.ledger.read() as tx:
        assert tx.events.count(stores.project) == before
    write(tmp_path / "runs" / "a", 10, 30)
    (tmp_path / "runs").rename(tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "moved").rename(tmp_path / "elsewhere" / "runs")
    come(stores, tmp_path / "elsewhere" / "runs")
    assert points(stores, the_run(stores, "a"), "loss/train").steps.tolist() == list(range(30))
    with stores.ledger.write(within=f"chain:{stores.project}") as tx:
        tx.events.seal(stores.project)
    assert list(verify(stores).problems) == []


def record(event: bytes) -> bytes:
    def masked(data: bytes) -> bytes:
        crc = google_crc32c.value(data)
        return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(event))
    return length + masked(length) + event + masked(event)


def message(*parts: tuple[int, bytes | int | float]) -> bytes:
    """A protocol buffer of short fields."""
    out = b""
    for number, value in parts:
        if isinstance(value, bytes):
            length = [len(value)] if len(value) < 128 else [len(value) & 127 | 128, len(value) >> 7]
            out += bytes([number << 3 | 2, *length]) + value
        elif isinstance(value, int):
            out += bytes([number << 3, value])
        else:
            out += bytes([number << 3 | 1]) + struct.pack("<d", value)
    return out


def tensor_event(step: int, tag: bytes, plugin: bytes, tensor: bytes) -> bytes:
    """As TensorFlow 2 and PyTorch with a new style write."""
    metadata = message((1, message((1, plugin)))) if plugin else b""
    value = message((1, tag), (8, tensor), *([(9, metadata)] if metadata else []))
    return record(message((1, 1_700_000_000.0), (2, step), (5, message((1, value)))))


def test_an_image_in_its_old_form_comes_in(stores: Stores, tmp_path: Path) -> None:
    image = message((1, 4), (2, 5), (3, 3), (4, b"\xff\xd8\xff.."))
    value = message((1, b"digit"), (4, image))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "x.tfevents.1").write_bytes(record(message((1, 1.0), (2, 2), (5, message((1, value))))))
    come(stores, tmp_path / "logs")
    assert files(stores, the_run(stores, "logs")) == {"images/digit/2.jpg": b"\xff\xd8\xff.."}


def test_scalars_in_tensors_come_in(stores: Stores, tmp_path: Path) -> None:
    """The plugin is named in the first event of a tag only."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "events.out.tfevents.1").write_bytes(
        record(message((1, 1_699_999_999.0), (3, b"brain.Event:2")))
        + tensor_event(1, b"acc", b"scalars", message((1, 1), (4, struct.pack("<f", 0.5))))
        + tensor_event(2, b"acc", b"", message((1, 1), (5, struct.pack("<f", 0.75))))
        + tensor_event(1, b"count", b"scalars", message((1, 9), (10, 7)))
        + tensor_event(1, b"said", b"text", message((1, 7), (8, b"one"), (8, b"two")))
        + tensor_event(1, b"seen", b"images", message((1, 7), (8, b"4"), (8, b"5"), (8, b"\x89PNG..")))
        + tensor_event(1, b"bins", b"histograms", message((1, 2), (4, struct.pack("<6d", 0, 1, 3, 1, 2, 4))))
    )
    come(stores, tmp_path / "logs")
    run = the_run(stores, "logs")
    assert points(stores, run, "acc").values.tolist() == [0.5, 0.75]
    assert points(stores, run, "count").values.tolist() == [7.0]
    kept = files(stores, run)
    assert kept["text/said/1.txt"] == b"one"
    assert kept["text/said/1-1.txt"] == b"two"
    assert kept["images/seen/1.png"] == b"\x89PNG.."
    assert json.loads(kept["histograms/bins.jsonl"])["counts"] == [3.0, 4.0]


def test_a_record_that_was_only_begun_ends_the_file(tmp_path: Path) -> None:
    write(tmp_path, 0, 3)
    (file,) = tmp_path.glob("*tfevents*")
    whole = file.read_bytes()
    count = len(list(read_events(file)))
    for cut in range(1, 40):
        file.write_bytes(whole[:-cut])
        assert count - 1 >= len(list(read_events(file))) >= count - 2


def test_damage_is_told(tmp_path: Path) -> None:
    write(tmp_path, 0, 3)
    (file,) = tmp_path.glob("*tfevents*")
    whole = bytearray(file.read_bytes())
    for at in (0, 9, 13, len(whole) - 2):
        file.write_bytes(bytes(whole[:at]) + bytes([whole[at] ^ 1]) + bytes(whole[at + 1 :]))
        with pytest.raises(Corrupt, match="is damaged at byte"):
            list(read_events(file))


@pytest.mark.parametrize("event", [b"\xff", b"\x0a\x7f", b"\x2f\x01", b"\x10" + b"\xff" * 11, b"\x09\x01"])
def test_what_is_no_event_is_told(tmp_path: Path, event: bytes) -> None:
    file = tmp_path / "x.tfevents.1"
    file.write_bytes(record(event))
    with pytest.raises(Corrupt):
        list(read_events(file))


def value_event(content: bytes, *, begins: bytes = b"") -> bytes:
    return record(begins + message((1, 1.0), (5, message((1, message((1, b"t")) + content)))))


@pytest.mark.parametrize(
    "event",
    [
        value_event(message((4, 7))),  # an image that is a number
        value_event(message((4, b"\xff"))),
        value_event(message((5, message((6, b"123"))))),  # limits that are no doubles
        value_event(message((2, 1.5))),  # a double in the place of a float
        value_event(b"\x15\0\0\0\0", begins=b"\x10" + b"\xff" * 9 + b"\x7f"),  # a step of 70 bits
        record(message((1, math.inf), (2, 1))),
        tensor_event(1, b"bins", b"histograms", message((1, 2), (4, struct.pack("<2d", 0, 1)))),
        value_event(message((9, message((1, message((1, b"hparams"), (2, message((3, b"\x08\x01\x0a\x00"))))))))),
    ],
    ids=lambda event: f"{len(event)} bytes",
)
def test_an_event_that_nobody_writes_is_told(stores: Stores, tmp_path: Path, event: bytes) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "x.tfevents.1").write_bytes(record(message((1, 1.0))) + event)
    with pytest.raises(Corrupt, match=r"x\.tfevents\.1"):
        come(stores, tmp_path / "logs")


def test_what_is_no_folder_of_tensorboard_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        TensorBoardFolder(tmp_path / "nothing")
    with pytest.raises(Invalid, match="no folder of TensorBoard"):
        TensorBoardFolder(tmp_path)


def test_a_tag_never_leads_out_of_the_run(stores: Stores, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "x.tfevents.1").write_bytes(
        tensor_event(1, b"../../etc/\x01passwd", b"text", message((1, 7), (8, b"one")))
    )
    come(stores, tmp_path / "logs")
    assert files(stores, the_run(stores, "logs")) == {"text/etc/_passwd/1.txt": b"one"}
