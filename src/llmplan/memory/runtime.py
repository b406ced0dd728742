"""What an engine needs besides weights and cache: the activation peak, non-torch memory and CUDA graphs.

None of the three can be computed exactly, so each is a band: an 80 % interval read off start-up logs.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from llmplan.plan.deployment import Parallelism
from llmplan.spec.band import Band
from llmplan.spec.engine import KvPoolRule
from llmplan.spec.identity import remembered
from llmplan.spec.model import ModelSpec, MoeFeedForward
from llmplan.units import GIB, format_bytes

FP32_BYTES: Final = 4
HALF_BYTES: Final = 2
MICRO_BATCH_TOKENS: Final = 512
"""llama.cpp's physical batch (`--ubatch-size`); a smaller logical one lowers it."""
EXPERT_CHUNK_TOKENS: Final = 16384
"""vLLM runs its fused experts on this many tokens at a time."""
FORWARD_RATIOS: Final = (0.7, 1.6)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerLaw:
    """Copies of the fp32 logits alive at once in the sampler's warm-up, for engine versions from `since` on."""

    rule: KvPoolRule
    since: tuple[int, int]
    low: float
    mid: float
    high: float


SAMPLER_LAWS: Final = (
    SamplerLaw(rule="fraction_of_total", since=(0, 25), low=2.5, mid=4.3, high=5.6),
    SamplerLaw(rule="fraction_of_total", since=(0, 15), low=2.5, mid=5.6, high=10.3),
    SamplerLaw(rule="fraction_of_total", since=(0, 0), low=3.0, mid=10.0, high=10.3),
    SamplerLaw(rule="fraction_static", since=(0, 0), low=1.0, mid=2.0, high=4.0),
    SamplerLaw(rule="fraction_of_free", since=(0, 0), low=1.0, mid=2.0, high=4.0),
)
"""vLLM to 0.14: 20 logs (sorting all logits). Since then the sampler selects without a full sort: 2.5 to 5.6 in the
logs of late 2026; when that changed between is not known. Other engines: their buffers, assumed."""

CHARGED_GIB: Final = ((1, (0.03, 0.09, 0.25)), (2, (0.40, 0.55, 1.40)), (math.inf, (0.40, 0.90, 1.60)))
"""Non-torch memory that vLLM's profiling charges, by ranks of the replica: low, mid, high."""
CONTEXT_GIB: Final = ((1, (0.25, 0.50, 0.65)), (2, (0.60, 1.50, 1.60)), (math.inf, (1.50, 2.20, 2.50)))
"""CUDA context and communicator buffers that exist before profiling (vLLM does not charge them)."""
KERNELS_GIB: Final = (0.0, 1.5, 3.2)
"""What an engine that loads compiled kernels keeps besides (TensorRT-LLM: one log of 3.1 GiB on a Blackwell)."""

