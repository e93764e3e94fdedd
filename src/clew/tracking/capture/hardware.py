"""The machine: processor with the features that change numbers, cores, memory, accelerators."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import msgspec

__all__ = ["Hardware", "take_hardware"]

_FEATURES = ("sse4_2", "avx", "fma", "f16c", "amx_", "asimd", "sve", "neon", "bf16", "i8mm")


class Hardware(msgspec.Struct, frozen=True, kw_only=True):
    """A machine.

    `features` are the vector instructions by which libraries choose their kernels; `usable_cpus` are those that this
    process may run on.
    """

    host: str
    cpu: str
    features: list[str]
    cpus: int
    usable_cpus: int
    memory_bytes: int
    accelerators: list[str]


def take_hardware() -> Hardware:
    """The machine of this process."""
    cpu, features = _cpu()
    return Hardware(
        host=platform.node(),
        cpu=cpu,
        features=features,
        cpus=os.cpu_count() or 1,
        usable_cpus=_usable(),
        memory_bytes=_memory_bytes(),
        accelerators=_accelerators(),
    )


def _cpu() -> tuple[str, list[str]]:
    facts: dict[str, str] = {}
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if not line.strip():
                    break
                key, _, value = line.partition(":")
                facts[key.strip().lower()] = value.strip()
    except OSError:
        return platform.processor() or platform.machine(), []
    flags = (facts.get("flags") or facts.get("features") or "").split()
    name = facts.get("model name") or facts.get("cpu model") or platform.machine()
    return name, sorted(flag for flag in flags if flag.startswith(_FEATURES))


def _usable() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


def _accelerators() -> list[str]:
    """NVIDIA devices as their driver lists them; asking a tool would take longer than all the rest."""
    found = []
    for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        found += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    return found
