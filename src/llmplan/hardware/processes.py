"""Who holds a GPU's memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmplan.hardware.reader import FieldReader
from llmplan.hardware.report import ProcessReading


def read_processes(binding: Any, reader: FieldReader, handle: Any) -> tuple[ProcessReading, ...] | None:
    """Compute and graphics processes, each once, the largest first; None if the driver lists none of both kinds.

    NVML's third version of the list came with driver 510; the second is asked where that is missing.
    """
    lists = [
        reader.first(
            "processes",
            [
                (f"nvmlDeviceGet{kind}RunningProcesses_v3", (handle,)),
                (f"nvmlDeviceGet{kind}RunningProcesses_v2", (handle,)),
            ],
            convert=_pids,
        )
        for kind in ("Graphics", "Compute")
    ]
    if lists[0] is None and lists[1] is None:
        return None
    reader.unread.pop("processes", None)
    reader.codes.pop("processes", None)
    memory_of: dict[int, int | None] = {}
    for pid, memory_bytes in (entry for found in lists if found for entry in found):
        memory_of[pid] = max((m for m in (memory_of.get(pid), memory_bytes) if m is not None), default=None)
    readings = (
        ProcessReading(pid=pid, name=_name(binding, pid), memory_bytes=memory_bytes)
        for pid, memory_bytes in memory_of.items()
    )
    return tuple(sorted(readings, key=lambda process: (-(process.memory_bytes or 0), process.pid)))


def _pids(processes: Sequence[Any]) -> list[tuple[int, int | None]]:
    return [
        (int(process.pid), None if process.usedGpuMemory is None else int(process.usedGpuMemory))
        for process in processes
    ]


def _name(binding: Any, pid: int) -> str | None:
    return FieldReader(binding).read("name", "nvmlSystemGetProcessName", pid, convert=str)
