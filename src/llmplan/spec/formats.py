"""Number formats of weights and KV cache: how many bytes an element takes and which arithmetic runs on it."""

from __future__ import annotations

from llmplan.spec.format_quality import FormatQuality, QualityFigure, QualityStatement, SpeedFigure, cache_key
from llmplan.spec.weight_format import ComputeFormat, KvFormat, ModuleFormat, WeightFormat

__all__ = [
    "GGUF_WEIGHT_FORMATS",
    "KV_FORMATS",
    "WEIGHT_FORMATS",
    "ComputeFormat",
    "FormatQuality",
    "KvFormat",
    "ModuleFormat",
    "QualityFigure",
    "QualityStatement",
    "SpeedFigure",
    "WeightFormat",
    "cache_key",
]


def _gptq(bits: int) -> WeightFormat:
    """GPTQ stores zeros and the order of inputs also where they say nothing; kernels then do without."""
    return WeightFormat(
        id=f"gptq-int{bits}", aliases=("gptq",) if bits == 4 else (), bits=bits, compute="bf16", weight_only=True,
        group_size=128, scale_bytes=2, zero_bits=bits, index_bytes_per_input=4, loaded_index_bytes_per_input=0,
        loaded_zero_bits=0 if bits in (4, 8) else None, family="int8" if bits == 8 else "int4",
    )  # fmt: skip


def _hqq(bits: int) -> WeightFormat:
    """HQQ: a 16-bit scale and zero per group; ten 3-bit weights share 32 bits."""
    return WeightFormat(
        id=f"hqq-int{bits}", aliases=("hqq",) if bits == 4 else (), bits=3.2 if bits == 3 else bits, compute="bf16",
        weight_only=True, group_size=64, scale_bytes=2, zero_bits=16, family="int8" if bits == 8 else "int4",
    )  # fmt: skip


def _mlx(bits: int) -> WeightFormat:
    """MLX affine: a 16-bit scale and bias per group of 64, embedding and head too, routers in 8 bit."""
    return WeightFormat(
        id=f"mlx-{bits}bit", aliases=(f"mlx-int{bits}",), bits=bits, compute="fp16", weight_only=True, group_size=64,
        scale_bytes=4, everything=True, router_bits=8, head_bits=bits + 0.5, family="int8" if bits == 8 else "int4",
    )  # fmt: skip


WEIGHT_FORMATS: tuple[WeightFormat, ...] = (
    WeightFormat(id="fp32", bits=32, compute="fp32", family="float", head_bits=32.0),
    WeightFormat(id="bf16", aliases=("bfloat16",), bits=16, compute="bf16", family="float"),
    WeightFormat(id="fp16", aliases=("float16", "half"), bits=16, compute="fp16", family="float"),
    WeightFormat(
        id="fp8", aliases=("fp8-tensor", "fp8_e4m3", "fp8-dynamic"), bits=8, compute="fp8",
        per_linear_bytes=8, family="fp8",
    ),
    WeightFormat(id="fp8-block", bits=8, compute="fp8", block=(128, 128), scale_bytes=4, family="fp8"),
    WeightFormat(id="mxfp8", bits=8, compute="fp8", group_size=32, scale_bytes=1, family="fp8"),
    WeightFormat(id="int8", aliases=("w8a8", "int8-w8a8"), bits=8, compute="int8", scale_bytes=4, family="int8"),
    WeightFormat(
        id="bnb-int8", aliases=("llm-int8",), bits=8, compute="int8", scale_bytes=4, per_linear_bytes=1, family="int8",
        trains_by_matrix=True,
    ),
    _gptq(8),
    WeightFormat(
        id="w8a16", bits=8, compute="bf16", weight_only=True, scale_bytes=2, per_linear_bytes=16, family="int8",
    ),
    WeightFormat(
        id="awq-int4", aliases=("awq",), bits=4, compute="bf16", weight_only=True,
        group_size=128, scale_bytes=2, zero_bits=4, family="int4",
    ),
    _gptq(4),
    _gptq(3),
    _gptq(2),
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
        id="nf4", aliases=("bnb-nf4",), bits=4, compute="bf16", weight_only=True, group_size=64,
        scale_bytes=1.015625, loaded_scale_bytes=4, per_linear_bytes=1260, family="nf4", trains_by_matrix=True,
    ),
    WeightFormat(
        id="bnb-fp4", bits=4, compute="bf16", weight_only=True, group_size=64, scale_bytes=4, per_linear_bytes=146,
        family="nf4", trains_by_matrix=True,
    ),
    *(_hqq(bits) for bits in (8, 4, 3, 2)),
    *(_mlx(bits) for bits in (8, 6, 5, 4, 3, 2)),
    WeightFormat(
        id="mlx-mxfp4", bits=4, compute="fp16", weight_only=True, group_size=32, scale_bytes=1, everything=True,
        router_bits=8, head_bits=4.25, family="int4",
    ),
    WeightFormat(
        id="mlx-nvfp4", bits=4, compute="fp16", weight_only=True, group_size=16, scale_bytes=1, everything=True,
        router_bits=8, head_bits=4.5, family="int4",
    ),
)  # fmt: skip


