"""A SQLite ledger on a network file system is refused, not damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.core.errors import Invalid
from clew.store.ledger import mounts as tables
from clew.store.ledger.mounts import Mount, mounts, of_linux, of_macos, refuse_network
from clew.store.ledger.sqlite import SqliteLedger

LINUX = r"""
22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
40 22 0:35 / /home/ann rw,nosuid shared:20 master:3 - nfs4 fileserver:/home/ann rw,vers=4.2
41 22 0:36 / /mnt/my\040share rw - cifs //server/share rw
42 40 259:3 / /home/ann/local rw - xfs /dev/nvme0n1p3 rw
43 22 0:40 / /data rw - ext4 /dev/sdb rw
44 43 0:41 / /data rw - fuse.sshfs ann@host: rw
"""
MACOS = """
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
devfs on /dev (devfs, local, nobrowse)
//ann@server/share on /Volumes/my share (smbfs, nodev, nosuid, mounted by ann)
server:/export on /Volumes/n (nfs)
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/ann/p/.clew/ledger.db", "nfs4"),
        ("/mnt/my share/ledger.db", "cifs"),
        ("/data/p/ledger.db", "fuse.sshfs"),  # the later of two mounts at a place is what one sees
    ],
)
def test_a_network_file_system_is_refused_with_advice(path: str, kind: str) -> None:
    with pytest.raises(Invalid, match=rf"network file system \({kind} at ") as caught:
        refuse_network(Path(path), of_linux(LINUX))
    assert "PostgreSQL" in caught.value.hint


@pytest.mark.parametrize(
    "path", ["/p/ledger.db", "/home/ann/local/p/ledger.db", "/home/anna/l", "/mnt/l", "/database/l"]
)
def test_a_local_disk_is_fine_also_below_a_network_file_system(path: str) -> None:
    refuse_network(Path(path), of_linux(LINUX))


def test_macos() -> None:
    table = of_macos(MACOS)
    assert [mount.kind for mount in table] == ["apfs", "devfs", "smbfs", "nfs"]
    refuse_network(Path("/Users/ann/ledger.db"), table)
    for path in ("/Volumes/my share/l", "/Volumes/n/l"):
        with pytest.raises(Invalid):
            refuse_network(Path(path), table)


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(Invalid):
        refuse_network(
            tmp_path / "link" / "l", [Mount(Path("/"), "ext4"), Mount((tmp_path / "real").resolve(), "lustre")]
        )


def test_a_ledger_is_not_opened_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(tables, "mounts", lambda: [Mount(tmp_path.resolve(), "nfs")])
        with pytest.raises(Invalid, match="network file system"):
            SqliteLedger(tmp_path / "l")
    assert not (tmp_path / "l").exists()
    SqliteLedger(tmp_path / "l").close()


def test_this_machine_says_what_is_mounted() -> None:
    assert any(mount.place == Path("/") for mount in mounts())


def test_where_nobody_says_anything_nothing_is_refused() -> None:
    refuse_network(Path("/p"), [])
    assert of_linux("nonsense\n\n") == []
