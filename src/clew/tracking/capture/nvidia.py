"""What NVIDIA devices do right now, asked of the library that their driver brings; nothing is installed for it."""

from __future__ import annotations

import ctypes

__all__ = ["NvidiaDevices"]

_LIBRARY = "libnvidia-ml.so.1"
_TEMPERATURE_GPU = 0


class _Utilization(ctypes.Structure):
    _fields_ = [("gpu", ctypes.c_uint), ("memory", ctypes.c_uint)]


class _Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class NvidiaDevices:
    """The devices of this machine; none where there is no driver."""

    def __init__(self) -> None:
        self._devices: list[ctypes.c_void_p] = []
        try:
            self._library = ctypes.CDLL(_LIBRARY)
            if self._library.nvmlInit_v2() != 0:
                return
        except (OSError, AttributeError):
            return
        count = ctypes.c_uint()
        self._library.nvmlDeviceGetCount_v2(ctypes.byref(count))
        for at in range(count.value):
            device = ctypes.c_void_p()
            if self._library.nvmlDeviceGetHandleByIndex_v2(at, ctypes.byref(device)) == 0:
                self._devices.append(device)

    def read(self) -> dict[str, float]:
        """Use, memory, power and temperature of each device; what one does not say is left out."""
        found: dict[str, float] = {}
        for at, device in enumerate(self._devices):
            use, memory, power, heat = _Utilization(), _Memory(), ctypes.c_uint(), ctypes.c_uint()
            library, name = self._library, f"gpu.{at}"
            if library.nvmlDeviceGetUtilizationRates(device, ctypes.byref(use)) == 0:
                found[f"{name}.percent"] = float(use.gpu)
            if library.nvmlDeviceGetMemoryInfo(device, ctypes.byref(memory)) == 0:
                found[f"{name}.memory_bytes"] = float(memory.used)
            if library.nvmlDeviceGetPowerUsage(device, ctypes.byref(power)) == 0:
                found[f"{name}.watts"] = power.value / 1000
            if library.nvmlDeviceGetTemperature(device, _TEMPERATURE_GPU, ctypes.byref(heat)) == 0:
                found[f"{name}.celsius"] = float(heat.value)
        return found
