"""Multi-tenant serving: one fleet with paged KV blocks shared by all tenants, their prompts' common prefix cached
once, and their LoRA adapters loaded beside one copy of the base weights.

What sharing saves is shown by the planner against the same machines with one fleet per tenant.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmplan.plan.deployment import Deployment
from llmplan.spec.formats import WeightFormat
from llmplan.strategies._base import Market, Strategy, purchase_lever, purchase_of
from llmplan.strategies._formats import common_formats, format_lever
from llmplan.strategies._replica import make_replica, max_replicas, setups, tenancy_of
from llmplan.strategies._why import common_cause

ENGINES = ("vllm", "sglang")


def propose(market: Market) -> Iterator[Deployment]:
    """Every machine and layout that can hold the base model, its adapters and all tenants' blocks."""
    work = market.workload
    tenancy = tenancy_of(work)
    for machine, engine, weights, parallel in setups(market, market.hourly, ENGINES, common_formats):
        if work.adapters and not engine.multi_lora:
            continue
        yield Deployment(
            strategy="multi_tenant",
            model=market.model,
            replica=make_replica(market, machine, engine, parallel, weights, tenancy=tenancy),
            purchase=purchase_of(market),
            levers=levers(market, weights),
            max_replicas=max_replicas(machine, parallel),
        )


def levers(market: Market, weights: WeightFormat) -> tuple[str, ...]:
    """Names of the levers that are pulled."""
    work = market.workload
    used = ["shared paged KV"]
    used += [f"{work.tenants} tenants"] if work.tenants > 1 else []
    used += [f"{work.adapters} LoRA adapters"] if work.adapters else []
    used += ["shared prefix"] if work.prefix_share > 0 else []
    return (*used, *format_lever(market, weights), purchase_lever(market))


def why_none(market: Market) -> tuple[str, str]:
    """No machine, or no engine that shares a fleet."""
    cause = common_cause(market, ENGINES)
    if cause is None and market.workload.adapters:
        return "no engine within the limits serves many LoRA adapters on these GPUs", "--engine vllm"
    return cause or (f"no layout of {market.model.id} goes on these GPUs", "name GPUs in groups of 1, 2, 4 or 8")


STRATEGY = Strategy(id="multi_tenant", title="Multi-tenant fleet", propose=propose, why_none=why_none)
