"""How much memory a GPU has: NVML's second version, then its first, then the host's on unified memory."""

from __future__ import annotations

from typing import Any, Final

from llmplan.hardware.errors import ERROR_NOT_SUPPORTED
from llmplan.hardware.reader import FieldReader
from llmplan.hardware.report import HostReading, MemoryReading

_MEMORY_INFO_V2: Final = 0x02000028
"""The structure's size (40 bytes) and version, as NVML wants them."""


def read_memory(reader: FieldReader, handle: Any, host: HostReading) -> MemoryReading | None:
    """What NVML says, or the host's RAM if NVML says that this GPU keeps no such account.

    Only "not supported" from both versions, or a total of zero, means unified memory. Missing permission (the
    parent of a MIG instance in a container) or a lost GPU leaves the memory unknown.
    """
    reading = reader.read("memory", "nvmlDeviceGetMemoryInfo", handle, _MEMORY_INFO_V2, convert=_from_v2)
    if reading is None or reading.total_bytes == 0:
        reading = reader.read("memory", "nvmlDeviceGetMemoryInfo", handle, convert=_from_v1) or reading
    if reading is not None and reading.total_bytes > 0:
        return reading
    if reading is None and reader.codes.get("memory") != ERROR_NOT_SUPPORTED:
        return None
    return _from_host(host)


def _from_v2(info: Any) -> MemoryReading:
    return MemoryReading(
        total_bytes=int(info.total),
        used_bytes=int(info.used),
        free_bytes=int(info.free),
        reserved_bytes=int(info.reserved),
        source="nvml-v2",
    )


def _from_v1(info: Any) -> MemoryReading:
    return MemoryReading(
        total_bytes=int(info.total), used_bytes=int(info.used), free_bytes=int(info.free), source="nvml-v1"
    )


def _from_host(host: HostReading) -> MemoryReading | None:
    if host.memory_total_bytes is None or host.memory_available_bytes is None:
        return None
    return MemoryReading(
        total_bytes=host.memory_total_bytes,
        used_bytes=host.memory_total_bytes - host.memory_available_bytes,
        free_bytes=host.memory_available_bytes,
        source="host-ram",
    )
