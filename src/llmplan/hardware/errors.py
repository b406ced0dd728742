"""The different ways in which NVML can be unavailable, each with advice of its own.

None of these is an exception for the caller: a laptop without a GPU is a normal machine to plan on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

NvmlState: TypeAlias = Literal[
    "ok", "no_binding", "no_library", "driver_not_loaded", "version_mismatch", "no_permission", "blocked",
    "unknown_error", "other_error",
]  # fmt: skip

ERROR_NOT_SUPPORTED: Final = 3
ERROR_NO_PERMISSION: Final = 4
ERROR_LOST: Final = frozenset({15, 16, 28})
"""GPU is lost, needs a reset, or is not found any more."""

_STATE_OF_ERROR: Final[dict[int, NvmlState]] = {
    4: "no_permission",
    9: "driver_not_loaded",
    12: "no_library",
    13: "version_mismatch",
    17: "blocked",
    18: "version_mismatch",
    999: "unknown_error",
}
"""nvmlReturn_t of the initialisation -> state. Function Not Found there is a library older than its caller."""

_ADVICE: Final[dict[NvmlState, str]] = {
    "ok": "",
    "no_binding": "reinstall the Python binding: pip install --force-reinstall nvidia-ml-py",
    "no_library": "without an NVIDIA GPU nothing is missing: name hardware with --gpu. With one: install the NVIDIA "
    "driver, or start the container with its GPUs (docker run --gpus all, or nvidia.com/gpu in the pod's limits)",
    "driver_not_loaded": "the library is there, the kernel module is not: sudo modprobe nvidia, then read dmesg "
    "(typical causes: a kernel update without DKMS, Secure Boot, a container without --gpus)",
    "version_mismatch": "kernel module and library are of different driver versions, usually after an update: reboot, "
    "or reload the nvidia modules; in a container, restart it so that the host's library is mounted again",
    "no_permission": "this user may not talk to the driver: check ls -l /dev/nvidia* (group video), and the "
    "container's device permissions",
    "blocked": "the operating system blocks the GPU: under WSL2 update the Windows driver and run wsl --shutdown, "
    "elsewhere check the container's security profile",
    "unknown_error": "under WSL2 NVML answers only in part: update WSL (wsl --update) and the Windows driver, and do "
    "not install a Linux driver inside; elsewhere try nvidia-smi, then read dmesg for Xid messages",
    "other_error": "compare with nvidia-smi, then read dmesg for Xid messages",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NvmlStatus:
    """How far one gets with NVML here, in the driver's words and in ours."""

    state: NvmlState
    message: str = ""
    advice: str = ""

    @property
    def ok(self) -> bool:
        """Whether GPUs could be asked for."""
        return self.state == "ok"


def status(state: NvmlState, message: str = "") -> NvmlStatus:
    """The status with the advice that belongs to it."""
    return NvmlStatus(state=state, message=message, advice=_ADVICE[state])


def status_of_error(code: int, message: str) -> NvmlStatus:
    """The status for an nvmlReturn_t which the initialisation gave.

    >>> status_of_error(9, "Driver Not Loaded").state
    'driver_not_loaded'
    >>> status_of_error(10, "Timeout").state
    'other_error'
    """
    return status(_STATE_OF_ERROR.get(code, "other_error"), message)
