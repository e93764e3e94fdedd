"""Ways to reach code by a computed name: what they mean for a fingerprint.

`globals()[name]` can reach the whole module of the function; `import_module("a.b")` all of `a.b`. Where even that is
not known (`eval` of a computed text, a module name put together at run time) the answer is a refusal, unless the step
names what it reaches.
"""

from __future__ import annotations

import builtins
import gc
import importlib
import inspect
import runpy
import sys
from enum import Enum
from functools import cache

__all__ = ["Reach", "reach_of"]


class Reach(Enum):
    """How far a built-in function or object reaches."""

    NOTHING = "nothing"
    OWN_MODULE = "own module"
    NAMED_MODULE = "named module"
    ANYTHING = "anything"


@cache
def _table() -> dict[int, Reach]:
    anything = [
        builtins.eval,
        builtins.exec,
        sys._getframe,
        inspect.currentframe,
        inspect.stack,
        gc.get_objects,
        gc.get_referrers,
        runpy.run_module,
        runpy.run_path,
        importlib.reload,
    ]
    named = [builtins.__import__, importlib.import_module, importlib.__import__, sys.modules]
    table = {id(each): Reach.ANYTHING for each in anything}
    table |= {id(each): Reach.NAMED_MODULE for each in named}
    table[id(builtins.globals)] = Reach.OWN_MODULE
    return table


def reach_of(value: object) -> Reach:
    """How far an object reaches when code uses it."""
    return _table().get(id(value), Reach.NOTHING)
