"""The fingerprint of a function within one process: kept while nothing changes, taken again when anything does."""

from __future__ import annotations

import functools
import linecache
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from clew.core.errors import Invalid
from clew.pipelines.closure import Fingerprint, distributions, fingerprint


def module(text: str, **names: Any) -> types.SimpleNamespace:
    """Names of a made-up first-party module."""
    space: dict[str, Any] = {"__name__": "made_up", **names}
    exec(compile(text, "<made up>", "exec"), space)
    return types.SimpleNamespace(space=space, f=space["f"])


HELPER = "def g():\n    return 1\ndef f():\n    return g()\n"


def rebind(made: Any) -> None:
    made.space["g"] = lambda: 2


def change_code(made: Any) -> None:
    made.space["g"].__code__ = (lambda: 2).__code__


def change_default(made: Any) -> None:
    made.space["g"].__defaults__ = (5,)


def append(made: Any) -> None:
    made.space["K"].append(3)


def add_key(made: Any) -> None:
    made.space["K"]["new"] = 1


def change_array(made: Any) -> None:
    made.space["K"][0] = 9


def set_attribute(made: Any) -> None:
    made.space["C"].x = 2


def add_attribute(made: Any) -> None:
    made.space["C"].y = 2


def set_on_instance(made: Any) -> None:
    made.space["c"].x = 2


def shadow(made: Any) -> None:
    made.space["len"] = lambda _: 0


def delete(made: Any) -> None:
    del made.space["K"]


def insert_column(made: Any) -> None:
    made.space["K"].insert_column(0, pl.Series("b", [1]))


def set_on_function(made: Any) -> None:
    made.space["g"].k = 2


