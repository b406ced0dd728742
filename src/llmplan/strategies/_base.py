"""What every strategy shares: the market it may draw on, and how it pays.

A strategy is a finite generator of deployments that pulls one lever. It never prices or times anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from llmplan.plan.deployment import Deployment, Purchase, StrategyId
from llmplan.spec.engine import EngineSpec
from llmplan.spec.formats import KvFormat, WeightFormat
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.host import HostSpec
from llmplan.spec.inventory import NodeGroup
from llmplan.spec.model import ModelSpec
from llmplan.spec.workload import Question, Workload


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
        capability = gpu.compute_capability
        if capability is None:
            return None
        for engine_id in preferred:
            engine = self.engines.get(engine_id)
            if engine is not None and engine.has_kernels_for(capability):
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


def purchase_of(market: Market) -> Purchase:
    """Machines by the hour on the terms that the user allows, or the user's own."""
    return Purchase(kind="owned") if market.owned else Purchase(kind="hourly", terms=market.question.limits.terms)


def purchase_lever(market: Market) -> str:
    """The lever's name for how machines are paid."""
    return "own GPUs" if market.owned else "rented by the hour"


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
