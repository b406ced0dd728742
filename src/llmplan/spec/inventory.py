"""What hardware somebody has: read from NVML, or stated as `2x8xh100-sxm-80gb`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeGroup:
    """`nodes` equal machines with `gpus_per_node` GPUs of one kind. `host_memory_bytes` None is unknown."""

    nodes: int
    gpus_per_node: int
    gpu_id: str
    host_memory_bytes: int | None = None
    host_memory_bandwidth_bytes_per_s: float | None = None
    fast_link: bool | None = None
    gpu_memory_bytes: int | None = None
    """NVML's total where it was read; None takes the catalogue's."""

    @property
    def gpus(self) -> int:
        """All GPUs of the group."""
        return self.nodes * self.gpus_per_node


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Groups of nodes, and what could not be read about them."""

    groups: tuple[NodeGroup, ...]
    origin: str = "stated"
    notes: tuple[str, ...] = field(default=())

    @property
    def gpus(self) -> int:
        """All GPUs."""
        return sum(group.gpus for group in self.groups)
