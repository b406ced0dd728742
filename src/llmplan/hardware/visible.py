"""Which GPUs a CUDA program would see: the rules of `CUDA_VISIBLE_DEVICES`, without CUDA.

The first entry decides the kind of list (numbers, GPU UUIDs, MIG UUIDs) and the first entry that is not
valid ends it; a GPU named twice empties it. See "Environment Variables" in NVIDIA's CUDA programming guide
and "Device Enumeration" in its MIG user guide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from llmplan.hardware.report import GpuReading, Visibility

_LEADING_INTEGER: Final = re.compile(r"\s*([+-]?\d+)")
_ORDER_DIFFERS: Final = (
    "the GPUs differ: CUDA numbers them fastest first, NVML by PCI bus (CUDA_DEVICE_ORDER=PCI_BUS_ID makes them agree)"
)
_OLD_MIG: Final = re.compile(r"MIG-(GPU-[0-9a-fA-F-]+)/(\d+)/(\d+)")


@dataclass(slots=True)
class _Walk:
    """The list as far as it is valid, and what was odd."""

    indexes: list[int]
    mig_uuids: list[str]
    notes: list[str]


def visible_gpus(environ: Mapping[str, str], gpus: Sequence[GpuReading]) -> Visibility:
    """Resolve `CUDA_VISIBLE_DEVICES` against the GPUs that NVML lists.

    NVML counts GPUs in PCI bus order. CUDA does so only under `CUDA_DEVICE_ORDER=PCI_BUS_ID`, otherwise it puts
    the fastest first: with GPUs of one kind that is the same order, with mixed kinds a number is uncertain.
    """
    variable = environ.get("CUDA_VISIBLE_DEVICES")
    usable = [gpu for gpu in gpus if gpu.access == "ok"]
    by_bus = environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    mixed = len({gpu.name for gpu in usable}) > 1
    order_notes = [_ORDER_DIFFERS] if mixed and not by_bus else []
    if variable is None:
        mig = tuple(instance.uuid for gpu in usable for instance in gpu.mig if instance.uuid)
        whole = tuple(gpu.index for gpu in usable if not gpu.mig_enabled)
        return Visibility(variable=None, indexes=whole, mig_uuids=mig, notes=tuple(order_notes))
    entries = [entry.strip() for entry in variable.split(",")]
    if not variable.strip():
        return Visibility(variable=variable, indexes=(), notes=("CUDA_VISIBLE_DEVICES is empty: CUDA sees no GPU",))
    walk = _Walk([], [], [])
    if entries[0].startswith("MIG-"):
        _walk_mig(entries, usable, walk)
    elif entries[0].startswith("GPU-"):
        _walk_uuids(entries, usable, walk)
    else:
        _walk_numbers(entries, gpus, walk)
        walk.notes.extend(order_notes)
    numbered = bool(_LEADING_INTEGER.match(entries[0]))
    return Visibility(
        variable=variable,
        indexes=tuple(walk.indexes),
        mig_uuids=tuple(walk.mig_uuids),
        notes=tuple(walk.notes),
        certain=not (numbered and order_notes),
    )


def _walk_numbers(entries: Sequence[str], gpus: Sequence[GpuReading], walk: _Walk) -> None:
    by_index = {gpu.index: gpu for gpu in gpus}
    for position, entry in enumerate(entries):
        number = _LEADING_INTEGER.match(entry)
        if number is None or int(number[1]) not in by_index:
            _end(walk, entries, position)
            return
        index = int(number[1])
        if number[0].strip() != entry:
            walk.notes.append(f"entry {entry!r} is read as {index}")
        gpu = by_index[index]
        if gpu.access != "ok":
            walk.notes.append(f"GPU {index} is named but cannot be used ({gpu.access_error})")
        elif gpu.mig_enabled:
            _take_first_mig(gpu, walk)
        elif index in walk.indexes:
            _empty(walk, entry)
            return
        else:
            walk.indexes.append(index)


def _take_first_mig(gpu: GpuReading, walk: _Walk) -> None:
    uuid = next((instance.uuid for instance in gpu.mig if instance.uuid), None)
    if uuid is None:
        walk.notes.append(f"GPU {gpu.index} is in MIG mode and has no instance: CUDA cannot use it")
        return
    walk.mig_uuids.append(uuid)
    walk.notes.append(f"GPU {gpu.index} is in MIG mode: its number stands for its first instance only")


def _walk_uuids(entries: Sequence[str], gpus: Sequence[GpuReading], walk: _Walk) -> None:
    for position, entry in enumerate(entries):
        found = [gpu for gpu in gpus if entry.startswith("GPU-") and gpu.uuid and gpu.uuid.startswith(entry)]
        if len(found) != 1:
            if found:
                walk.notes.append(f"{entry!r} is the beginning of {len(found)} UUIDs")
            _end(walk, entries, position)
            return
        if found[0].index in walk.indexes:
            _empty(walk, entry)
            return
        if found[0].mig_enabled:
            _take_first_mig(found[0], walk)
        else:
            walk.indexes.append(found[0].index)


def _walk_mig(entries: Sequence[str], gpus: Sequence[GpuReading], walk: _Walk) -> None:
    for position, entry in enumerate(entries):
        found = [uuid for uuid in _mig_uuids_named(entry, gpus) if uuid]
        if len(found) != 1:
            _end(walk, entries, position)
            break
        if found[0] in walk.mig_uuids:
            _empty(walk, entry)
            return
        walk.mig_uuids.append(found[0])
    if len(walk.mig_uuids) > 1:
        walk.notes.append("a CUDA process uses one MIG instance: the first of those named; start one process for each")


def _mig_uuids_named(entry: str, gpus: Sequence[GpuReading]) -> list[str | None]:
    """Instances whose UUID begins so, or the one of the older form MIG-<GPU UUID>/<GPU instance>/<compute instance>."""
    old = _OLD_MIG.fullmatch(entry)
    return [
        instance.uuid
        for gpu in gpus
        for instance in gpu.mig
        if (
            (gpu.uuid, instance.gpu_instance_id, instance.compute_instance_id) == (old[1], int(old[2]), int(old[3]))
            if old
            else entry.startswith("MIG-") and (instance.uuid or "").startswith(entry)
        )
    ]


def _end(walk: _Walk, entries: Sequence[str], position: int) -> None:
    rest = entries[position + 1 :]
    ignored = f", {', '.join(rest)} after it ignored" if rest else ""
    meaning = "hides everything from here on" if entries[position] == "-1" else "names no GPU here and ends the list"
    walk.notes.append(f"entry {entries[position]!r} {meaning}{ignored}")


def _empty(walk: _Walk, entry: str) -> None:
    walk.indexes.clear()
    walk.mig_uuids.clear()
    walk.notes.append(f"{entry!r} is named twice: CUDA then sees no GPU at all")
