"""How one replica is laid out on a machine, with every setting written out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from llmplan.plan.deployment import EngineSettings, Offload, Parallelism, Replica, Tenancy
from llmplan.spec.engine import EngineSpec
from llmplan.spec.formats import KvFormat, WeightFormat
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.model import ModelSpec
from llmplan.spec.workload import Workload
from llmplan.strategies._base import Machine, Market
from llmplan.strategies._formats import kv_format_for

CONTEXT_STEP_TOKENS = 1024
"""Context limits are rounded up to this: room for a chat template and a sentence."""


def longest_request_tokens(workload: Workload) -> int:
    """Input plus output of the longest request to admit [tokens]: as stated, else at the 99th percentile."""
    if workload.context_tokens is not None:
        return workload.context_tokens
    longest_in = workload.input_tokens.p99 or workload.input_tokens.mean
    longest_out = workload.output_tokens.p99 or workload.output_tokens.mean
    return math.ceil(longest_in + longest_out)


def planned_context_tokens(workload: Workload, model: ModelSpec) -> int:
    """The context limit to launch with: the longest request rounded up, within what the model can do."""
    wanted = longest_request_tokens(workload)
    rounded = math.ceil(wanted / CONTEXT_STEP_TOKENS) * CONTEXT_STEP_TOKENS
    return min(rounded, model.max_context_tokens)


def settings_for(engine: EngineSpec, gpu: GpuSpec, model: ModelSpec, workload: Workload) -> EngineSettings:
    """The engine's own defaults for this GPU, written out, with the context that the workload needs."""
    scheduler = engine.scheduler_default(gpu.memory_bytes, gpu.architecture)
    return EngineSettings(
        max_model_len=planned_context_tokens(workload, model),
        max_num_seqs=scheduler.max_num_seqs,
        max_num_batched_tokens=max(scheduler.max_num_batched_tokens, scheduler.max_num_seqs),
        memory_fraction=engine.memory_fraction,
        block_tokens=engine.block_tokens,
    )


def layouts(model: ModelSpec, machine: Machine) -> Iterator[Parallelism]:
    """Ways to lay one replica over GPUs, smallest first: TP inside a host, PP across hosts, EP for experts.

    TP must divide the query heads; a replica spans hosts only over a network whose speed is known.
    """
    sizes = [tp for tp in (1, 2, 4, 8) if tp <= machine.host.gpus and model.divisible_heads % tp == 0]
    limit = machine.gpus_available
    for tp in sizes:
        if limit is None or tp <= limit:
            yield Parallelism(tp=tp)
            if model.is_moe and tp > 1:
                yield Parallelism(tp=tp, ep=True)
    if machine.network_known and sizes and sizes[-1] == machine.host.gpus:
        for stages in (2, 4):
            layout = Parallelism(tp=sizes[-1], pp=stages)
            if (limit is None or layout.gpus <= limit) and stages <= model.layer_count:
                yield layout


def max_replicas(machine: Machine, parallel: Parallelism) -> int | None:
    """How many such replicas the hardware at hand takes; whole hosts first, since a TP group stays inside one."""
    if machine.gpus_available is None:
        return None
    if parallel.gpus <= machine.host.gpus:
        hosts = machine.gpus_available // machine.host.gpus
        rest = machine.gpus_available % machine.host.gpus
        return hosts * (machine.host.gpus // parallel.gpus) + rest // parallel.gpus
    return machine.gpus_available // parallel.gpus


def tenancy_of(workload: Workload) -> Tenancy:
    """The tenants of the traffic, their adapters and the prompt prefix that they share."""
    return Tenancy(
        tenants=workload.tenants,
        adapters=workload.adapters,
        lora_rank=workload.lora_rank,
        prefix_share=workload.prefix_share,
    )


def make_replica(
    market: Market,
    machine: Machine,
    engine: EngineSpec,
    parallel: Parallelism,
    weights: WeightFormat,
    *,
    kv: KvFormat | None = None,
    offload: Offload | None = None,
    tenancy: Tenancy | None = None,
    settings: EngineSettings | None = None,
) -> Replica:
    """A replica with every setting written out. Whatever the strategy, the adapters asked for are served beside it."""
    return Replica(
        model=market.model,
        gpu=machine.gpu,
        host=machine.host,
        engine=engine,
        parallel=parallel,
        weights=weights,
        kv=kv or kv_format_for(market, machine.gpu),
        settings=settings or settings_for(engine, machine.gpu, market.model, market.workload),
        offload=offload,
        tenancy=tenancy or (tenancy_of(market.workload) if market.workload.adapters else None),
    )


def setups(
    market: Market,
    machines: tuple[Machine, ...],
    engines: tuple[str, ...],
    formats: Callable[[Market, GpuSpec, EngineSpec], tuple[WeightFormat, ...]],
) -> Iterator[tuple[Machine, EngineSpec, WeightFormat, Parallelism]]:
    """Every machine with the first engine that runs on it, every format that goes with both, every layout."""
    for machine in machines:
        engine = market.engine_for(machine.gpu, preferred=engines)
        if engine is None:
            continue
        for weights in formats(market, machine.gpu, engine):
            for parallel in layouts(market.model, machine):
                yield machine, engine, weights, parallel
