"""Quantization: the same machines with fewer bits per weight, in the formats that the GPU and engine really run.

The quality cost is not judged here: the planner looks up what was measured for the format and says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmplan.plan.deployment import Deployment
from llmplan.spec.engine import EngineSpec
from llmplan.spec.formats import KvFormat, WeightFormat
from llmplan.spec.gpu import GpuSpec
from llmplan.strategies._base import Machine, Market, Strategy, purchase_lever, purchase_of
from llmplan.strategies._formats import allowed_formats, kv_format_for, really_runs, runs_format
from llmplan.strategies._replica import make_replica, max_replicas, setups
from llmplan.strategies._why import common_cause

ENGINES = ("vllm", "sglang", "tensorrt-llm")
FORMATS = ("fp8", "int8", "w8a16", "awq-int4", "gptq-int4", "w4a16", "nvfp4")
"""What a 16-bit checkpoint is commonly converted to for GPU serving; a format keeps its own engine rules."""


def propose(market: Market) -> Iterator[Deployment]:
    """Every machine, layout and quantized format that the engine accepts on that GPU, with each cache it has."""
    for machine, engine, weights, parallel in setups(market, market.hourly, ENGINES, formats):
        for kv in kv_formats(market, machine, engine, weights):
            yield Deployment(
                strategy="quantized",
                model=market.model,
                replica=make_replica(market, machine, engine, parallel, weights, kv=kv),
                purchase=purchase_of(market),
                levers=levers(market, weights, kv),
                max_replicas=max_replicas(machine, parallel),
            )


def formats(market: Market, gpu: GpuSpec, engine: EngineSpec) -> tuple[WeightFormat, ...]:
    """The checkpoint's own quantized format, and formats with fewer bits, that run on this GPU, fewest bits last.

    One that the engine accepts but cannot compute in is proposed only when it is asked for by name.
    """
    own = market.weight_formats[market.model.checkpoint_format]
    asked = market.question.limits.weight_formats
    smaller = (market.weight_formats[name] for name in FORMATS if market.weight_formats[name].bits < own.bits)
    choices = ((own,) if own.is_quantized else ()) + tuple(smaller)
    runnable = (
        each
        for each in choices
        if really_runs(engine, gpu, each) or (each.id in asked and runs_format(engine, gpu, each))
    )
    return allowed_formats(market, tuple(runnable))


def kv_formats(market: Market, machine: Machine, engine: EngineSpec, weights: WeightFormat) -> tuple[KvFormat, ...]:
    """The 16-bit cache, and FP8 blocks where the engine has a kernel for them on this GPU."""
    plain = kv_format_for(market, machine.gpu)
    support = engine.kv_formats.get("fp8")
    capability = machine.gpu.compute_capability
    if market.question.limits.kv_formats or support is None or capability is None or not support.runs_on(capability):
        return (plain,)
    return (plain, market.kv_formats["fp8"]) if support.native_on(capability) else (plain,)


def levers(market: Market, weights: WeightFormat, kv: KvFormat) -> tuple[str, ...]:
    """Names of the levers that are pulled."""
    used = [f"{weights.id} weights"]
    used += ["fp8 KV cache"] if kv.bytes_per_element < 2 else []
    return (*used, purchase_lever(market))


def why_none(market: Market) -> tuple[str, str]:
    """No machine, no engine, or no smaller format that runs."""
    own = market.model.checkpoint_format
    return common_cause(market, ENGINES) or (
        f"the checkpoint is {own}, and no smaller format runs on a GPU within the limits",
        "llmplan catalog list formats",
    )


STRATEGY = Strategy(id="quantized", title="Quantization", propose=propose, why_none=why_none)
