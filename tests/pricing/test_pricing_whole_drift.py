"""A stored bill with all that comes beside its machines, against the prices of its day, and against moved ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pricing_builders import bill, deployment, packaged, traffic

from llmplan.plan.outcome import Option
from llmplan.pricing import moved_prices
from llmplan.spec.expenses import Expenses, Ownership
from llmplan.spec.workload import Limits

SAID = Expenses(
    owned=Ownership(people_usd_per_month=500.0), engineering_hours_per_month=1.0, engineering_usd_per_hour=100.0
)


def option(kind: str, gpu_id: str, provider: str = "", rate: float = 300.0) -> Option:
    """Three replicas with every line that there can be; 300 requests/s go through three tiers of egress."""
    wanted = deployment(kind, gpu_id, replicas=3, terms=("on-demand",) if kind == "hourly" else ())
    more: dict[str, Any] = {"expenses": SAID, "checkpoint_bytes": 10**10, "workload": traffic(rate)}
    quote = bill(wanted, Limits(provider_ids=(provider,) if provider else ()), **more)
    return Option(deployment=wanted, memory=None, estimate=None, quote=quote, quality=None)


CASES = [
    ("hourly", "l4-24gb", "aws"), ("hourly", "h100-sxm-80gb", "hyperstack"), ("hourly", "a10-24gb", "oci"),
    ("serverless", "h100-sxm-80gb", "modal"), ("owned", "h200-sxm-141gb", ""),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "gpu_id", "provider"), CASES)
def test_nothing_moved_while_nothing_moved(kind: str, gpu_id: str, provider: str) -> None:
    assert moved_prices([option(kind, gpu_id, provider)], packaged()) == ()


def test_a_rate_of_others_moves_with_their_median() -> None:
    prices = packaged()
    dearer = {name: replace(fact, value=2 * fact.value) for name, fact in prices.facts.items() if "load-bal" in name}
    (moved,) = moved_prices(
        [option("hourly", "h100-sxm-80gb", "hyperstack")], replace(prices, facts={**prices.facts, **dearer})
    )
    assert (moved.planned.value, moved.now.value) == pytest.approx((0.02375, 0.0475))


def test_a_tier_that_moved_is_named() -> None:
    prices = packaged()
    fact = prices.facts["aws.egress"]
    tiers = tuple(replace(tier, usd=0.06 if tier.usd == 0.07 else tier.usd) for tier in fact.tiers)
    found = moved_prices(
        [option("hourly", "l4-24gb", "aws")],
        replace(prices, facts={**prices.facts, "aws.egress": replace(fact, tiers=tiers)}),
    )
    assert [(each.planned.value, each.now.value) for each in found] == [(0.07, 0.06)]
