"""Large files in parts, which lie in the project's folder until the file is made of them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import msgspec

from clew.server.mlflow.answers import Json
from clew.server.mlflow.artifacts import keep
from clew.server.mlflow.body import need
from clew.server.mlflow.call import Call
from clew.server.mlflow.place import Place, check_owner, place_of
from clew.server.mlflow.refusal import invalid, missing
from clew.server.uploads import forget_old_uploads, uploads_folder
from clew.store.objects.disk import disk_errors

__all__ = ["abort_upload", "complete_upload", "create_upload", "receive_part"]

_MOST_PARTS = 10_000
_ID = re.compile(r"[0-9a-f]{32}")
_PIECE = 1 << 20


class Create(msgspec.Struct, frozen=True):
    path: str = ""
    num_parts: int = 0


class Part(msgspec.Struct, frozen=True):
    part_number: int = 0
    etag: str = ""


class Which(msgspec.Struct, frozen=True):
    path: str = ""
    upload_id: str = ""
    parts: list[Part] = []


def create_upload(call: Call, asked: Create) -> Json:
    """Begin to receive a file in parts: an address for each."""
    need(path=asked.path, num_parts=asked.num_parts or None)
    if not 1 <= asked.num_parts <= _MOST_PARTS:
        raise invalid(f"num_parts must be between 1 and {_MOST_PARTS}, got {asked.num_parts}")
    _place(call, asked.path)
    upload = call.stores.ids()
    with disk_errors("begin an upload"):
        folder = _folder(call, upload)
        folder.mkdir(parents=True)
        forget_old_uploads(folder.parent)
    headers = {"Authorization": call.authorization} if call.authorization else {}
    before = f"{call.url}/api/2.0/mlflow-artifacts/mpu/part/{upload}"
    credentials = [
        {"url": f"{before}/{number}", "part_number": number, "headers": headers}
        for number in range(1, asked.num_parts + 1)
    ]
    return {"upload_id": upload, "credentials": credentials}


def receive_part(call: Call, content: bytes | Path) -> Json:
    """Keep one part; the same one, sent again, replaces."""
    upload, number = call.path["upload"], call.path["part"]
    folder = _known(call, upload)
    if not (number.isdecimal() and 1 <= int(number) <= _MOST_PARTS):
        raise invalid(f"'{number}' is no number of a part")
    target = folder / f"{int(number)}.part"
    fresh = folder / f"{int(number)}.{call.stores.ids()}"
    with disk_errors("keep a part of an upload"):
        if isinstance(content, Path):
            shutil.copyfile(content, fresh)
        else:
            fresh.write_bytes(content)
        fresh.replace(target)
    return {}


def complete_upload(call: Call, asked: Which) -> Json:
    """Make a file of the parts that came."""
    need(path=asked.path, parts=asked.parts or None)
    place, folder = _place(call, asked.path), _known(call, asked.upload_id)
    numbers = sorted({part.part_number for part in asked.parts})
    absent = [number for number in numbers if not (folder / f"{number}.part").is_file()]
    if absent or numbers != list(range(1, len(numbers) + 1)):
        raise invalid(f"parts of upload {asked.upload_id} are not there: {absent or numbers}")
    whole = folder / call.stores.ids()  # a caller who lost patience may ask again meanwhile
    with disk_errors("put the parts of an upload together"):
        with whole.open("wb") as target:
            for number in numbers:
                with (folder / f"{number}.part").open("rb") as part:
                    shutil.copyfileobj(part, target, _PIECE)
        keep(call, place, whole)
    shutil.rmtree(folder, ignore_errors=True)
    return {}


def abort_upload(call: Call, asked: Which) -> Json:
    """Forget the parts that came."""
    shutil.rmtree(_known(call, asked.upload_id), ignore_errors=True)
    return {}


def _place(call: Call, file: str) -> Place:
    """Where the file goes: its name, in the folder that the path of the request means."""
    place = place_of(f"{call.path.get('path', '')}/{file.replace(chr(92), '/').rpartition('/')[2]}")
    if not place.path:
        raise invalid("Invalid path")
    with call.stores.ledger.read() as tx:
        check_owner(tx, call.stores, place)
    return place


def _folder(call: Call, upload: str) -> Path:
    return uploads_folder(call.stores) / upload


def _known(call: Call, upload: str) -> Path:
    folder = _folder(call, upload)
    if not _ID.fullmatch(upload) or not folder.is_dir():
        raise missing(f"no upload {upload[:40]!r}")
    return folder
