"""Multi-tenant serving: one fleet with paged KV blocks shared by all tenants, their prompts' common prefix cached
once, and their LoRA adapters loaded beside one copy of the base weights.

What sharing saves is shown by the planner against the same machines with one fleet per tenant.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmplan.plan.deployment import Deployment, Purchase, Tenancy
from llmplan.spec.engine import EngineSpec
from llmplan.spec.formats import WeightFormat
from llmplan.spec.gpu import GpuSpec
from llmplan.strategies._base import (
    Market,
    Strategy,
    allowed_formats,
    layouts,
    make_replica,
    max_replicas,
    native_format,
    runs_format,
    runs_natively,
)

ENGINES = ("vllm", "sglang")


def propose(market: Market) -> Iterator[Deployment]:
    """Every machine and layout that can hold the base model, its adapters and all tenants' blocks."""
    work = market.workload
    tenancy = Tenancy(
        tenants=work.tenants, adapters=work.adapters, lora_rank=work.lora_rank, prefix_share=work.prefix_share
    )
    purchase = Purchase(kind="owned") if market.owned else Purchase(kind="hourly", terms=market.question.limits.terms)
    for machine in market.hourly:
        engine = market.engine_for(machine.gpu, preferred=ENGINES)
        if engine is None or (work.adapters and not engine.multi_lora):
            continue
        for weights in formats(market, machine.gpu, engine):
            for parallel in layouts(market.model, machine):
                yield Deployment(
                    strategy="multi_tenant",
                    model=market.model,
                    replica=make_replica(market, machine, engine, parallel, weights, tenancy=tenancy),
                    purchase=purchase,
                    levers=levers(market, weights),
                    max_replicas=max_replicas(machine, parallel),
                )


def formats(market: Market, gpu: GpuSpec, engine: EngineSpec) -> tuple[WeightFormat, ...]:
    """The checkpoint's format, native FP8, and 4-bit: what the base weights leave is the tenants' KV pool."""
    own = native_format(market, gpu)
    choices = [own]
    if not own.is_quantized:
        fp8, int4 = market.weight_formats["fp8"], market.weight_formats["awq-int4"]
        choices += [fp8] if runs_natively(engine, gpu, fp8) else []
        choices += [int4] if runs_format(engine, gpu, int4) else []
    return allowed_formats(market, tuple(choices))


def levers(market: Market, weights: WeightFormat) -> tuple[str, ...]:
    """Names of the levers that are pulled."""
    work = market.workload
    used = ["shared paged KV"]
    used += [f"{work.tenants} tenants"] if work.tenants > 1 else []
    used += [f"{work.adapters} LoRA adapters"] if work.adapters else []
    used += ["shared prefix"] if work.prefix_share > 0 else []
    if weights.is_quantized and weights.id != market.model.checkpoint_format:
        used.append(f"{weights.id} weights")
    used.append("own GPUs" if market.owned else "rented by the hour")
    return tuple(used)


def why_none(market: Market) -> tuple[str, str]:
    """No engine that shares a fleet runs within the limits."""
    if market.workload.adapters:
        return "no engine within the limits serves many LoRA adapters on these GPUs", "--engine vllm"
    return "no GPU within the limits runs an engine with paged KV", "drop --gpu, --provider or --region"


STRATEGY = Strategy(id="multi_tenant", title="Multi-tenant fleet", propose=propose, why_none=why_none)
