"""skops: the format of scikit-learn models. Reading one looks up types by name, and only those that are trusted.

Trusted are what skops itself trusts (scikit-learn's public estimators and losses, NumPy, plain containers), the names
in `BUILT_IN`, and what the project's policy adds. Everything else is refused by name before anything is built.
"""

from __future__ import annotations

from clew.core.errors import Corrupt, Denied, Invalid
from clew.core.extras import require
from clew.registry.formats.archive import canonical_archive, read_archive
from clew.registry.formats.format import Dump, Trust
from clew.registry.formats.trees import check_counts, check_trees

__all__ = ["BUILT_IN", "SkopsFormat"]

BUILT_IN = frozenset(
    {
        "functools.partial",
        "numpy.dtype",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.tree._tree.Tree",
        "sklearn.utils.validation.check_array",
    }
)
"""What scikit-learn's own models need beyond what skops trusts. `partial` only ever calls what is trusted too; trees
are checked for their bounds (`clew.registry.formats.trees`)."""


class SkopsFormat:
    """skops archives in canonical form."""

    def dump(self, model: object, trust: Trust) -> Dump:
        """The model as an archive; refused now if the policy would refuse to load it later."""
        skops = require("skops.io")
        try:
            content = canonical_archive(skops.dumps(model))
        except (skops.exceptions.UnsupportedTypeException, TypeError, AttributeError, RecursionError) as error:
            name = f"{type(model).__module__}.{type(model).__qualname__}"
            hint = "write it as ONNX, or as pickle if the project's policy allows that"
            raise Invalid(f"skops cannot hold {name}: {error}", hint=hint) from error
        _refuse_nameless(_beyond_skops(content))
        _refuse_unknown(content, trust)
        types = tuple(read_archive(content).types())
        return Dump(content=content, types=types)

    def load(self, content: bytes, trust: Trust) -> object:
        """The model, if all of its types are trusted and its trees are sound."""
        skops = require("skops.io")
        archive = read_archive(content)
        found = _refuse_unknown(content, trust)
        check_counts(archive)
        try:
            model: object = skops.loads(content, trusted=found)
        except ImportError as error:
            hint = "types of your own must be importable from the folder of clew.toml, or from PYTHONPATH"
            raise Invalid(f"this model needs code that cannot be imported: {error}", hint=hint) from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            hint = "was it written with other versions of scikit-learn or skops? `clew model show` lists them"
            raise Corrupt(f"this model cannot be rebuilt: {error}", hint=hint) from error
        check_trees(model)
        return model


def _refuse_nameless(types: list[str]) -> None:
    """What is found by its name must have one that leads to it in another process too."""
    nameless = sorted(name for name in types if "<" in name or name.startswith("__main__."))
    if nameless:
        raise Invalid(
            f"this model cannot be read again elsewhere: nothing is found by the name {', '.join(nameless)}",
            hint="write it as a function or class at the top of a module, and import it from there",
        )


def _refuse_unknown(content: bytes, trust: Trust) -> list[str]:
    """The types beyond those that skops trusts, all of them allowed."""
    found = _beyond_skops(content)
    denied = sorted(set(found) - BUILT_IN - trust.types)
    if denied:
        names = ", ".join(repr(name) for name in denied)
        hint = f"if you trust the code behind them: trusted_types = [{names}] under [policy] in clew.toml"
        raise Denied(f"this model holds types that are not trusted: {', '.join(denied)}", hint=hint)
    return found


def _beyond_skops(content: bytes) -> list[str]:
    """The types that skops itself does not trust."""
    skops = require("skops.io")
    try:
        found: list[str] = skops.get_untrusted_types(data=content)
    except (KeyError, TypeError, ValueError, AttributeError, ImportError) as error:
        raise Corrupt(f"this model is no readable skops archive: {error}") from error
    return found
