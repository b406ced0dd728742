"""What a number format of weights says about itself: bits, scales, zeros, and what of them engines keep."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

ComputeFormat: TypeAlias = Literal["fp32", "fp16", "bf16", "fp8", "int8", "fp4"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFormat:
    """How a linear layer's N = out x in weights are stored.

    bytes = N * bits / 8 + scales + zeros, where there is one scale of `scale_bytes` per `group_size` inputs and
    output row (None: one per output row; `block`: one per tile), and `zero_bits` per group.
    `compute` is the tensor-core format used where the GPU has it; without it the weights are expanded to 16 bit
    on the fly (`weight_only`). `head_bits` is what lm_head and embedding take. The `id` names the kind: a checkpoint
    with another group size is the same kind with another `group_size`. GGUF types (`family` "gguf") are mixes of
    block types chosen per tensor: their `bits` is the average over a whole Llama-3.1-8B, exact sizes come from
    `gguf.py`.
    """

    id: str
    aliases: tuple[str, ...] = ()
    bits: float
    compute: ComputeFormat
    weight_only: bool = False
    group_size: int | None = None
    block: tuple[int, int] | None = None
    scale_bytes: float = 0.0
    zero_bits: float = 0.0
    per_linear_bytes: int = 0
    index_bytes_per_input: int = 0
    kv_scale_bytes: int = 0
    """scales of the cache that the checkpoint stores for each attention layer"""
    loaded_scale_bytes: float | None = None
    """of a scale on the GPU, where engines widen it (bitsandbytes' second quantization is undone); None: as stored"""
    loaded_zero_bits: float | None = None
    """of a zero on the GPU, where kernels do without the zeros of symmetric weights; None: as stored"""
    loaded_index_bytes_per_input: int | None = None
    """of the order of inputs on the GPU, where nothing was reordered; None: as stored"""
    experts_only: bool = False
    everything: bool = False
    """embedding, head and routers, too; only tensors whose rows are no whole number of groups stay (MLX)"""
    router_bits: int | None = None
    """of routers where `everything` is quantized, in groups of 64; None: as the rest"""
    expands_by_design: bool = False
    """its makers publish it to run with 16-bit activations where the GPU lacks its arithmetic"""
    trains_by_matrix: bool = False
    """adapters train on it, unpacking one matrix at a time (bitsandbytes)"""
    resident_multiple: tuple[int, int] | None = None
    """(intermediate, hidden) multiples to which GPU kernels pad an expert's matrices once loaded"""
    head_bits: float = 16.0
    family: Literal["float", "fp8", "int8", "int4", "fp4", "nf4", "gguf"]

    @property
    def is_quantized(self) -> bool:
        """Whether it takes fewer than 16 bits."""
        return self.bits < 16

    def loaded(self) -> WeightFormat:
        """The same weights as engines hold them on a GPU."""
        scale, zero, index = self.loaded_scale_bytes, self.loaded_zero_bits, self.loaded_index_bytes_per_input
        if scale is None and zero is None and index is None:
            return self
        return replace(
            self,
            scale_bytes=self.scale_bytes if scale is None else scale,
            zero_bits=self.zero_bits if zero is None else zero,
            index_bytes_per_input=self.index_bytes_per_input if index is None else index,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleFormat:
    """Modules of a checkpoint that are stored in a format of their own.

    `modules` are paths without `.weight`, with `{i}` where it holds for that module of every layer that has it, else
    one path per layer.
    """

    weights: WeightFormat
    modules: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class KvFormat:
    """How one element of the KV cache is stored. `packs_latents`: a latent of MLA takes its packed bytes instead."""

    id: str
    aliases: tuple[str, ...] = ()
    bytes_per_element: float
    compute: ComputeFormat
    packs_latents: bool = False
