"""Serverless on demand: a hosted API by the token, or GPUs by the second that scale to zero.

Two honest costs come with it: an API's latency is stated by nobody, and a GPU that scales to zero starts cold.
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
    native_format,
    runs_format,
    runs_natively,
)

ENGINES = ("vllm", "sglang")
FORMATS = ("fp8", "awq-int4")
MAX_GPUS_PER_WORKER = 8


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
    for machine in market.serverless:
        engine = market.engine_for(machine.gpu, preferred=ENGINES)
        if engine is None:
            continue
        for weights in formats(market, machine.gpu, engine):
            for parallel in layouts(market.model, machine):
                if parallel.gpus > MAX_GPUS_PER_WORKER or parallel.ep:
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


def formats(market: Market, gpu: GpuSpec, engine: EngineSpec) -> tuple[WeightFormat, ...]:
    """The checkpoint's format, native FP8, and 4-bit: less to load means a shorter cold start."""
    own = native_format(market, gpu)
    choices = [own]
    if not own.is_quantized:
        fp8, int4 = (market.weight_formats[name] for name in FORMATS)
        choices += [fp8] if runs_natively(engine, gpu, fp8) else []
        choices += [int4] if runs_format(engine, gpu, int4) else []
    return allowed_formats(market, tuple(choices))


def levers(market: Market, weights: WeightFormat, keep_warm: int) -> tuple[str, ...]:
    """Names of the levers that are pulled."""
    used = ["GPU by the second", "one worker kept warm" if keep_warm else "scale to zero"]
    if weights.is_quantized and weights.id != market.model.checkpoint_format:
        used.append(f"{weights.id} weights")
    return tuple(used)


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
