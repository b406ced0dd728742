"""Dedicated GPU clusters: N replicas on rented or owned GPUs, sized for the peak at the SLO.

Proposes the checkpoint's own format, and FP8 where the GPU computes in FP8 natively: at the quality that has been
measured for it, that is how such clusters are run. Every other format is the quantized strategy's business.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmplan.plan.deployment import Deployment
from llmplan.strategies._base import Market, Strategy, purchase_lever, purchase_of
from llmplan.strategies._formats import format_lever, near_lossless_formats
from llmplan.strategies._replica import make_replica, max_replicas, setups
from llmplan.strategies._why import common_cause

ENGINES = ("vllm", "sglang", "tensorrt-llm")


def propose(market: Market) -> Iterator[Deployment]:
    """Every machine, layout and near-lossless format; the planner sizes the number of replicas."""
    for machine, engine, weights, parallel in setups(market, market.hourly, ENGINES, near_lossless_formats):
        yield Deployment(
            strategy="dedicated",
            model=market.model,
            replica=make_replica(market, machine, engine, parallel, weights),
            purchase=purchase_of(market),
            levers=(purchase_lever(market), *format_lever(market, weights)),
            max_replicas=max_replicas(machine, parallel),
        )


def why_none(market: Market) -> tuple[str, str]:
    """No machine, no engine, or no near-lossless format among those asked for."""
    cause = common_cause(market, ENGINES)
    return cause or (f"no layout of {market.model.id} goes on these GPUs", "name GPUs in groups of 1, 2, 4 or 8")


STRATEGY = Strategy(id="dedicated", title="Dedicated GPU cluster", propose=propose, why_none=why_none)
