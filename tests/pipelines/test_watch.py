"""What a step does beside computing: seen when it is the project's doing, not when it is a library's own affair."""

from __future__ import annotations

import importlib.util
import os
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clew.pipelines.observer import disown, unwatched
from clew.pipelines.reads import Read, ReadKind
from clew.pipelines.watch import Watch

LIBRARY = Path(sysconfig.get_paths()["purelib"]) / "some_library" / "code.py"


def library(text: str) -> Callable[..., Any]:
    """A function `f` as if it stood in an installed library."""
    space: dict[str, Any] = {"__name__": "some_library.code", "__file__": str(LIBRARY)}
    exec(compile(text, str(LIBRARY), "exec"), space)
    return space["f"]  # type: ignore[no-any-return]


def reads(act: Callable[[], object], root: Path) -> dict[str, str]:
    """What is seen of it, by ingredient."""
    with Watch(root=str(root), skipped=[str(root / ".clew")]) as watch:
        act()
    return {read.ingredient: digest for read, digest in watch.reads().items()}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLEW_X", "1")
    (tmp_path / ".clew").mkdir()
    return tmp_path


def test_variables_are_seen(root: Path) -> None:
    assert reads(lambda: os.environ.get("CLEW_X"), root).keys() == {"environment CLEW_X"}
    assert reads(lambda: os.getenv("CLEW_Y"), root) == {"environment CLEW_Y": "unset"}
    assert "environment CLEW_X" in reads(lambda: dict(os.environ), root)
    assert "environment CLEW_X" in reads(lambda: [*os.environ.items()], root)
    assert "environment HOME" in reads(Path("~").expanduser, root)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("import os\ndef f():\n    return os.environ.get('CLEW_X')\n", {"environment CLEW_X"}),
        ("import os\ndef f():\n    return os.environ.get('PATH')\n", set()),
        ("import os\ndef f():\n    return os.path.expanduser('~')\n", set()),
        ("import os\ndef f():\n    return dict(os.environ)\n", set()),
        ("import os\ndef f():\n    return {**os.environ, 'A': '1'}\n", set()),
        ("import os\ndef f():\n    return os.environ.copy()\n", set()),
        ("import os\ndef f():\n    return [k for k, v in os.environ.items()]\n", set()),
        ("import tempfile\ndef f():\n    with tempfile.TemporaryFile():\n        pass\n", set()),
    ],
)  # fmt: skip
def test_of_the_variables_that_a_library_reads_only_its_own_settings_count(
    root: Path, text: str, seen: set[str]
) -> None:
    assert {name for name in reads(library(text), root) if name.startswith("environment")} == seen


def test_what_a_library_reads_while_it_is_imported_does_not_count(root: Path) -> None:
    space = {"__name__": "some_library.code", "__file__": str(LIBRARY)}
    code = compile("import os\nK = os.environ.get('CLEW_X')\n", str(LIBRARY), "exec")
    assert reads(lambda: exec(code, space), root) == {}


def test_a_variable_that_the_step_sets_is_its_own(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sets() -> None:
        os.environ["CLEW_X"] = "2"
        assert os.environ["CLEW_X"] == "2"

    def reads_first() -> None:
        before = os.environ["CLEW_X"]
        os.environ["CLEW_X"] = before + "2"

    assert reads(sets, root) == {}
    monkeypatch.setenv("CLEW_X", "1")
    first = reads(reads_first, root)
    monkeypatch.setenv("CLEW_X", "1")
    assert first == reads(reads_first, root)
    assert first.keys() == {"environment CLEW_X"}


def test_a_library_may_look_around_the_machine_but_not_around_the_project(root: Path) -> None:
    look = library("import os\ndef f(path):\n    return os.path.exists(path), os.path.realpath(path)\n")
    assert reads(lambda: look("/usr/lib"), root) == {}
    assert reads(lambda: look(str(root / "data.csv")), root) == {f"presence {root / 'data.csv'}": "missing"}
    here = reads(Path("/usr/lib").exists, root)
    assert here == {"presence /usr/lib": "folder"}


def test_a_file_that_a_library_opens_counts_wherever_it_lies(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("elsewhere") / "model.bin"
    path.write_text("1")
    read = library("def f(path):\n    with open(path) as file:\n        return file.read()\n")
    assert f"file {path}" in reads(lambda: read(str(path)), root)


def test_files_of_libraries_of_the_system_and_of_clew_do_not_count(root: Path) -> None:
    def act() -> None:
        Path("/proc/self/status").read_text()
        (root / ".clew" / "x").write_text("x")
        (root / ".clew" / "x").read_text()
        Path(os.__file__).read_text()
        Path(pytest.__file__).read_text()

    assert reads(act, root) == {}


def test_what_python_opens_to_import_does_not_count_and_data_beside_it_does(root: Path) -> None:
    (root / "mod.py").write_text("from pathlib import Path\nK = Path(__file__).with_name('d.txt').read_text()\n")
    (root / "d.txt").write_text("1")

    def act() -> None:
        spec = importlib.util.spec_from_file_location("mod_of_test_watch", root / "mod.py")
        assert spec is not None
        assert spec.loader is not None
        spec.loader.exec_module(importlib.util.module_from_spec(spec))

    seen = reads(act, root)
    assert f"file {root / 'd.txt'}" in seen
    assert not any(name.endswith("mod.py") and name.startswith("folder") for name in seen)


def test_clews_own_threads_and_blocks_are_not_seen(root: Path) -> None:
    (root / "d.txt").write_text("1")

    def background() -> None:
        disown()
        (root / "d.txt").read_text()

    def act() -> None:
        thread = threading.Thread(target=background)
        thread.start()
        thread.join()
        with unwatched():
            (root / "d.txt").read_text()

    assert reads(act, root) == {}


def test_other_threads_of_the_step_are_seen(root: Path) -> None:
    (root / "d.txt").write_text("1")

    def act() -> None:
        thread = threading.Thread(target=Path("d.txt").read_text)
        thread.start()
        thread.join()

    assert "file d.txt" in reads(act, root)


def test_nothing_is_seen_when_no_step_runs(root: Path) -> None:
    with Watch(root=str(root)) as watch:
        pass
    os.environ.get("CLEW_X")
    Path("d.txt").exists()
    assert watch.reads() == {}


def test_two_watches_see_the_same(root: Path) -> None:
    with Watch(root=str(root)) as outer, Watch(root=str(root)) as inner:
        os.environ.get("CLEW_X")
    assert outer.reads() == inner.reads() == {Read(ReadKind.ENVIRONMENT, "CLEW_X"): inner.reads().popitem()[1]}


def test_the_wrapped_functions_still_do_what_they_did(root: Path) -> None:
    with Watch(root=str(root)):
        (root / "a").write_text("1")
        (root / "b").symlink_to("a")
        assert os.stat("a").st_size == 1  # noqa: PTH116
        assert os.lstat("b").st_size == 1
        assert os.access("a", os.R_OK)
        assert os.stat in os.supports_follow_symlinks
        assert os.stat in os.supports_dir_fd
        with pytest.raises(FileNotFoundError):
            os.stat("gone")  # noqa: PTH116
        with pytest.raises(KeyError):
            os.environ["CLEW_GONE"]
        assert str(Path("a")) == os.fspath(Path("a")) == "a"
