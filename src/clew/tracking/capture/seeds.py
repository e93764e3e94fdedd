"""Where random numbers come from: hash seed and generator states, so that a run without seeds can be repeated too."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import msgspec

from clew.core.canonical import digest_of
from clew.core.ids import Digest

__all__ = ["Seeds", "restore_seeds", "take_seeds"]


class Seeds(msgspec.Struct, frozen=True, kw_only=True):
    """States at the start of a run; a generator that was not loaded then has none.

    `hash_seed` is empty where Python drew it: nobody can read it back. `python` is `random.getstate()` as
    [version, numbers, next gaussian]; `numpy` is `numpy.random.get_state()` as [name, numbers, position, has gaussian,
    gaussian]; `torch_state` is `torch.get_rng_state()`, that of the processor, and `torch_seed` what its state, and
    those of accelerators, began from.
    """

    hash_seed: str
    python: tuple[int, list[int], float | None] | None
    numpy: tuple[str, list[int], int, int, float] | None
    torch_seed: int | None
    torch_state: bytes | None = None

    @property
    def digest(self) -> Digest:
        """Equal for equal states."""
        return digest_of("clew.seeds/0", self)


def take_seeds(variables: Mapping[str, str] | None = None) -> Seeds:
    """The states of the generators that are loaded.

    Args:
        variables: environment of another process, whose generators nobody knows; this process is meant when None.
    """
    if variables is not None:
        return Seeds(hash_seed=_hash_seed(variables), python=None, numpy=None, torch_seed=None)
    random, numpy, torch = (sys.modules.get(name) for name in ("random", "numpy", "torch"))
    if not hasattr(torch, "get_rng_state"):  # another thing of that name
        torch = None
    python = legacy = None
    if random is not None:
        version, numbers, gaussian = random.getstate()
        python = (version, list(numbers), gaussian)
    if numpy is not None:
        name, keys, position, has, cached = numpy.random.get_state()
        legacy = (str(name), keys.tolist(), int(position), int(has), float(cached))
    return Seeds(
        hash_seed=_hash_seed(os.environ),
        python=python,
        numpy=legacy,
        torch_seed=int(torch.initial_seed()) if torch is not None else None,
        torch_state=torch.get_rng_state().numpy().tobytes() if torch is not None else None,
    )


def restore_seeds(seeds: Seeds) -> None:
    """Put the generators of this process into the states of a run; the hash seed has to be set before Python starts."""
    import random

    if seeds.python is not None:
        version, numbers, gaussian = seeds.python
        random.setstate((version, tuple(numbers), gaussian))
    if seeds.numpy is not None:
        import numpy as np

        name, keys, position, has, cached = seeds.numpy
        np.random.set_state((name, np.array(keys, dtype=np.uint32), position, has, cached))
    torch = sys.modules.get("torch")
    if torch is None or seeds.torch_seed is None:
        return
    # What a script has seeded itself stands where it stood: seeding again would draw the same numbers twice.
    if torch.initial_seed() != seeds.torch_seed:
        torch.manual_seed(seeds.torch_seed)
    if seeds.torch_state is not None:
        torch.set_rng_state(torch.frombuffer(bytearray(seeds.torch_state), dtype=torch.uint8))


def _hash_seed(variables: Mapping[str, str]) -> str:
    asked = variables.get("PYTHONHASHSEED", "")
    return asked if asked != "random" else ""
