"""Which number formats a strategy may propose on a GPU: what the engine runs there, and what the user leaves in."""

from __future__ import annotations

from llmplan.spec.engine import EngineSpec
from llmplan.spec.formats import KvFormat, WeightFormat
from llmplan.spec.gpu import GpuSpec
from llmplan.strategies._base import Market


def runs_natively(engine: EngineSpec, gpu: GpuSpec, weight_format: WeightFormat) -> bool:
    """Whether the engine runs the format on this GPU with the format's own arithmetic."""
    support = engine.weight_formats.get(weight_format.id)
    capability = gpu.compute_capability
    if support is None or capability is None or not support.runs_on(capability):
        return False
    return support.native_on(capability)


def runs_format(engine: EngineSpec, gpu: GpuSpec, weight_format: WeightFormat) -> bool:
    """Whether the engine accepts the format on this GPU at all."""
    support = engine.weight_formats.get(weight_format.id)
    capability = gpu.compute_capability
    return support is not None and capability is not None and support.runs_on(capability)


def really_runs(engine: EngineSpec, gpu: GpuSpec, weights: WeightFormat) -> bool:
    """Accepted by the engine, and with the format's own arithmetic unless it is meant to be expanded to 16 bit.

    FP8 on a GPU without FP8 tensor cores is half the bytes and none of the speed: not what FP8 stands for.
    """
    if not runs_format(engine, gpu, weights):
        return False
    return weights.weight_only or weights.expands_by_design or runs_natively(engine, gpu, weights)


def sixteen_bit(market: Market, gpu: GpuSpec) -> WeightFormat:
    """The 16-bit float of the checkpoint's kind; fp16 where the GPU has no bf16."""
    own = market.model.checkpoint_format
    name = own if own in ("bf16", "fp16") else market.model.dtype
    return market.weight_formats["bf16" if name != "fp16" and gpu.supports("bf16") else "fp16"]


def native_format(market: Market, gpu: GpuSpec, engine: EngineSpec) -> WeightFormat:
    """What the checkpoint is served in: its own format where the GPU really runs it, else expanded to 16 bit.

    A GGUF file is what it is: engines that do not read it are not given other weights.
    """
    own = market.weight_formats[market.model.checkpoint_format]
    if own.family == "gguf":
        return own
    return own if own.is_quantized and really_runs(engine, gpu, own) else sixteen_bit(market, gpu)


def allowed_formats(market: Market, formats: tuple[WeightFormat, ...]) -> tuple[WeightFormat, ...]:
    """Those that the user's `--weights` leaves in, without repeats."""
    asked = market.question.limits.weight_formats
    seen: dict[str, WeightFormat] = {}
    for weight_format in formats:
        if not asked or weight_format.id in asked:
            seen.setdefault(weight_format.id, weight_format)
    return tuple(seen.values())


def near_lossless_formats(market: Market, gpu: GpuSpec, engine: EngineSpec) -> tuple[WeightFormat, ...]:
    """The checkpoint's format, and FP8 where a 16-bit checkpoint meets a GPU that computes in FP8."""
    own, fp8 = native_format(market, gpu, engine), market.weight_formats["fp8"]
    published = market.weight_formats[market.model.checkpoint_format]
    converts = not published.is_quantized and runs_natively(engine, gpu, fp8)
    choices = (own, fp8) if converts else (own,)
    return allowed_formats(market, choices)


def common_formats(market: Market, gpu: GpuSpec, engine: EngineSpec) -> tuple[WeightFormat, ...]:
    """The near-lossless formats and, for a 16-bit checkpoint, 4-bit AWQ where the engine runs it."""
    own, int4 = market.weight_formats[market.model.checkpoint_format], market.weight_formats["awq-int4"]
    choices = near_lossless_formats(market, gpu, engine)
    if own.is_quantized or not runs_format(engine, gpu, int4):
        return choices
    return (*choices, *allowed_formats(market, (int4,)))


def kv_format_for(market: Market, gpu: GpuSpec) -> KvFormat:
    """The 16-bit cache that goes with the activations' type on this GPU; FP8 for compressed latents, which have no
    other."""
    asked = market.question.limits.kv_formats
    if asked:
        return market.kv_formats[asked[0]]
    if market.model.compresses_latents:
        return market.kv_formats["fp8"]
    name = "fp16" if market.model.dtype == "fp16" or not gpu.supports("bf16") else "bf16"
    return market.kv_formats[name]


def format_lever(market: Market, weights: WeightFormat) -> tuple[str, ...]:
    """The lever's name for weights in fewer bits than the checkpoint's."""
    converted = weights.is_quantized and weights.id != market.model.checkpoint_format
    return (f"{weights.id} weights",) if converted else ()
