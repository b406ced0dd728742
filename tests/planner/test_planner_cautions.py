"""What weakens an answer is said of the recommended row, and of the bills of the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from llmplan.plan.outcome import Option
from llmplan.planner import recommend
from llmplan.spec.catalog import Catalog
from llmplan.spec.inventory import Inventory, NodeGroup
from llmplan.spec.price import GLOBAL_REGION, STALE_PRICE_DAYS
from llmplan.units import format_usd
from tests_support import Ask

LLAMA_8B = "meta-llama/Llama-3.1-8B-Instruct"


def test_a_commitment_says_what_it_binds_to(catalog: Catalog, ask: Ask) -> None:
    asked = ask(
        LLAMA_8B, requests_per_s=200, ttft_p95_s=2, privacy="private", provider_ids=("aws",), terms=("reserved-3y",)
    )
    plan = recommend(asked, catalog)
    assert plan.chosen is not None
    owed = format_usd(36 * plan.chosen.quote.serving[0].usd_per_month)  # type: ignore[operator]
    assert f"it binds for 3 years: {owed} in all (--term on-demand does not)" in plan.warnings


def test_a_seller_of_one_price_for_everywhere_is_doubted_in_a_region(catalog: Catalog, ask: Ask) -> None:
    asked = ask(LLAMA_8B, requests_per_s=4, ttft_p95_s=2, privacy="private")
    anywhere = recommend(asked, catalog)
    there = recommend(replace(asked, limits=replace(asked.limits, regions=("europe-west4",))), catalog)
    assert not any("names no region" in warning for warning in anywhere.warnings)
    for name, row in there.outcomes.items():
        if isinstance(row, Option):
            figures = [line.figure for line in row.quote.serving if line.figure]
            vague = any(figure.region == GLOBAL_REGION for figure in figures)
            mine = [text for text in there.warnings if "no region in the price" in text]
            known = row.quote == there.chosen.quote if there.chosen else False
            said = any(text.startswith(figures[0].provider) if known else name in text for text in mine)
            assert said == vague


@pytest.mark.parametrize("days", [STALE_PRICE_DAYS, STALE_PRICE_DAYS + 1])
def test_old_prices_of_any_row_are_said(catalog: Catalog, ask: Ask, days: int) -> None:
    asked = ask(LLAMA_8B, requests_per_s=4, ttft_p95_s=2, privacy="private", gpu_ids=("h100-sxm-80gb",))
    plan = recommend(asked, catalog)
    row = plan.outcomes["serverless"]
    assert isinstance(row, Option)
    oldest = min(line.figure.as_of for line in row.quote.serving if line.figure and line.figure.as_of)
    later = replace(catalog, prices=replace(catalog.prices, as_of=oldest + timedelta(days=days)))
    said = recommend(asked, later).warnings
    assert any(f"prices from {oldest} are {days} days old" in text for text in said) == (days > STALE_PRICE_DAYS)


def test_idle_hardware_of_your_own_is_not_in_the_bill(catalog: Catalog, ask: Ask) -> None:
    has = Inventory(groups=(NodeGroup(nodes=2, gpus_per_node=8, gpu_id="h100-sxm-80gb"),))
    plan = recommend(ask(LLAMA_8B, requests_per_s=1, ttft_p95_s=2, inventory=has), catalog)
    assert plan.chosen is not None
    assert plan.chosen.deployment.gpus < 16
    used = plan.chosen.deployment.gpus
    assert any(text.startswith(f"the bill is for the {used} GPUs in use of your 16") for text in plan.warnings)
