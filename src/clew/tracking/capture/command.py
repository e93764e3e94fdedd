"""How the process was started: words, folder, interpreter, and the environment variables that may be kept."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from clew.tracking.capture.kernels import KERNEL_VARIABLES
from clew.tracking.capture.secrets import mask_words, strip_userinfo
from clew.tracking.capture.threads import VARIABLES

__all__ = ["KEPT_VARIABLES", "Command", "entry_of_process", "take_command"]

KEPT_VARIABLES = frozenset(
    {
        *VARIABLES,
        *KERNEL_VARIABLES,
        "CUBLAS_WORKSPACE_CONFIG",
        "CUDA_VISIBLE_DEVICES",
        "LANG",
        "LC_ALL",
        "LOCAL_RANK",
        "NVIDIA_TF32_OVERRIDE",
        "PYTHONHASHSEED",
        "PYTHONPATH",
        "PYTORCH_CUDA_ALLOC_CONF",
        "RANK",
        "SLURM_JOB_ID",
        "TF_CUDNN_DETERMINISTIC",
        "TF_DETERMINISTIC_OPS",
        "TF_ENABLE_ONEDNN_OPTS",
        "TZ",
        "WORLD_SIZE",
        "XLA_FLAGS",
    }
)
"""What may be recorded of the environment: it changes numbers, and holds no secrets."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command line. Words that look like secrets are `***`; `variables` holds nothing but an allow-list."""

    words: list[str]
    folder: str
    interpreter: str
    options: list[str]
    variables: dict[str, str]


def take_command(words: list[str] | None = None, variables: Mapping[str, str] | None = None) -> Command:
    """The command of this process.

    Args:
        words: script and arguments; `sys.argv` when None.
        variables: its environment; that of this process when None.
    """
    given = sys.argv if words is None else words
    around = os.environ if variables is None else variables
    return Command(
        words=mask_words([str(word) for word in given]),
        folder=str(Path.cwd()),
        interpreter=sys.executable,
        options=_options(),
        variables={name: strip_userinfo(around[name]) for name in sorted(KEPT_VARIABLES & around.keys())},
    )


def entry_of_process() -> Path | None:
    """The user's script that this process runs; None in a notebook, a prompt, or an installed program."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    if not file:
        return None
    path = Path(file).resolve()
    prefixes = [Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix)]
    places = [prefix / name for prefix in prefixes for name in ("bin", "lib", "Scripts", "Lib")]
    places.append(Path(__file__).resolve().parents[2])  # clew itself, also where it is not installed but checked out
    installed = path.parent.name == "bin" or any(path.is_relative_to(place) for place in places)
    return path if path.is_file() and not installed else None


def _options() -> list[str]:
    return [f"-X{key}" if value is True else f"-X{key}={value}" for key, value in sys._xoptions.items()]
