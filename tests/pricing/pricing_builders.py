"""Deployments and offers for pricing tests."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any

import plan_samples as samples
from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.prices import load_prices
from llmplan.plan.deployment import Deployment, Parallelism, Purchase
from llmplan.plan.outcome import Quote, Rejection
from llmplan.plan.usage import ServerlessUsage
from llmplan.pricing import quote
from llmplan.spec.price import (
    HourlyOffer,
    PriceBook,
    Provider,
    ProviderTier,
    ServerlessOffer,
    Term,
    TokenOffer,
)
from llmplan.spec.provenance import Provenance, Source
from llmplan.spec.workload import Lengths, Limits, Workload

DAY = date(2026, 11, 22)
ROW = Provenance(
    source=Source(id="list", title="A price list", url="https://example.org/prices"), as_of=DAY, kind="published"
)
HOURS = 730


@cache
def packaged() -> PriceBook:
    """The prices that llmplan ships, as of the day they were collected."""
    return load_prices((packaged_profiles(),), DAY)


def deployment(
    kind: str,
    gpu_id: str = "h100-sxm-80gb",
    *,
    tp: int = 1,
    replicas: int = 1,
    terms: tuple[Term, ...] = (),
    **more: Any,
) -> Deployment:
    """A sized deployment; `node_gpus` GPUs per machine, `model_id` and `tdp_w` can be said."""
    model = samples.model(id=more.pop("model_id", "meta-llama/Llama-3.3-70B-Instruct"))
    gpu = samples.gpu(id=gpu_id, tdp_w=more.pop("tdp_w", None))
    host = samples.host(more.pop("node_gpus", 8))
    replica = samples.replica(model=model, gpu=gpu, host=host, parallel=Parallelism(tp=tp))
    return Deployment(
        strategy=more.pop("strategy", "dedicated"), model=model, replica=None if kind == "tokens" else replica,
        purchase=Purchase(kind=kind, terms=terms), levers=(), replicas=replicas, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def traffic(rate: float | None = 1.0, into: float = 1000, out: float = 300, **more: Any) -> Workload:
    """Fixed lengths at a mean rate."""
    return Workload(requests_per_s=rate, input_tokens=Lengths.fixed(into), output_tokens=Lengths.fixed(out), **more)


def usage(
    busy_s: float, idle_s: float = 0.0, start_s: float = 0.0, starts: float = 0.0, peak: int = 1
) -> ServerlessUsage:
    """Replica-seconds of a month."""
    return ServerlessUsage(
        mean_running_replicas=0.0, peak_replicas=peak, billed_replica_s_per_month=busy_s + idle_s + start_s,
        busy_replica_s_per_month=busy_s, idle_replica_s_per_month=idle_s, starting_replica_s_per_month=start_s,
        cold_start_s=60.0, cold_request_share=0.1, starts_per_month=starts,
    )  # fmt: skip


def bill(what: Deployment, limits: Limits | None = None, prices: PriceBook | None = None, **more: Any) -> Quote:
    """A quote that must exist."""
    workload = more.pop("workload", None) or traffic()
    found = quote(what, workload, limits or Limits(), prices or packaged(), **more)
    assert not isinstance(found, Rejection), found
    return found


def refusal(what: Deployment, limits: Limits | None = None, prices: PriceBook | None = None, **more: Any) -> Rejection:
    """A quote that must not exist."""
    workload = more.pop("workload", None) or traffic()
    found = quote(what, workload, limits or Limits(), prices or packaged(), **more)
    assert isinstance(found, Rejection), found
    return found


def hourly(provider: str, usd_per_hour: float, gpus: float = 1, **more: Any) -> HourlyOffer:
    """An offer of H100s."""
    fields: dict[str, Any] = {
        "instance": f"{gpus:g}x", "gpu_id": "h100-sxm-80gb", "region": "r1", "term": "on-demand",
        "from_date": DAY, "quality": "listed", "provenance": ROW,
    }  # fmt: skip
    return HourlyOffer(provider=provider, usd_per_hour=usd_per_hour, gpus=gpus, **(fields | more))


def per_second(provider: str, usd_per_gpu_s: float, **more: Any) -> ServerlessOffer:
    """A serverless offer of H100s whose price includes the host."""
    fields: dict[str, Any] = {
        "gpu_id": "h100-sxm-80gb", "mode": "worker", "scales_to_zero": True, "granularity_s": 1.0,
        "idle_window_s": None, "usd_per_vcpu_s": 0.0, "usd_per_gib_s": 0.0, "confidence": "high",
        "from_date": DAY, "provenance": ROW,
    }  # fmt: skip
    return ServerlessOffer(provider=provider, usd_per_gpu_s=usd_per_gpu_s, **(fields | more))


def per_token(provider: str, into: float, out: float, **more: Any) -> TokenOffer:
    """A token offer of Llama 3.3 70B."""
    fields: dict[str, Any] = {
        "model_id": "meta-llama/Llama-3.3-70B-Instruct", "listed_as": f"{provider}/llama", "from_date": DAY,
        "provenance": ROW,
    }  # fmt: skip
    return TokenOffer(provider=provider, input_usd_per_mtok=into, output_usd_per_mtok=out, **(fields | more))


def book(*offers: HourlyOffer | ServerlessOffer | TokenOffer, **tiers: ProviderTier) -> PriceBook:
    """A price book of these offers; sellers are plain clouds unless their tier is said."""
    names = {offer.provider for offer in offers}
    return PriceBook(
        providers={name: Provider(id=name, name=name, tier=tiers.get(name, "cloud")) for name in names},
        hourly=tuple(offer for offer in offers if isinstance(offer, HourlyOffer)),
        serverless=tuple(offer for offer in offers if isinstance(offer, ServerlessOffer)),
        tokens=tuple(offer for offer in offers if isinstance(offer, TokenOffer)),
        as_of=DAY,
    )