def _gguf(name: str, bits: float, head_bits: float = 6.5625) -> WeightFormat:
    """A GGUF file type: `bits` averages its mix over Llama-3.1-8B (llama.cpp, tools/quantize/README.md; types that are
    not in that table by the mix itself)."""
    return WeightFormat(
        id=f"gguf-{name}", aliases=(name,) if name not in _TAKEN else (), bits=bits, head_bits=head_bits,
        compute="fp16", weight_only=True, family="gguf",
    )  # fmt: skip


_TAKEN = frozenset(name for known in WEIGHT_FORMATS for name in (known.id, *known.aliases))

GGUF_WEIGHT_FORMATS: tuple[WeightFormat, ...] = (
    _gguf("tq1_0", 2.1914),
    _gguf("iq1_s", 2.0042, 5.5),
    _gguf("iq1_m", 2.146, 5.5),
    _gguf("tq2_0", 2.5173),
    _gguf("iq2_xxs", 2.3824, 5.5),
    _gguf("iq2_xs", 2.5882, 5.5),
    _gguf("iq2_s", 2.7403, 5.5),
    _gguf("iq2_m", 2.9294, 5.5),
    _gguf("q2_k_s", 2.9697),
    _gguf("q2_k", 3.1593),
    _gguf("iq3_xxs", 3.2548, 5.5),
    _gguf("iq3_xs", 3.4977),
    _gguf("q3_k_s", 3.6429),
    _gguf("iq3_s", 3.6606),
    _gguf("iq3_m", 3.7628),
    _gguf("q3_k_m", 3.996),
    _gguf("q3_k_l", 4.2979),
    _gguf("iq4_xs", 4.4597),
    _gguf("q4_0", 4.6358),
    _gguf("q4_k_s", 4.6672),
    _gguf("iq4_nl", 4.6818),
    _gguf("q4_k_m", 4.8944),
    _gguf("q4_1", 5.1031),
    _gguf("q5_0", 5.5703),
    _gguf("q5_k_s", 5.5704),
    _gguf("q5_k_m", 5.7036),
    _gguf("q5_1", 6.0377),
    _gguf("q6_k", 6.5633),
    _gguf("mxfp4_moe", 8.5008, 8.5),
    _gguf("q8_0", 8.5008, 8.5),
    _gguf("f16", 16.0005, 16.0),
    _gguf("bf16", 16.0005, 16.0),
)
WEIGHT_FORMATS += GGUF_WEIGHT_FORMATS

KV_FORMATS: tuple[KvFormat, ...] = (
    KvFormat(id="bf16", aliases=("bfloat16",), bytes_per_element=2.0, compute="bf16"),
    KvFormat(id="fp16", aliases=("float16",), bytes_per_element=2.0, compute="fp16"),
    KvFormat(id="fp8", aliases=("fp8_e4m3",), bytes_per_element=1.0, compute="fp8"),
    KvFormat(id="fp8-ds-mla", aliases=("fp8_ds_mla",), bytes_per_element=1.0, compute="fp8", packs_latents=True),
    KvFormat(id="int8", aliases=("int8_per_token_head",), bytes_per_element=1.0, compute="int8"),
    KvFormat(id="gguf-q8_0", aliases=("q8_0",), bytes_per_element=34 / 32, compute="fp16"),
    KvFormat(id="gguf-q4_0", aliases=("q4_0",), bytes_per_element=18 / 32, compute="fp16"),
)
