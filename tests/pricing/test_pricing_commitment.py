"""What commitments bind to, from the sellers' own figures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pricing_builders import HOURS, bill, book, deployment, hourly, packaged

from llmplan.pricing import break_even_months, committed_usd, committed_years, flexible_twin, upfront_usd
from llmplan.spec.price import HourlyOffer, Term
from llmplan.spec.workload import Limits


def committed() -> list[HourlyOffer]:
    return [offer for offer in packaged().hourly if committed_years(offer.term)]


def test_azure_is_owed_what_its_reservation_costs() -> None:
    (azure,) = (offer for offer in committed() if offer.provider == "azure")
    assert committed_usd(azure.usd_per_hour * HOURS, 3) == pytest.approx(1_109_592, abs=1)
    assert upfront_usd(azure.usd_per_hour * HOURS, 3, azure.upfront) == pytest.approx(1_109_592, abs=1)


@pytest.mark.parametrize(
    ("term", "usd_per_hour", "months"),
    [("reserved-1y", 32.36, 12 * 32.36 / 55.04), ("reserved-3y", 20.695, 36 * 20.695 / 55.04)],
)
def test_aws_pays_after_so_many_months(term: Term, usd_per_hour: float, months: float) -> None:
    wanted = deployment("hourly", tp=8, terms=(term,))
    line = bill(wanted, Limits(provider_ids=("aws",), terms=(term,))).lines[0]

    assert break_even_months(usd_per_hour * HOURS, 55.04 * HOURS, committed_years(term)) == pytest.approx(months)
    owed = usd_per_hour * 8760 * committed_years(term)
    assert f"${owed:,.0f} in all, paid in advance" in line.note
    tenths = float(line.note.partition("needed for ")[2].split()[0])
    assert months <= tenths < months + 0.1


def test_needed_for_just_as_long_costs_the_same() -> None:
    months = break_even_months(400.0, 700.0, 3)
    assert months is not None
    assert months * 700.0 == pytest.approx(committed_usd(400.0, 3))


def test_a_commitment_that_costs_more_never_pays() -> None:
    wanted = deployment("hourly", terms=("reserved-1y",))
    prices = book(hourly("a", 2.0), hourly("a", 2.5, term="reserved-1y"))

    assert "never cheaper than on demand" in bill(wanted, prices=prices).lines[0].note
    assert break_even_months(2.5, 2.0, 1) is None
    assert break_even_months(2.0, 2.0, 1) is None


def test_the_twin_is_the_same_machine_first_in_the_same_region() -> None:
    bound = hourly("a", 1.0, gpus=8, region="r1", term="reserved-1y")
    here, cheaper, other = (hourly("a", usd, gpus=8, region=where) for usd, where in ((3, "r1"), (2, "r2"), (1, "r3")))
    larger, stranger = replace(other, instance="16x", gpus=16), replace(other, provider="b")

    assert flexible_twin(bound, book(bound, here, cheaper, larger, stranger)) == here
    assert flexible_twin(bound, book(bound, cheaper, larger, stranger)) == cheaper
    assert flexible_twin(bound, book(bound, larger, stranger)) is None


def test_without_a_price_on_demand_only_the_debt_is_said() -> None:
    wanted = deployment("hourly", terms=("reserved-3y",))
    note = bill(wanted, prices=book(hourly("a", 1.0, term="reserved-3y", upfront="partial"))).lines[0].note
    assert note == "a commitment of 3 years, $26,280 in all, partly paid in advance"
