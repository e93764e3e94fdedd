"""Pickle: only where the project's policy says so, and marked for ever. Reading one runs whatever code is in it.

There is no scanner here: those are tripwires, not proof.
"""

from __future__ import annotations

from clew.core.errors import Corrupt, Denied, Invalid
from clew.registry.formats.format import Dump, Trust

__all__ = ["PickleFormat"]


class PickleFormat:
    """The standard library's pickle, protocol 5."""

    def dump(self, model: object, trust: Trust) -> Dump:
        """The pickled model, marked as unsafe."""
        import pickle

        if not trust.allow_pickle:
            hint = f"write models as skops or ONNX, or {trust.to_allow}"
            raise Denied(f"this project does not allow pickle, and {_name(model)} would be pickled", hint=hint)
        try:
            content = pickle.dumps(model, protocol=5)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            hint = "write functions and classes at the top of a module, and import them from there"
            raise Invalid(f"{_name(model)} cannot be pickled: {error}", hint=hint) from error
        return Dump(content=content, unsafe=("pickle: reading the model runs the code in it",))

    def load(self, content: bytes, trust: Trust) -> object:
        """Unpickle, if the policy allows it."""
        import pickle

        if not trust.allow_pickle:
            hint = f"write models as skops or ONNX, or {trust.to_allow}"
            raise Denied("this model is a pickle, and this project does not allow pickle", hint=hint)
        try:
            return pickle.loads(content)  # noqa: S301 (the policy allows it)
        except ImportError as error:
            hint = "types of your own must be importable from the folder of clew.toml, or from PYTHONPATH"
            raise Invalid(f"this model needs code that cannot be imported: {error}", hint=hint) from error
        except (pickle.UnpicklingError, EOFError, AttributeError) as error:
            raise Corrupt(f"this model is no readable pickle: {error}") from error


def _name(model: object) -> str:
    return f"{type(model).__module__}.{type(model).__qualname__}"
