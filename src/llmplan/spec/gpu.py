"""One kind of GPU: what the planner needs to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from llmplan.spec.provenance import ProvenanceMap


def dotted(capability: tuple[int, int]) -> str:
    """A compute capability as NVIDIA writes it.

    >>> dotted((8, 6))
    '8.6'
    """
    return f"{capability[0]}.{capability[1]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSpec:
    """Figures are None where no source states them; what needs them refuses rather than guesses.

    `memory_bytes` is what NVML reports as total (less than the marketing number). `peak_flop_per_s` maps a
    compute format (`fp16`, `bf16`, `fp8`, `int8`, `fp4`) to the dense peak; a missing format has no tensor-core
    support or no known figure. `link_bytes_per_s` is GPU to GPU, per direction and GPU, over NVLink or Infinity
    Fabric, 0 when GPUs talk over PCIe only; `pcie_bytes_per_s` is per direction.
    """

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    vendor: str
    architecture: str
    segment: str
    form: str
    memory_bytes: int
    memory_bandwidth_bytes_per_s: float
    peak_flop_per_s: Mapping[str, float] = field(default_factory=dict)
    compute_capability: tuple[int, int] | None = None
    link: str = "none"
    link_bytes_per_s: float = 0.0
    pcie_bytes_per_s: float | None = None
    tdp_w: float | None = None
    mig_instances_max: int = 0
    platform_names: Mapping[str, str] = field(default_factory=dict)
    """what platforms that rent it call it, in the notation of their own files"""
    provenance: ProvenanceMap = field(default_factory=dict, repr=False)

    @property
    def has_fast_link(self) -> bool:
        """Whether GPUs of this kind are joined by something faster than PCIe."""
        return self.link_bytes_per_s > 0

    def supports(self, compute_format: str) -> bool:
        """Whether tensor cores run this format natively, as far as is known."""
        return compute_format in self.peak_flop_per_s

    @property
    def computes_bf16(self) -> bool:
        """Whether it computes in bf16: a figure says so, or its compute capability does (8.0 on)."""
        return self.supports("bf16") or (self.compute_capability is not None and self.compute_capability >= (8, 0))

    @property
    def is_nvidia(self) -> bool:
        """Whether CUDA engines run on it."""
        return self.vendor.lower() == "nvidia"
