"""Bills whose rate depends on the month's quantity."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pricing_builders import ROW, packaged

from llmplan.pricing.tiers import fact_usd, tiered_usd
from llmplan.spec.price import CostFact, PriceTier

RATES = st.floats(min_value=0.0, max_value=1.0)
WIDTHS = st.lists(st.floats(min_value=0.5, max_value=50_000.0), min_size=0, max_size=5)
QUANTITIES = st.floats(min_value=0.0, max_value=300_000.0)


@st.composite
def tier_lists(draw: st.DrawFn) -> tuple[PriceTier, ...]:
    ends, end = [], 0.0
    for width in draw(WIDTHS):
        end += width
        ends.append(end)
    return tuple(PriceTier(up_to=bound, usd=draw(RATES)) for bound in (*ends, None))


def of(seller: str) -> CostFact:
    return packaged().facts[f"{seller}.egress"]


@pytest.mark.parametrize(
    ("seller", "gb", "usd"),
    [
        ("aws", 100, 0.0),
        ("aws", 1_000, 900 * 0.09),
        ("aws", 60_000, 9_900 * 0.09 + 40_000 * 0.085 + 10_000 * 0.07),
        ("aws", 200_000, 9_900 * 0.09 + 40_000 * 0.085 + 100_000 * 0.07 + 50_000 * 0.05),
        ("azure", 20_000, 9_900 * 0.087 + 10_000 * 0.083),
        ("gcp", 20_000, 1_000 * 0.12 + 9_000 * 0.11 + 10_000 * 0.08),
        ("oci", 10_000, 0.0),
        ("oci", 50_000, 40_000 * 0.0085),
        ("lambda", 50_000, 0.0),
    ],
)
def test_egress_of_a_month_by_hand(seller: str, gb: float, usd: float) -> None:
    assert fact_usd(gb, of(seller)) == pytest.approx(usd, abs=0.005)


@given(tier_lists(), QUANTITIES, QUANTITIES)
def test_more_never_costs_less(tiers: tuple[PriceTier, ...], first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert tiered_usd(low, tiers) <= tiered_usd(high, tiers) + 1e-9


@given(tier_lists(), QUANTITIES)
def test_a_little_more_costs_a_little_more(tiers: tuple[PriceTier, ...], quantity: float) -> None:
    """Continuous: over a step no more than the step at the dearest rate, at every end of a tier too."""
    dearest = max(tier.usd for tier in tiers)
    for start in (quantity, *(tier.up_to for tier in tiers if tier.up_to)):
        rise = tiered_usd(start + 1e-3, tiers) - tiered_usd(max(0.0, start - 1e-3), tiers)
        assert -1e-6 <= rise <= dearest * 2e-3 + 1e-6


@given(tier_lists(), QUANTITIES)
def test_the_whole_is_the_sum_of_its_parts(tiers: tuple[PriceTier, ...], quantity: float) -> None:
    ends = [0.0, *(tier.up_to for tier in tiers if tier.up_to), float("inf")]
    parts = [
        tier.usd * (min(quantity, end) - start)
        for tier, (start, end) in zip(tiers, pairwise(ends), strict=True)
        if quantity > start
    ]
    assert tiered_usd(quantity, tiers) == pytest.approx(sum(parts), rel=1e-9, abs=1e-9)


@given(QUANTITIES, RATES)
def test_one_rate_is_a_multiplication(quantity: float, rate: float) -> None:
    tier = PriceTier(up_to=None, usd=rate)
    plain = CostFact(id="x", value=rate, unit="USD/GB", provenance=ROW)
    assert tiered_usd(quantity, (tier,)) == fact_usd(quantity, plain) == quantity * rate


def test_nothing_costs_nothing() -> None:
    assert [tiered_usd(quantity, of("gcp").tiers) for quantity in (0.0, -5.0)] == [0.0, 0.0]
