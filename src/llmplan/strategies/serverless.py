"""Serverless on demand: a hosted API by the token, or GPUs by the second that scale to zero.

Two honest costs come with it: an API's latency is stated by nobody, and a GPU that scales to zero starts cold.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmplan.plan.deployment import Deployment, Purchase
from llmplan.spec.formats import WeightFormat
from llmplan.strategies._base import Market, Strategy
from llmplan.strategies._formats import common_formats, format_lever
from llmplan.strategies._replica import make_replica, setups

ENGINES = ("vllm", "sglang")


def propose(market: Market) -> Iterator[Deployment]:
    """The hosted API, then every per-second GPU: scaled to zero, and with one worker kept warm."""
    if market.token_api:
        yield Deployment(
            strategy="serverless",
            model=market.model,
            replica=None,
            purchase=Purchase(kind="tokens"),
            levers=("hosted API by the token",),
        )
    for machine, engine, weights, parallel in setups(market, market.serverless, ENGINES, common_formats):
        if parallel.ep:
            continue
        replica = make_replica(market, machine, engine, parallel, weights)
        for keep_warm in (0, 1):
            yield Deployment(
                strategy="serverless",
                model=market.model,
                replica=replica,
                purchase=Purchase(kind="serverless", keep_warm=keep_warm),
                levers=levers(market, weights, keep_warm),
            )


def levers(market: Market, weights: WeightFormat, keep_warm: int) -> tuple[str, ...]:
    """Names of the levers that are pulled."""
    scaling = "one worker kept warm" if keep_warm else "scale to zero"
    return ("GPU by the second", scaling, *format_lever(market, weights))


def why_none(market: Market) -> tuple[str, str]:
    """Nothing may be rented by the second or by the token."""
    limits = market.question.limits
    if market.owned or limits.privacy == "air-gapped":
        return (
            "only own hardware may be used, and it does not scale to zero",
            "drop --have, --local or --privacy air-gapped",
        )
    return (
        "no hosted API and no per-second GPU within the limits is in the price data",
        "drop --gpu, --provider or --privacy",
    )


STRATEGY = Strategy(id="serverless", title="Serverless on demand", propose=propose, why_none=why_none)
