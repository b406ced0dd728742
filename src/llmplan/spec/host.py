"""The machine around the GPUs: host memory, PCIe, how many GPUs share a fast link, and the network."""

from __future__ import annotations

from dataclasses import dataclass, field

from llmplan.spec.gpu import GpuSpec
from llmplan.spec.provenance import ProvenanceMap


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpec:
    """`memory_bandwidth_bytes_per_s` is what a CPU-side decoder can stream; `fast_link_gpus` is how many GPUs
    share NVLink (0: none); `network_bytes_per_s` is per node and direction; `gpu_forms` and `gpu_architectures` say
    which GPUs it takes (empty: any)."""

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
    storage_bytes_per_s: float | None = None
    """sustained read of weights from storage into the GPU; None is unknown"""
    gpu_forms: tuple[str, ...] = ()
    gpu_architectures: tuple[str, ...] = ()
    gpu_segments: tuple[str, ...] = ()
    """the market segments whose GPUs usually sit in such a machine (`consumer`); empty says nothing"""
    provenance: ProvenanceMap = field(default_factory=dict, repr=False)

    def takes(self, gpu: GpuSpec) -> bool:
        """Whether GPUs of this kind go into such a machine (their board form and architecture)."""
        form_fits = not self.gpu_forms or gpu.form in self.gpu_forms
        return form_fits and (not self.gpu_architectures or gpu.architecture in self.gpu_architectures)
