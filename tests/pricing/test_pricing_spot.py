"""Spot machines that are taken away: how many more carry the load all the same."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pricing_builders import HOURS, bill, book, deployment, hourly

from llmplan.pricing.select import Need, fit
from llmplan.pricing.spot import CARRIED, availability, interruptions_per_month, machines_for
from llmplan.spec.expenses import Expenses
from llmplan.spec.workload import Limits

ONLY_SPOT = Limits(terms=("spot",))
OFTEN = Expenses(spot_interruptions_per_month=30.0, clusters=0)


def there(machines: int, needed: int, share: Fraction) -> Fraction:
    """P(at least `needed` of `machines`), in exact numbers."""
    return sum(
        (
            math.comb(machines, up) * share**up * (1 - share) ** (machines - up)
            for up in range(needed, machines + 1)
        ),
        Fraction(0),
    )  # fmt: skip


@pytest.mark.parametrize("share", [Fraction(9, 10), Fraction(99, 100), Fraction(9966, 10000)])
@pytest.mark.parametrize("needed", [1, 2, 7, 40])
def test_one_machine_fewer_would_not_be_enough(needed: int, share: Fraction) -> None:
    found = machines_for(needed, float(share))
    assert there(found, needed, share) >= CARRIED
    assert found == needed or there(found - 1, needed, share) < CARRIED


def test_machines_that_are_always_there_need_no_others() -> None:
    assert machines_for(10_000, 1.0) == 10_000
    with pytest.raises(ValueError, match="share"):
        machines_for(1, 0.0)


def test_thousands_are_counted_quickly_and_plausibly() -> None:
    """A normal distribution with 3.09 standard deviations to spare."""
    found = machines_for(10_000, 0.9)
    assert found == pytest.approx((10_000 + 3.09 * math.sqrt(10_000 * 0.1 / 0.9)) / 0.9, rel=0.002)


def test_a_bucket_is_read_at_its_upper_end() -> None:
    assert interruptions_per_month("<5%") == pytest.approx(-math.log(0.95))
    assert interruptions_per_month("15-20%") == pytest.approx(-math.log(0.8))
    assert 1 - math.exp(-(interruptions_per_month("10-15%") or 0)) == pytest.approx(0.15)


def test_a_day_lost_a_month_is_a_thirtieth() -> None:
    assert availability(1.0, 730 * 3600) == 0.5
    assert availability(0.0, 1e9) == 1.0


def test_stand_ins_are_paid_and_named() -> None:
    """30 interruptions of 10 minutes: each machine is there 99.32 % of the time, and 4 at once 97.3 %."""
    prices = book(hourly("a", 1.0, term="spot"))
    wanted = deployment("hourly", replicas=4, terms=("spot",))
    share = 1 / (1 + 30 * 600 / (HOURS * 3600))

    found = bill(wanted, prices=prices, limits=ONLY_SPOT, expenses=OFTEN, replacement_s=600.0)

    assert there(5, 4, Fraction(share)) >= CARRIED > there(4, 4, Fraction(share))
    assert found.usd_per_month == pytest.approx(5 * HOURS)
    assert "1 of them stand in" in found.lines[0].note
    assert "30 times a month as stated" in found.lines[0].note
    assert "taken at once" in found.lines[0].note


def test_the_spare_replica_is_the_first_to_stand_in() -> None:
    prices = book(hourly("a", 1.0, term="spot"))
    wanted = deployment("hourly", replicas=4, terms=("spot",))
    found = bill(wanted, prices=prices, limits=ONLY_SPOT, expenses=OFTEN, replacement_s=600.0, carrying=3)
    assert found.usd_per_month == pytest.approx(4 * HOURS)
    assert "none added" in found.lines[0].note


def test_a_machine_of_eight_takes_its_replicas_with_it() -> None:
    prices = book(hourly("a", 8.0, gpus=8, term="spot"))
    wanted = deployment("hourly", tp=2, replicas=8, terms=("spot",))
    found = bill(wanted, prices=prices, limits=ONLY_SPOT, expenses=OFTEN, replacement_s=600.0)
    assert found.usd_per_month == pytest.approx(3 * 8 * HOURS)
    assert "GPUs stay unused" not in found.lines[0].note


@pytest.mark.parametrize(
    ("offer", "asked", "said"),
    [
        ({}, {"replacement_s": 600.0}, "nobody states (--spot-interruptions-per-month)"),
        ({"interruption": "<5%"}, {}, "nobody states how long"),
    ],
)
def test_where_something_is_not_known_nothing_is_added(
    offer: dict[str, str], asked: dict[str, float], said: str
) -> None:
    prices = book(hourly("a", 1.0, term="spot", **offer))
    wanted = deployment("hourly", replicas=40, terms=("spot",))
    found = bill(wanted, prices=prices, limits=ONLY_SPOT, expenses=Expenses(), **asked)
    assert found.usd_per_month == 40 * HOURS
    assert said in found.lines[0].note


@given(
    replicas=st.integers(1, 60), tp=st.sampled_from([1, 2, 4, 8]), per_month=st.floats(0, 500),
    recovery_s=st.floats(0, 3600), per_gpu=st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_never_fewer_than_asked_and_more_the_oftener(
    replicas: int, tp: int, per_month: float, recovery_s: float, per_gpu: bool
) -> None:
    offer = hourly("a", 1.0, gpus=1 if per_gpu else 8, per_gpu=per_gpu, term="spot")
    counts = []
    for often in (0.0, per_month, 2 * per_month):
        need = Need(
            gpu_id="h100-sxm-80gb", gpus_per_replica=tp, replicas=replicas, replacement_s=recovery_s,
            interruptions_per_month=often,
        )  # fmt: skip
        pick = fit(offer, need)
        assert pick is not None
        assert (pick.instances - pick.extra) * offer.gpus == need.gpus + pick.idle_gpus
        counts.append(pick.instances)
    assert counts == sorted(counts)