CLASS = "class C:\n    x = 1\n    def m(self):\n        return self.x\nc = C()\n"
CHANGES: dict[str, tuple[str, dict[str, Any], Callable[[Any], None]]] = {
    "helper rebound": (HELPER, {}, rebind),
    "code replaced": (HELPER, {}, change_code),
    "defaults replaced": (HELPER, {}, change_default),
    "function attribute": (HELPER, {}, set_on_function),
    "list grows": ("def f():\n    return K\n", {"K": [1, 2]}, append),
    "nested list grows": ("def f():\n    return T\n", {"K": (k := [1]), "T": ({"a": k},)}, append),
    "dict grows": ("def f():\n    return K\n", {"K": {}}, add_key),
    "array changes": ("def f():\n    return K\n", {"K": np.arange(3)}, change_array),
    "frame changes": ("def f():\n    return K\n", {"K": pl.DataFrame({"a": [1]})}, insert_column),
    "class attribute": (CLASS + "def f():\n    return C.x\n", {}, set_attribute),
    "new class attribute": (CLASS + "def f():\n    return C.x\n", {}, add_attribute),
    "instance attribute": (CLASS + "def f():\n    return c.x\n", {}, set_on_instance),
    "built-in shadowed": ("def f():\n    return len('a')\n", {}, shadow),
    "global deleted": ("def f():\n    return K\n", {"K": 1}, delete),
    "equal but of another type": ("def f():\n    return K\n", {"K": 1}, lambda made: made.space.update(K=True)),
    "list by name of computed function": ("def f():\n    return globals()['a' + 'b']\n", {"K": [1]}, append),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_in_the_process_is_seen(name: str) -> None:
    text, names, change = CHANGES[name]
    made = module(text, **names)
    held = Fingerprint(made.f)
    before = held()
    assert held() is before
    change(made)
    after = held()
    assert after.digest != before.digest
    assert after.digest == fingerprint(made.f).digest


def test_a_closure_variable_that_changes_is_seen() -> None:
    def make() -> tuple[types.FunctionType, Callable[[], None]]:
        k = 1

        def f() -> int:
            return k

        def change() -> None:
            nonlocal k
            k = 2

        return f, change  # type: ignore[return-value]

    f, change = make()
    held = Fingerprint(f)
    before = held()
    change()
    assert held().digest != before.digest


def test_what_a_cache_remembers_does_not_count() -> None:
    made = module("import functools\n@functools.lru_cache\ndef g(x):\n    return x\ndef f():\n    return g(1)\n")
    held = Fingerprint(made.f)
    before = held()
    made.f()
    assert held() is before


def test_single_dispatch_does_not_change_by_being_used() -> None:
    text = "import functools\n@functools.singledispatch\ndef g(x):\n    return x\ndef f(x):\n    return g(x)\n"
    made = module(text)
    held = Fingerprint(made.f)
    before = held()
    made.f(1)
    made.f("a")
    assert held().digest == before.digest


def test_the_ingredients_have_names_that_say_what_they_are() -> None:
    made = module(
        CLASS + "K = 2\nimport numpy as np\ndef g(a, b=3):\n    return a\ndef f():\n    return np.sum(g(C().m() + K))\n"
    )
    names = fingerprint(made.f).ingredients
    assert names.keys() >= {
        "python",
        "distribution numpy",
        "function made_up:f",
        "function made_up:g",
        "default made_up:g(b)",
        "class made_up:C",
        "attribute made_up:C.x",
        "function made_up:C.m",
        "global made_up:K",
    }
    assert names["global made_up:K"] == "2"
    assert names["distribution numpy"] == np.__version__
    assert "global made_up:c" not in names


@pytest.mark.parametrize("name", ["numpy", "scipy"])
def test_another_version_of_a_library_is_another_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = module("import sklearn\ndef f():\n    return sklearn.show_versions\n")
    before = fingerprint(made.f)
    known = distributions.version_of
    monkeypatch.setattr("clew.pipelines.closure.walk.version_of", lambda each: "0" if each == name else known(each))
    assert fingerprint(made.f).digest != before.digest


def test_another_python_is_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    made = module("def f():\n    return 1\n")
    before = fingerprint(made.f)
    monkeypatch.setattr(sys.modules[Fingerprint.__module__], "python_version", lambda: "cpython 3.99.0")
    assert fingerprint(made.f).digest != before.digest


REFUSED = {
    "eval": ("def f(x):\n    return eval(x)\n", "eval"),
    "exec": ("def f(x):\n    exec(x)\n", "exec"),
    "computed import": ("import importlib\ndef f(x):\n    return importlib.import_module('a.' + x)\n", "import_module"),
    "computed __import__": ("def f(x):\n    return __import__(x)\n", "__import__"),
    "import_module handed on": ("from importlib import import_module as i\ndef f(x):\n    return map(i, x)\n", "i,"),
    "sys.modules": ("import sys\ndef f(x):\n    return sys.modules[x]\n", "sys.modules"),
    "open file": ("import os\nK = open(os.devnull)\nK.close()\ndef f():\n    return K.read()\n", "made_up:K"),
    "generator": ("K = (i for i in range(3))\ndef f():\n    return next(K)\n", "made_up:K"),
    "thread local": ("import threading\nK = threading.local()\ndef f():\n    return K.x\n", "made_up:K"),
    "socket": ("import socket\nK = socket.socket()\nK.close()\ndef f():\n    return K\n", "made_up:K"),
    "lazy frame": ("import polars as pl\nK = pl.LazyFrame({'a': [1]})\ndef f():\n    return K\n", "collect it"),
    "in a helper": ("def g(x):\n    return eval(x)\ndef f(x):\n    return g(x)\n", "made_up:g"),
    "in an attribute": ("class C:\n    pass\nc = C()\nc.x = (i for i in ())\ndef f():\n    return c\n", "made_up:c"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_known_is_refused_with_a_way_out(name: str) -> None:
    text, said = REFUSED[name]
    made = module(text)
    with pytest.raises(Invalid) as refused:
        fingerprint(made.f)
    assert said in str(refused.value)
    assert "cache=False" in refused.value.hint
    assert "ignores=" in refused.value.hint
    assert "reaches=" in refused.value.hint


def test_what_is_declared_is_not_refused() -> None:
    made = module("def g():\n    return 1\ndef f(x):\n    return eval(x)\n")
    declared = fingerprint(made.f, reaches=[made.space["g"]])
    assert "function made_up:g" in declared.ingredients


def test_what_is_ignored_is_not_refused() -> None:
    made = module("K = (i for i in range(3))\ndef f():\n    return next(K)\n")
    assert fingerprint(made.f, ignores=["made_up:K"]).ingredients.keys() == {"python", "function made_up:f"}


@pytest.mark.parametrize(
    "text",
    [
        "import logging\nK = logging.getLogger('x')\ndef f():\n    K.info('a')\n",
        "import threading\nK = threading.Lock()\ndef f():\n    with K:\n        return 1\n",
        "import sys\nK = sys.stderr\ndef f():\n    print('a', file=K)\n",
        "import random\ndef f():\n    return random.random()\n",
        "from random import random\ndef f():\n    return random()\n",
        "from typing import Optional, TypeVar\nT = TypeVar('T')\ndef f(x: Optional[int]) -> list[T]:\n    return T\n",
        "import abc\nclass A(abc.ABC):\n    @abc.abstractmethod\n    def m(self): ...\ndef f():\n    return A\n",
        "import re, pathlib\nK = [re.compile('a'), pathlib.Path('a'), range(3), slice(1, 2)]\ndef f():\n    return K\n",
        "import datetime, decimal\nK = [datetime.datetime.min, decimal.Decimal(1), 1j]\ndef f():\n    return K\n",
        "import uuid, fractions\nK = [uuid.UUID(int=1), fractions.Fraction(1, 2), ...]\ndef f():\n    return K\n",
        "K = [bytearray(b'a'), frozenset({1}), {'a': {1, 'b'}}]\ndef f():\n    return K\n",
        "from rich.console import Console\nK = Console()\ndef f():\n    K.print('a')\n",
        "import numpy as np\nK = np.random.default_rng(0)\ndef f():\n    return K.random()\n",
        "K = []\nK.append(K)\ndef f():\n    return K\n",
    ],
)  # fmt: skip
def test_everyday_globals_are_understood_and_give_the_same_twice(text: str) -> None:
    assert fingerprint(module(text).f).digest == fingerprint(module(text).f).digest


def test_a_function_without_source_is_taken_by_its_bytecode() -> None:
    one, same, other = (module(f"def f():\n    return {text}\n").f for text in ("1", " 1", "2"))
    assert fingerprint(one).digest == fingerprint(same).digest
    assert fingerprint(one).digest != fingerprint(other).digest


def test_only_functions_have_fingerprints() -> None:
    with pytest.raises(Invalid, match="no plain function"):
        fingerprint(functools.partial(max, 1))


def test_a_file_that_was_edited_after_it_was_imported_does_not_speak_for_the_old_code(project: Any) -> None:
    project.write({"main.py": "def f():\n    return 1\n"})
    with project.imported() as old:
        project.write({"main.py": "def f():\n    return 2\n"})
        before = fingerprint(old.f).digest
    with project.imported() as new:
        assert fingerprint(new.f).digest != before


def test_a_file_whose_comments_were_edited_after_it_was_imported_still_speaks_for_it(project: Any) -> None:
    project.write({"main.py": "def f():\n    return 1\n"})
    with project.imported() as old:
        project.write({"main.py": "# one\ndef f():\n    return 1  # two\n"})
        before = fingerprint(old.f).digest
    with project.imported() as new:
        assert fingerprint(new.f).digest == before


def test_cells_of_a_notebook_are_taken_by_their_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def cell(number: int, text: str) -> Any:
        name = f"<ipython-input-{number}>"
        lines = text.splitlines(keepends=True)
        monkeypatch.setitem(linecache.cache, name, (len(text), None, lines, name))
        space: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(text, name, "exec"), space)
        return space["f"]

    one = fingerprint(cell(1, "def f(a):\n    return g(a, 1)\n"))
    same = fingerprint(cell(2, "# a comment\n\ndef f(a):\n    return g(\n        a,  # first\n        1,\n    )\n"))
    other = fingerprint(cell(3, "def f(a):\n    return g(a, 2)\n"))
    assert one.digest == same.digest != other.digest