GRAPH_FIXED_GIB: Final = 0.15
GRAPH_LAYER_GIB: Final = 0.008
GRAPH_RANKS: Final = 0.7
GRAPH_RATIOS: Final = (0.35, 2.2)
MOST_GRAPHS: Final = 51


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSetting:
    """What the three depend on, besides the model."""

    rule: KvPoolRule
    version: tuple[int, int]
    max_num_batched_tokens: int
    max_num_seqs: int
    parallel: Parallelism
    graphs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A band [bytes] and how it came about."""

    size: Band
    formula: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeMemory:
    """The three parts on one GPU."""

    activation: Part
    non_torch: Part
    graphs: Part


def version_of(text: str) -> tuple[int, int]:
    """Major and minor of an engine version; anything else sorts as the newest.

    >>> version_of("0.33.0"), version_of("main")[0] > 1000
    ((0, 33), True)
    """
    match = re.match(r"v?(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (10**6, 0)


def micro_batch_tokens(max_num_batched_tokens: int) -> int:
    """Tokens that llama.cpp computes at once, whatever it takes in together.

    max_num_batched_tokens [tokens]: the logical batch. min(batch, 512). Valid for llama.cpp's default `--ubatch-size`.
    Reference: llama.cpp build 11434 common/common.h.

    >>> micro_batch_tokens(2048), micro_batch_tokens(128)
    (512, 128)
    """
    return min(max_num_batched_tokens, MICRO_BATCH_TOKENS)


@remembered
def runtime_memory(model: ModelSpec, setting: RuntimeSetting) -> RuntimeMemory:
    """All three parts for one model under one setting."""
    contiguous = setting.rule == "explicit_context"
    activation = compute_buffer(model) if contiguous else activation_peak(model, setting)
    return RuntimeMemory(
        activation=activation,
        non_torch=non_torch(setting.parallel.gpus, setting.rule),
        graphs=cuda_graphs(model, setting),
    )


def activation_peak(model: ModelSpec, setting: RuntimeSetting) -> Part:
    """Torch memory at the worst moment of a profiling step: the sampler or the forward pass.

    model: vocabulary and widths; setting: batch limits, ranks, engine version.
    max(copies x min(T, S) x vocabulary x 4 B, forward pass of T tokens).
    Valid for text models; vision encoders come on top. Reference: 20 start-up logs of vLLM 0.6 to 0.14 within 4 %.
    """
    rows = min(setting.max_num_batched_tokens, setting.max_num_seqs)
    law = next(law for law in SAMPLER_LAWS if law.rule == setting.rule and setting.version >= law.since)
    copy_bytes = rows * model.vocab_size * FP32_BYTES
    forward = forward_peak_bytes(model, setting.max_num_batched_tokens, setting.parallel)
    low = max(law.low * copy_bytes, FORWARD_RATIOS[0] * forward)
    mid = max(law.mid * copy_bytes, forward)
    high = max(law.high * copy_bytes, FORWARD_RATIOS[1] * forward)
    formula = (
        f"max(sampler {law.mid:g} × {rows} × {model.vocab_size} × 4 B = {format_bytes(law.mid * copy_bytes)}, "
        f"forward pass of {setting.max_num_batched_tokens} tokens = {format_bytes(forward)})"
    )
    return Part(size=Band(low=low, mid=mid, high=high), formula=formula)


def forward_peak_bytes(model: ModelSpec, tokens: int, parallel: Parallelism) -> float:
    """Activations alive in the widest layer of a forward pass [bytes].

    model: widths; tokens [tokens] in the step; parallel: ranks that cut them.
    16-bit: T (4 h + 3 I / tp) for a gated MLP; T' k (max(2 I_e / r, h) + I_e / r) more for fused experts, with
    T' = min(T, 16384) and r the ranks that cut an expert.
    Valid for compiled vLLM layers within a factor of 1.6. Reference: vLLM fused_moe workspaces.
    """
    residual = 4.0 * model.hidden_size * tokens
    widest = 0.0
    for group in model.layers:
        layer = group.feed_forward
        if isinstance(layer, MoeFeedForward):
            width = layer.expert_intermediate_size / (1 if parallel.ep else parallel.tp * parallel.dp)
            routed = min(tokens, EXPERT_CHUNK_TOKENS) * layer.experts_per_token
            widest = max(widest, routed * (max(2 * width, model.hidden_size) + width))
        else:
            widest = max(widest, 3.0 * tokens * layer.intermediate_size / parallel.tp)
    return HALF_BYTES * (residual + widest)


def compute_buffer(model: ModelSpec) -> Part:
    """llama.cpp's graph buffer per device with flash attention.

    model: vocabulary and width.
    512 x 4 B x (vocabulary + 2 hidden). Valid with `-fa on`, one device; a split over devices keeps copies.
    Reference: llama.cpp logs (Qwen3-30B-A3B 304.75 MiB, Qwen3-235B-A22B 312.75 MiB, both exact).

    """
    size = MICRO_BATCH_TOKENS * FP32_BYTES * (model.vocab_size + 2 * model.hidden_size)
    formula = f"{MICRO_BATCH_TOKENS} × 4 B × ({model.vocab_size} + 2 × {model.hidden_size})"
    return Part(size=Band.of(size, low_ratio=1.0, high_ratio=1.5), formula=formula)


def non_torch(ranks: int, rule: KvPoolRule) -> Part:
    """Memory outside the framework's allocator: communication buffers, and the CUDA context where it counts.

    ranks [GPUs] of the replica; rule: vLLM leaves out what existed before it measured, the others do not, and
    TensorRT-LLM loads its kernels besides.
    A table by ranks. Valid for NVIDIA cards; unified memory and ROCm need more. Reference: start-up logs.

    >>> non_torch(1, "fraction_of_total").size.mid < non_torch(4, "fraction_of_total").size.mid
    True
    """
    low, mid, high = next(figures for limit, figures in CHARGED_GIB if ranks <= limit)
    formula = f"{mid:g} GiB with {ranks} GPU{'s' if ranks > 1 else ''}"
    if rule != "fraction_of_total":
        extra = next(figures for limit, figures in CONTEXT_GIB if ranks <= limit)
        low, mid, high = low + extra[0], mid + extra[1], high + extra[2]
        formula += f" + {extra[1]:g} GiB CUDA context"
    if rule == "fraction_of_free":
        low, mid, high = low + KERNELS_GIB[0], mid + KERNELS_GIB[1], high + KERNELS_GIB[2]
        formula += f" + {KERNELS_GIB[1]:g} GiB kernels"
    return Part(size=Band(low=low * GIB, mid=mid * GIB, high=high * GIB), formula=formula)


def captured_sizes(max_num_seqs: int) -> int:
    """Batch sizes that vLLM captures a graph for: 1, 2, 4, 8..256 by 8, then by 16 to min(2 S, 512).

    max_num_seqs [sequences].
    Valid for vLLM 0.33 without speculation. Reference: vLLM 0.33 config/vllm.py.

    >>> captured_sizes(256), captured_sizes(8)
    (51, 5)
    """
    largest = min(2 * max_num_seqs, 512)
    small = sum(size <= largest for size in (1, 2, 4))
    return small + min(largest, 256) // 8 + max(0, largest - 256) // 16


def cuda_graphs(model: ModelSpec, setting: RuntimeSetting) -> Part:
    """Memory that captured decode graphs take, 0 where the engine runs eagerly or does not charge them.

    model: layers; setting: ranks and sequences.
    0.15 GiB + 0.008 GiB x layers x (1 + 0.7 log2 tp) x sizes / 51. Valid within 0.35 to 2.2 times; vLLM's own
    estimate misses by as much. Reference: 13 start-up logs.
    """
    if not setting.graphs:
        return Part(size=Band.exact(0.0), formula="0 (none captured inside the budget)")
    sizes, layers = captured_sizes(setting.max_num_seqs), math.ceil(model.layer_count / setting.parallel.pp)
    ranks = 1 + GRAPH_RANKS * math.log2(setting.parallel.tp)
    size = (GRAPH_FIXED_GIB + GRAPH_LAYER_GIB * layers * ranks * sizes / MOST_GRAPHS) * GIB
    formula = f"{GRAPH_FIXED_GIB} GiB + {GRAPH_LAYER_GIB} GiB × {layers} layers × {ranks:.3g} × {sizes}/{MOST_GRAPHS}"
    return Part(size=Band.of(size, low_ratio=GRAPH_RATIOS[0], high_ratio=GRAPH_RATIOS[1]), formula=formula)
