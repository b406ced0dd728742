"""From what NVML found to what the planner can use: product names matched to the catalogue, groups of equal GPUs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from llmplan.hardware.report import GpuReading, HardwareReport, PeerReading
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.inventory import Inventory, NodeGroup
from llmplan.units import format_bytes

_BRANDS: Final = re.compile(r"^(?:nvidia|tesla|geforce)\b[\s_-]*", re.IGNORECASE)
_SEPARATORS: Final = re.compile(r"[^a-z0-9]+")
_MEMORY_TOLERANCE: Final = 0.08
"""ECC in GDDR takes a sixteenth, driver reservations a little more; other products differ by more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductMatch:
    """The catalogue's GPU for a product name, or None; `note` says why not, or what differs."""

    gpu_id: str | None
    note: str | None = None


def match_product(name: str, memory_bytes: int | None, gpus: Mapping[str, GpuSpec]) -> ProductMatch:
    """Find a product name among ids, names and aliases, first as written, then without brand and punctuation.

    Only whole names count: a card that the catalogue lacks must not become its bigger sister. Where several
    entries carry the name, the memory decides.
    """
    for as_written, normal in ((True, str.casefold), (False, normal_name)):
        found = [
            spec for spec in gpus.values() if normal(name) in {normal(n) for n in (spec.id, spec.name, *spec.aliases)}
        ]
        if found:
            return _choose(name, memory_bytes, found, as_written=as_written)
    return ProductMatch(
        gpu_id=None, note=f"{name!r} is not in the catalogue: its memory is NVML's, its speed is unknown"
    )


def normal_name(name: str) -> str:
    """A product name without its brand words, case and punctuation.

    >>> normal_name("NVIDIA GeForce RTX 4090"), normal_name("Tesla V100-SXM2-32GB")
    ('rtx 4090', 'v100 sxm2 32gb')
    """
    previous = None
    while previous != name:
        previous, name = name, _BRANDS.sub("", name.strip())
    return _SEPARATORS.sub(" ", name.casefold()).strip()


def _choose(name: str, memory_bytes: int | None, found: Sequence[GpuSpec], *, as_written: bool) -> ProductMatch:
    if memory_bytes is None:
        if len(found) == 1:
            return ProductMatch(
                gpu_id=found[0].id, note=f"{name!r}: NVML gives no memory size, the catalogue's is used"
            )
        return ProductMatch(gpu_id=None, note=f"{name!r} may be {' or '.join(spec.id for spec in found)}")
    nearest = min(found, key=lambda spec: abs(spec.memory_bytes - memory_bytes))
    if abs(nearest.memory_bytes - memory_bytes) <= _MEMORY_TOLERANCE * nearest.memory_bytes:
        return ProductMatch(gpu_id=nearest.id)
    differs = (
        f"{name!r} has {format_bytes(memory_bytes)}, the catalogue's {nearest.id} {format_bytes(nearest.memory_bytes)}"
    )
    if not as_written:
        return ProductMatch(gpu_id=None, note=f"{differs}: taken for another product, its speed is unknown")
    return ProductMatch(gpu_id=nearest.id, note=f"{differs}: NVML's is used; speeds are the catalogue's")


def to_inventory(report: HardwareReport, gpus: Mapping[str, GpuSpec]) -> Inventory:
    """The GPUs that a CUDA program would see here, as one node with a group per kind.

    GPUs split by MIG are left out and said so: an instance has a share of the bandwidth too, and planning it
    as a whole GPU would promise several times its speed.
    """
    notes = list(report.visible.notes)
    members: dict[tuple[str, int | None], list[GpuReading]] = {}
    for gpu in report.gpus:
        note = _left_out(gpu, report)
        if note is not None:
            notes.append(note)
            continue
        memory_bytes = gpu.memory.total_bytes if gpu.memory else None
        match = match_product(gpu.name or "unnamed", memory_bytes, gpus)
        if match.note is not None and match.note not in notes:
            notes.append(match.note)
        if gpu.is_unified:
            notes.append(
                f"GPU {gpu.index} shares the host's memory: weights and KV cache compete with everything else on it"
            )
        key = (match.gpu_id or normal_name(gpu.name or "unnamed").replace(" ", "-"), memory_bytes)
        members.setdefault(key, []).append(gpu)
    groups = tuple(
        NodeGroup(
            nodes=1,
            gpus_per_node=len(group),
            gpu_id=gpu_id,
            host_memory_bytes=report.host.usable_memory_bytes,
            fast_link=joined_by_nvlink([gpu.index for gpu in group], report.peers),
            gpu_memory_bytes=memory_bytes,
        )
        for (gpu_id, memory_bytes), group in members.items()
    )
    return Inventory(groups=groups, origin="nvml", notes=tuple(notes))


def joined_by_nvlink(indexes: Sequence[int], peers: Sequence[PeerReading]) -> bool | None:
    """Whether every pair of these GPUs talks over NVLink; None for a single GPU or where NVML does not say."""
    pairs = [peer.nvlink for peer in peers if peer.first in indexes and peer.second in indexes]
    if False in pairs:
        return False
    return True if pairs and None not in pairs else None


def _left_out(gpu: GpuReading, report: HardwareReport) -> str | None:
    """Why a GPU cannot be planned on, or None if it can."""
    if gpu.access != "ok":
        return f"GPU {gpu.index} cannot be used: {gpu.access_error}"
    if gpu.mig_enabled:
        profiles = ", ".join(instance.profile or "?" for instance in gpu.mig) or "none"
        return f"GPU {gpu.index} is in MIG mode (instances: {profiles}) and is left out of plans for whole GPUs"
    if gpu.index not in report.visible.indexes:
        return f"GPU {gpu.index} is hidden by CUDA_VISIBLE_DEVICES={report.visible.variable!r}"
    return None
