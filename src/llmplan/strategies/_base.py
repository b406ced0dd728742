"""What every strategy shares: the market it may draw on, and how a replica is laid out on a kind of GPU.

A strategy is a finite generator of deployments that pulls one lever. It never prices or times anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from llmplan.plan.deployment import (
    Deployment,
    EngineSettings,
    Offload,
    Parallelism,
    Replica,
    StrategyId,
    Tenancy,
)
from llmplan.spec.engine import EngineSpec
from llmplan.spec.formats import KvFormat, WeightFormat
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.host import HostSpec
from llmplan.spec.inventory import NodeGroup
from llmplan.spec.model import ModelSpec
from llmplan.spec.workload import Question, Workload

CONTEXT_STEP_TOKENS = 1024
"""Context limits are rounded up to this: room for a chat template and a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A kind of GPU in a kind of host, with how many GPUs there are of it (None: as many as one pays for)."""

    gpu: GpuSpec
    host: HostSpec
    gpus_available: int | None = None
    network_known: bool = False
    """whether replicas may span hosts: only over a network whose speed somebody states"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What a question may be answered with, narrowed to the user's limits before any strategy sees it."""

    question: Question
    model: ModelSpec
    hourly: tuple[Machine, ...]
    serverless: tuple[Machine, ...]
    engines: Mapping[str, EngineSpec]
    weight_formats: Mapping[str, WeightFormat]
    kv_formats: Mapping[str, KvFormat]
    token_api: bool

    @property
    def owned(self) -> bool:
        """Whether the hardware is the user's own."""
        return self.question.limits.inventory is not None

    @property
    def workload(self) -> Workload:
        """The traffic asked about."""
        return self.question.workload

    def engine_for(self, gpu: GpuSpec, *, preferred: tuple[str, ...]) -> EngineSpec | None:
        """The first preferred engine that is allowed and has kernels for the GPU."""
        for engine_id in preferred:
            engine = self.engines.get(engine_id)
            if engine is not None and runs_on(engine, gpu):
                return engine
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One lever: its id, what to call it, and its generator of deployments."""

    id: StrategyId
    title: str
    propose: Callable[[Market], Iterator[Deployment]]
    why_none: Callable[[Market], tuple[str, str]]
    """reason and fix when nothing can be proposed at all"""


def runs_on(engine: EngineSpec, gpu: GpuSpec) -> bool:
    """Whether the published build has kernels for this GPU's compute capability."""
    capability = gpu.compute_capability
    if capability is None:
        return False
    if engine.compute_capabilities:
        return capability in engine.compute_capabilities
    return capability >= engine.min_compute_capability


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
    sizes = [tp for tp in (1, 2, 4, 8) if tp <= machine.host.gpus and model.query_heads % tp == 0]
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


def kv_format_for(market: Market, model: ModelSpec, weights: WeightFormat, gpu: GpuSpec) -> KvFormat:
    """The 16-bit cache that goes with the activations' type on this GPU."""
    asked = market.question.limits.kv_formats
    if asked:
        return market.kv_formats[asked[0]]
    name = "fp16" if model.dtype == "fp16" or not gpu.supports("bf16") else "bf16"
    return market.kv_formats[name]


def native_format(market: Market, gpu: GpuSpec) -> WeightFormat:
    """The checkpoint's own format: fp32 is served in 16 bit, and 16-bit floats as fp16 where the GPU has no bf16."""
    own = market.model.checkpoint_format
    if own == "fp32":
        own = "bf16"
    if own == "bf16" and not gpu.supports("bf16"):
        own = "fp16"
    return market.weight_formats[own]


def allowed_formats(market: Market, formats: tuple[WeightFormat, ...]) -> tuple[WeightFormat, ...]:
    """Those that the user's `--weights` leaves in, without repeats."""
    asked = market.question.limits.weight_formats
    seen: dict[str, WeightFormat] = {}
    for weight_format in formats:
        if not asked or weight_format.id in asked:
            seen.setdefault(weight_format.id, weight_format)
    return tuple(seen.values())


def runs_natively(engine: EngineSpec, gpu: GpuSpec, weight_format: WeightFormat) -> bool:
    """Whether the engine runs the format on this GPU with the format's own arithmetic."""
    support = engine.weight_formats.get(weight_format.id)
    capability = gpu.compute_capability
    if support is None or capability is None or not support.runs_on(capability):
        return False
    return support.native_from is not None and capability >= support.native_from


def runs_format(engine: EngineSpec, gpu: GpuSpec, weight_format: WeightFormat) -> bool:
    """Whether the engine accepts the format on this GPU at all."""
    support = engine.weight_formats.get(weight_format.id)
    capability = gpu.compute_capability
    return support is not None and capability is not None and support.runs_on(capability)


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
    """A replica with every setting written out."""
    return Replica(
        model=market.model,
        gpu=machine.gpu,
        host=machine.host,
        engine=engine,
        parallel=parallel,
        weights=weights,
        kv=kv or kv_format_for(market, market.model, weights, machine.gpu),
        settings=settings or settings_for(engine, machine.gpu, market.model, market.workload),
        offload=offload,
        tenancy=tenancy,
    )


def max_replicas(machine: Machine, parallel: Parallelism) -> int | None:
    """How many such replicas the hardware at hand takes; whole hosts first, since a TP group stays inside one."""
    if machine.gpus_available is None:
        return None
    if parallel.gpus <= machine.host.gpus:
        hosts = machine.gpus_available // machine.host.gpus
        rest = machine.gpus_available % machine.host.gpus
        return hosts * (machine.host.gpus // parallel.gpus) + rest // parallel.gpus
    return machine.gpus_available // parallel.gpus


def host_from_inventory(group: NodeGroup, template: HostSpec, network_bytes_per_s: float | None) -> HostSpec:
    """The user's own machine: a catalogue host with what is stated about this one put in."""
    fast_link = template.fast_link_gpus if group.fast_link is None else (group.gpus_per_node if group.fast_link else 0)
    return replace(
        template,
        gpus=group.gpus_per_node,
        memory_bytes=template.memory_bytes if group.host_memory_bytes is None else group.host_memory_bytes,
        memory_bandwidth_bytes_per_s=group.host_memory_bandwidth_bytes_per_s or template.memory_bandwidth_bytes_per_s,
        fast_link_gpus=min(fast_link, group.gpus_per_node),
        network_bytes_per_s=network_bytes_per_s,
    )
