"""The machine around the GPUs: host memory, PCIe, how many GPUs share a fast link, and the network."""

from __future__ import annotations

from dataclasses import dataclass, field

from llmplan.spec.provenance import ProvenanceMap


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpec:
    """`memory_bandwidth_bytes_per_s` is what a CPU-side decoder can stream; `fast_link_gpus` is how many GPUs
    share NVLink (0: none); `network_bytes_per_s` is per node and direction."""

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    gpus: int
    memory_bytes: int
    memory_bandwidth_bytes_per_s: float
    cpu_cores: int
    pcie_bytes_per_s: float
    fast_link_gpus: int = 0
    network_bytes_per_s: float | None = None
    provenance: ProvenanceMap = field(default_factory=dict, repr=False)
