"""Dedicated GPU clusters: N replicas on rented or owned GPUs, sized for the peak at the SLO.

Proposes the checkpoint's own format, and FP8 where the GPU computes in FP8 natively: at the quality that has been
measured for it, that is how such clusters are run. Every other format is the quantized strategy's business.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmplan.plan.deployment import Deployment, Purchase
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
    runs_natively,
)

ENGINES = ("vllm", "sglang", "tensorrt-llm")


def propose(market: Market) -> Iterator[Deployment]:
    """Every machine, layout and near-lossless format; the planner sizes the number of replicas."""
    purchase = Purchase(kind="owned") if market.owned else Purchase(kind="hourly", terms=market.question.limits.terms)
    for machine in market.hourly:
        engine = market.engine_for(machine.gpu, preferred=ENGINES)
        if engine is None:
            continue
        for weights in formats(market, machine.gpu, engine):
            for parallel in layouts(market.model, machine):
                yield Deployment(
                    strategy="dedicated",
                    model=market.model,
                    replica=make_replica(market, machine, engine, parallel, weights),
                    purchase=purchase,
                    levers=levers(market, weights),
                    max_replicas=max_replicas(machine, parallel),
                )


def formats(market: Market, gpu: GpuSpec, engine: EngineSpec) -> tuple[WeightFormat, ...]:
    """The checkpoint's format, and FP8 where a 16-bit checkpoint meets a GPU that computes in FP8."""
    own = native_format(market, gpu)
    choices = [own]
    fp8 = market.weight_formats["fp8"]
    if not own.is_quantized and runs_natively(engine, gpu, fp8):
        choices.append(fp8)
    return allowed_formats(market, tuple(choices))


def levers(market: Market, weights: WeightFormat) -> tuple[str, ...]:
    """Names of the levers that are pulled."""
    used = ["own GPUs" if market.owned else "rented by the hour"]
    if weights.is_quantized and weights.id != market.model.checkpoint_format:
        used.append(f"{weights.id} weights")
    return tuple(used)


def why_none(market: Market) -> tuple[str, str]:
    """No machine is left within the limits."""
    if market.owned:
        return "none of the GPUs at hand runs an engine that is allowed", "llmplan catalog list engines"
    return (
        "no GPU within the limits is offered by the hour in the price data",
        "drop --gpu, --provider or --region, or add --include-marketplaces",
    )


STRATEGY = Strategy(id="dedicated", title="Dedicated GPU cluster", propose=propose, why_none=why_none)
