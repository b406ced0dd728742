"""Hybrid CPU/GPU: part of the weights in host RAM, so that a model beyond VRAM runs at all, at a stated loss of speed.

Two ways: llama.cpp computes some layers on the CPU (the host's memory bandwidth bounds them), vLLM streams some
weights over PCIe every step. Only machines whose GPU cannot hold the model are proposed: where it fits, offloading
only costs speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from llmplan import memory
from llmplan.plan.deployment import Deployment, EngineSettings, Offload, Parallelism
from llmplan.plan.hosts import share_of
from llmplan.spec.engine import EngineSpec
from llmplan.spec.formats import WeightFormat
from llmplan.strategies._base import Machine, Market, Strategy, purchase_lever, purchase_of
from llmplan.strategies._formats import allowed_formats, kv_format_for, native_format, runs_format
from llmplan.strategies._replica import make_replica, max_replicas, planned_context_tokens, settings_for
from llmplan.strategies._why import common_cause

ENGINES = ("llama-cpp", "vllm")
LAYER_FORMATS = ("gguf-q4_k_m", "gguf-q8_0")
SLOTS = (1, 4, 16)
"""parallel sequences of a llama.cpp server: each takes its own share of the context"""
STREAM_SEQS = 64
"""sequences over which one streamed pass of the weights is amortised"""
MOST_REPLICAS = 32
"""offloading is for running at all: a larger fleet of it is never the answer"""
GPU_ROOM_FOR_CACHE = 0.8
"""share of the memory budget that weights may take when the rest of them is streamed"""


def propose(market: Market) -> Iterator[Deployment]:
    """Layer splits first, then weight streaming, on every machine where the model does not fit the GPU."""
    for whole in market.hourly:
        machine = share_of_host(whole)
        engine = market.engine_for(machine.gpu, preferred=("llama-cpp",))
        if engine is not None:
            yield from layer_splits(market, machine, engine)
        engine = market.engine_for(machine.gpu, preferred=("vllm",))
        if engine is not None:
            yield from weight_streams(market, machine, engine)


def share_of_host(machine: Machine) -> Machine:
    """One GPU with its equal share of the host's memory, bandwidth and cores: a hybrid replica leans on the host."""
    if machine.host.gpus <= 1:
        return machine
    return replace(machine, host=share_of(machine.host, 1), network_known=False)


def layer_splits(market: Market, machine: Machine, engine: EngineSpec) -> Iterator[Deployment]:
    """llama.cpp with as many layers on the GPU as fit beside their cache."""
    formats = tuple(market.weight_formats[name] for name in LAYER_FORMATS)
    base = settings_for(engine, machine.gpu, market.model, market.workload)
    context_tokens = planned_context_tokens(market.workload, market.model)
    for weights in allowed_formats(market, formats):
        for slots in SLOTS:
            settings = replace(base, max_num_seqs=slots)
            on_gpu = memory.layers_on_gpu(
                model=market.model,
                weight_format=weights,
                kv_format=market.kv_formats["fp16"],
                gpu=machine.gpu,
                engine=engine,
                context_tokens=context_tokens,
                slots=slots,
                max_num_batched_tokens=settings.max_num_batched_tokens,
            )
            on_host = market.model.layer_count - on_gpu
            if on_host > 0:
                offload = Offload(kind="layers", host_layers=on_host)
                yield deployment(market, machine, engine, weights, offload, settings)


def weight_streams(market: Market, machine: Machine, engine: EngineSpec) -> Iterator[Deployment]:
    """vLLM with the weights that do not fit kept in pinned host memory and read over PCIe every step."""
    weights = native_format(market, machine.gpu, engine)
    if not engine.host_weights or not allowed_formats(market, (weights,)):
        return
    if not runs_format(engine, machine.gpu, weights):
        return
    resident = memory.resident_weight_bytes_per_gpu(market.model, weights, Parallelism(), engine)
    room = GPU_ROOM_FOR_CACHE * engine.memory_fraction * machine.gpu.memory_bytes
    if resident <= room:
        return
    settings = settings_for(engine, machine.gpu, market.model, market.workload)
    settings = replace(settings, max_num_seqs=min(settings.max_num_seqs, STREAM_SEQS))
    offload = Offload(kind="weights", host_weight_bytes=int(resident - room))
    yield deployment(market, machine, engine, weights, offload, settings)


def deployment(
    market: Market,
    machine: Machine,
    engine: EngineSpec,
    weights: WeightFormat,
    offload: Offload,
    settings: EngineSettings,
) -> Deployment:
    """One replica per GPU: a hybrid replica shares its host's memory with nobody."""
    kv = market.kv_formats["fp16"] if offload.kind == "layers" else kv_format_for(market, machine.gpu)
    replica = make_replica(market, machine, engine, Parallelism(), weights, kv=kv, offload=offload, settings=settings)
    return Deployment(
        strategy="hybrid_offload",
        model=market.model,
        replica=replica,
        purchase=purchase_of(market),
        levers=levers(market, weights, offload),
        max_replicas=min(MOST_REPLICAS, max_replicas(machine, Parallelism()) or MOST_REPLICAS),
    )


def levers(market: Market, weights: WeightFormat, offload: Offload) -> tuple[str, ...]:
    """Names of the levers that are pulled."""
    if offload.kind == "layers":
        used = [f"{offload.host_layers} of {market.model.layer_count} layers on the CPU"]
    else:
        share = offload.host_weight_bytes / max(memory.checkpoint_bytes(market.model, weights), 1)
        used = [f"{share:.0%} of the weights streamed from host RAM"]
    used += [f"{weights.id} weights"] if weights.id != market.model.checkpoint_format else []
    return (*used, purchase_lever(market))


def why_none(market: Market) -> tuple[str, str]:
    """No machine, no engine that offloads, or the model fits."""
    return common_cause(market, ENGINES) or (
        "the model fits every GPU within the limits, so offloading would only cost speed",
        "name a smaller GPU, for example --gpu t4-16gb",
    )


STRATEGY = Strategy(id="hybrid_offload", title="Hybrid CPU/GPU", propose=propose, why_none=why_none)
