"""Number formats of weights and KV cache: how many bytes an element takes and which arithmetic runs on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from llmplan.spec.provenance import Provenance

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
    `memory`.
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
    experts_only: bool = False
    expands_by_design: bool = False
    """its makers publish it to run with 16-bit activations where the GPU lacks its arithmetic"""
    resident_multiple: tuple[int, int] | None = None
    """(intermediate, hidden) multiples to which GPU kernels pad an expert's matrices once loaded"""
    head_bits: float = 16.0
    family: Literal["float", "fp8", "int8", "int4", "fp4", "nf4", "gguf"]

    @property
    def is_quantized(self) -> bool:
        """Whether it takes fewer than 16 bits."""
        return self.bits < 16


@dataclass(frozen=True, slots=True, kw_only=True)
class KvFormat:
    """How one element of the KV cache is stored."""

    id: str
    aliases: tuple[str, ...] = ()
    bytes_per_element: float
    compute: ComputeFormat


WEIGHT_FORMATS: tuple[WeightFormat, ...] = (
    WeightFormat(id="fp32", bits=32, compute="fp32", family="float", head_bits=32.0),
    WeightFormat(id="bf16", aliases=("bfloat16",), bits=16, compute="bf16", family="float"),
    WeightFormat(id="fp16", aliases=("float16", "half"), bits=16, compute="fp16", family="float"),
    WeightFormat(
        id="fp8", aliases=("fp8-tensor", "fp8_e4m3", "fp8-dynamic"), bits=8, compute="fp8",
        per_linear_bytes=8, family="fp8",
    ),
    WeightFormat(id="fp8-block", bits=8, compute="fp8", block=(128, 128), scale_bytes=4, family="fp8"),
    WeightFormat(id="int8", aliases=("w8a8", "int8-w8a8"), bits=8, compute="int8", scale_bytes=4, family="int8"),
    WeightFormat(
        id="bnb-int8", aliases=("llm-int8",), bits=8, compute="int8", scale_bytes=4, per_linear_bytes=1, family="int8",
    ),
    WeightFormat(
        id="gptq-int8", bits=8, compute="bf16", weight_only=True,
        group_size=128, scale_bytes=2, zero_bits=8, index_bytes_per_input=4, family="int8",
    ),
    WeightFormat(id="w8a16", bits=8, compute="bf16", weight_only=True, scale_bytes=2, family="int8"),
    WeightFormat(
        id="awq-int4", aliases=("awq",), bits=4, compute="bf16", weight_only=True,
        group_size=128, scale_bytes=2, zero_bits=4, family="int4",
    ),
    WeightFormat(
        id="gptq-int4", aliases=("gptq",), bits=4, compute="bf16", weight_only=True,
        group_size=128, scale_bytes=2, zero_bits=4, index_bytes_per_input=4, family="int4",
    ),
    WeightFormat(
        id="w4a16", aliases=("int4",), bits=4, compute="bf16", weight_only=True,
        group_size=128, scale_bytes=2, per_linear_bytes=16, family="int4",
    ),
    WeightFormat(id="nvfp4", bits=4, compute="fp4", group_size=16, scale_bytes=1, per_linear_bytes=8, family="fp4"),
    WeightFormat(
        id="mxfp4", bits=4, compute="fp4", group_size=32, scale_bytes=1, experts_only=True, expands_by_design=True,
        resident_multiple=(128, 256), family="fp4",
    ),
    WeightFormat(
        id="nf4", aliases=("bnb-nf4",), bits=4, compute="bf16", weight_only=True,
        group_size=64, scale_bytes=1.015625, per_linear_bytes=1258, family="nf4",
    ),
)  # fmt: skip


def _gguf(name: str, bits: float, head_bits: float = 6.5625) -> WeightFormat:
    """A GGUF file type: `bits` averages its mix over Llama-3.1-8B (llama.cpp, tools/quantize/README.md)."""
    return WeightFormat(
        id=f"gguf-{name}", aliases=(name,), bits=bits, head_bits=head_bits,
        compute="fp16", weight_only=True, family="gguf",
    )  # fmt: skip


GGUF_WEIGHT_FORMATS: tuple[WeightFormat, ...] = (
    _gguf("iq2_xxs", 2.3824, 5.5),
    _gguf("iq2_xs", 2.5882, 5.5),
    _gguf("iq2_m", 2.9294, 5.5),
    _gguf("q2_k", 3.1593),
    _gguf("iq3_xxs", 3.2548, 5.5),
    _gguf("q3_k_s", 3.6429),
    _gguf("iq3_m", 3.7628),
    _gguf("q3_k_m", 3.996),
    _gguf("q3_k_l", 4.2979),
    _gguf("iq4_xs", 4.4597),
    _gguf("q4_0", 4.6444),
    _gguf("q4_k_s", 4.6672),
    _gguf("iq4_nl", 4.6818),
    _gguf("q4_k_m", 4.8944),
    _gguf("q5_0", 5.5703),
    _gguf("q5_k_s", 5.5704),
    _gguf("q5_k_m", 5.7036),
    _gguf("q6_k", 6.5633),
    _gguf("q8_0", 8.5008, 8.5),
)
WEIGHT_FORMATS += GGUF_WEIGHT_FORMATS

KV_FORMATS: tuple[KvFormat, ...] = (
    KvFormat(id="bf16", aliases=("bfloat16",), bytes_per_element=2.0, compute="bf16"),
    KvFormat(id="fp16", aliases=("float16",), bytes_per_element=2.0, compute="fp16"),
    KvFormat(id="fp8", aliases=("fp8_e4m3",), bytes_per_element=1.0, compute="fp8"),
    KvFormat(id="int8", aliases=("int8_per_token_head",), bytes_per_element=1.0, compute="int8"),
    KvFormat(id="gguf-q8_0", aliases=("q8_0",), bytes_per_element=34 / 32, compute="fp16"),
    KvFormat(id="gguf-q4_0", aliases=("q4_0",), bytes_per_element=18 / 32, compute="fp16"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatQuality:
    """Measured relative quality change of a weight format (negative is a loss); None: no figure known."""

    relative_change: float | None
    worst_change: float | None = None
    measurements: int = 0
    provenance: tuple[Provenance, ...] = ()
