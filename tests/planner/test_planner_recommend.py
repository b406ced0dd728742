"""The planner's promises: five rows, no flattery, limits respected, nothing that cannot be traced."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmplan.errors import UsageError
from llmplan.plan.deployment import STRATEGY_IDS
from llmplan.plan.document import from_document, to_document
from llmplan.plan.outcome import Option, Rejection
from llmplan.planner import recommend
from llmplan.spec.catalog import Catalog
from llmplan.spec.workload import Lengths
from tests_support import Ask, options_of, with_gpus

LLAMA_8B = "meta-llama/Llama-3.1-8B-Instruct"
LLAMA_70B = "meta-llama/Llama-3.3-70B-Instruct"
FEW_GPUS = ("l4-24gb", "a10g-24gb", "h100-sxm-80gb")
SLOW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def with_extra_offer(catalog: Catalog, **changes: object) -> Catalog:
    """The catalogue with one offer more: a copy of the cheapest L4 offer, changed."""
    prices = catalog.prices
    pattern = min(
        (
            offer
            for offer in prices.hourly
            if offer.gpu_id == "l4-24gb" and offer.instance == "g6.xlarge" and offer.term == "on-demand"
        ),
        key=lambda offer: offer.usd_per_hour,
    )
    offer = replace(pattern, **changes)  # type: ignore[arg-type]
    return Catalog(
        gpus=catalog.gpus, hosts=catalog.hosts, engines=catalog.engines, models=catalog.models,
        workloads=catalog.workloads, calibrations=catalog.calibrations, qualities=catalog.qualities,
        prices=replace(prices, hourly=(*prices.hourly, offer)),
    )  # fmt: skip


def test_five_rows_in_order_and_a_recommended_option(catalog: Catalog, ask: Ask) -> None:
    plan = recommend(ask(LLAMA_8B, requests_per_s=5, ttft_p95_s=2.0, tpot_p95_s=0.05, privacy="private"), catalog)
    assert tuple(plan.outcomes) == STRATEGY_IDS
    assert plan.chosen is not None
    assert plan.chosen.meets_slo
    assert plan.reasons
    for row in plan.outcomes.values():
        if isinstance(row, Rejection):
            assert row.reason
            assert row.fix


def test_the_estimate_keeps_what_the_option_claims(catalog: Catalog, ask: Ask) -> None:
    question = ask(LLAMA_8B, requests_per_s=5, ttft_p95_s=2.0, tpot_p95_s=0.05)
    for option in options_of(recommend(question, catalog)):
        if option.estimate is not None and option.meets_slo:
            assert option.estimate.ttft_p95_s <= 2.0
            assert option.estimate.tpot_p95_s <= 0.05
            assert option.estimate.utilization <= question.limits.max_utilization + 1e-6
            assert not option.estimate.saturated


def test_every_dollar_has_a_provider_a_region_a_term_and_a_source(catalog: Catalog, ask: Ask) -> None:
    plan = recommend(ask(LLAMA_70B, requests_per_s=3, ttft_p95_s=2.0), catalog)
    for option in options_of(plan):
        assert sum(line.usd_per_month or 0 for line in option.quote.lines) == pytest.approx(option.quote.usd_per_month)
        for line in option.quote.lines:
            if line.usd_per_month:
                assert line.figure is not None, line
                assert line.figure.provider
                assert line.figure.region
                assert line.figure.term
                assert line.figure.source


def test_figures_carry_their_sources(catalog: Catalog, ask: Ask) -> None:
    plan = recommend(ask(LLAMA_8B, requests_per_s=5), catalog)
    chosen = plan.outcomes["dedicated"]
    assert isinstance(chosen, Option)
    assert chosen.deployment.replica is not None
    gpu = chosen.deployment.replica.gpu.id
    paths = {figure.path for figure in plan.figures}
    assert {f"gpus/{gpu}/memory_bytes", f"gpus/{gpu}/memory_bandwidth_bytes_per_s"} <= paths
    assert all(figure.provenance.source.title for figure in plan.figures)


def test_limits_are_kept(catalog: Catalog, ask: Ask) -> None:
    question = ask(
        LLAMA_8B, requests_per_s=2, gpu_ids=("h100-sxm-80gb", "a10-24gb"), provider_ids=("aws", "lambda"),
        privacy="private",
    )  # fmt: skip
    for option in options_of(recommend(question, catalog)):
        assert option.deployment.replica is not None
        assert option.deployment.replica.gpu.id in ("h100-sxm-80gb", "a10-24gb")
        for line in option.quote.serving:
            assert line.figure is None or line.figure.provider in ("aws", "lambda")


def test_over_the_budget_is_a_rejection_with_the_price(catalog: Catalog, ask: Ask) -> None:
    plan = recommend(ask(LLAMA_70B, requests_per_s=3, privacy="private", max_usd_per_month=50.0), catalog)
    assert plan.recommended is None
    row = plan.outcomes["dedicated"]
    assert isinstance(row, Rejection)
    assert "budget" in row.reason
    assert row.available == "$50.00 a month"


def test_a_dominated_offer_changes_nothing(catalog: Catalog, ask: Ask) -> None:
    question = ask(LLAMA_8B, requests_per_s=4, ttft_p95_s=2.0, gpu_ids=FEW_GPUS)
    before = recommend(question, catalog)
    after = recommend(question, with_extra_offer(catalog, usd_per_hour=99.0, instance="a worse machine"))
    assert after.recommended == before.recommended
    for name in STRATEGY_IDS:
        old, new = before.outcomes[name], after.outcomes[name]
        if isinstance(old, Option):
            assert isinstance(new, Option)
            assert new.quote.usd_per_month == old.quote.usd_per_month
            assert new.deployment == old.deployment


def test_a_cheaper_offer_is_taken(catalog: Catalog, ask: Ask) -> None:
    question = ask(LLAMA_8B, requests_per_s=1, ttft_p95_s=2.0, gpu_ids=("l4-24gb",))
    plan = recommend(question, with_extra_offer(catalog, usd_per_hour=0.01, instance="a gift"))
    row = plan.outcomes["dedicated"]
    assert isinstance(row, Option)
    assert row.quote.lines[0].usd_per_month == pytest.approx(0.01 * 730 * row.deployment.gpus)


@SLOW
@given(rate=st.floats(0.05, 20), factor=st.floats(1.0, 4.0))
def test_more_load_never_costs_less_on_one_kind_of_gpu(catalog: Catalog, ask: Ask, rate: float, factor: float) -> None:
    def cost(requests_per_s: float) -> float:
        question = ask(
            LLAMA_8B, requests_per_s=requests_per_s, ttft_p95_s=2.0, gpu_ids=("l4-24gb",), terms=("on-demand",)
        )
        row = recommend(question, catalog).outcomes["dedicated"]
        assert isinstance(row, Option)
        return row.quote.usd_per_month

    assert cost(rate * factor) >= cost(rate) * (1 - 1e-9)


@SLOW
@given(
    rate=st.floats(0.01, 50), isl=st.integers(16, 6000), osl=st.integers(1, 1500),
    ttft=st.one_of(st.none(), st.floats(0.05, 10)), tenants=st.integers(1, 5),
)  # fmt: skip
def test_any_question_answers_with_five_rows_and_survives_the_document(
    catalog: Catalog, ask: Ask, rate: float, isl: int, osl: int, ttft: float | None, tenants: int
) -> None:
    question = ask(LLAMA_8B, requests_per_s=rate, isl=isl, osl=osl, ttft_p95_s=ttft, tenants=tenants, gpu_ids=FEW_GPUS)
    plan = recommend(question, catalog)
    assert tuple(plan.outcomes) == STRATEGY_IDS
    assert from_document(to_document(plan)) == plan


def test_a_context_beyond_the_models_is_refused(catalog: Catalog, ask: Ask) -> None:
    with pytest.raises(UsageError, match="131,072-token context"):
        recommend(ask(LLAMA_8B, requests_per_s=1, isl=131_000, osl=1000), catalog)


def test_sharing_is_priced_against_one_fleet_per_tenant(catalog: Catalog, ask: Ask) -> None:
    plan = recommend(ask(LLAMA_8B, requests_per_s=2, ttft_p95_s=2.0, tenants=20, privacy="private"), catalog)
    row = plan.outcomes["multi_tenant"]
    assert isinstance(row, Option)
    note = next(note for note in row.notes if "per tenant" in note)
    assert "20 x" in note
    assert plan.recommended == "multi_tenant"


def test_hardware_at_hand_is_never_exceeded(catalog: Catalog, ask: Ask) -> None:
    at_hand = with_gpus(1, 2, "l4-24gb")
    plan = recommend(ask(LLAMA_8B, concurrency=150, inventory=at_hand), catalog)
    assert max(option.deployment.gpus for option in options_of(plan)) == 2
    crowded = recommend(ask(LLAMA_8B, concurrency=400, inventory=at_hand), catalog)
    assert isinstance(crowded.outcomes["dedicated"], Rejection)


def test_one_replica_keeps_no_commitment_and_no_spare(catalog: Catalog, ask: Ask) -> None:
    row = recommend(ask(LLAMA_8B, requests_per_s=0.1, ttft_p95_s=2.0), catalog).outcomes["dedicated"]
    assert isinstance(row, Option)
    assert row.deployment.replicas == 1
    assert all(not line.figure.term.startswith("reserved") for line in row.quote.lines if line.figure)


def test_length_percentiles_set_the_context(catalog: Catalog, ask: Ask) -> None:
    question = ask(LLAMA_8B, requests_per_s=1)
    workload = replace(question.workload, input_tokens=Lengths(mean=500, p50=300, p90=1500, p99=6000))
    row = recommend(replace(question, workload=workload), catalog).outcomes["dedicated"]
    assert isinstance(row, Option)
    assert row.deployment.replica is not None
    assert row.deployment.replica.settings.max_model_len == 7168  # 6000 + 300, rounded up to 1024


def test_nothing_that_serves_no_adapters_answers_a_question_about_adapters(catalog: Catalog, ask: Ask) -> None:
    """A hosted API of the base model and a fleet without the adapters are cheaper, and answer something else."""
    plan = recommend(ask(LLAMA_8B, requests_per_s=3, ttft_p95_s=2.0, tenants=40, adapters=40), catalog)
    assert plan.recommended == "multi_tenant"
    for option in options_of(plan):
        assert option.deployment.replica is not None
        assert option.deployment.replica.tenancy is not None
        assert option.deployment.replica.tenancy.adapters == 40
        assert option.memory is not None
        assert option.memory.ledger["LoRA adapters"].amount


def test_traffic_in_working_hours_needs_the_fleet_of_those_hours(catalog: Catalog, ask: Ask) -> None:
    """10 requests/s over all time, within 8 hours a day, are 30 a second there."""
    question = ask(LLAMA_8B, requests_per_s=10, gpu_ids=("h100-sxm-80gb",), privacy="private")
    office = replace(question, workload=replace(question.workload, hours_per_day=8.0))
    peaky = replace(question, workload=replace(question.workload, peak_to_mean=3.0))
    fleets = [recommend(each, catalog).outcomes["dedicated"] for each in (office, peaky)]
    assert all(isinstance(fleet, Option) for fleet in fleets)
    assert fleets[0].deployment.replicas == fleets[1].deployment.replicas  # type: ignore[union-attr]
    assert fleets[0].estimate.capacity_requests_per_s * 0.7 * fleets[0].deployment.replicas >= 30  # type: ignore[union-attr]


def test_a_hybrid_rents_a_machine_with_the_memory_it_needs(catalog: Catalog, ask: Ask) -> None:
    """Half of a 70B in host memory does not fit the 16 GiB of a g5.xlarge."""
    plan = recommend(ask(LLAMA_70B, requests_per_s=0.01, gpu_ids=("a10g-24gb",), provider_ids=("aws",)), catalog)
    row = plan.outcomes["hybrid_offload"]
    assert isinstance(row, Option)
    assert row.memory is not None
    (line,) = row.quote.serving
    assert line.figure is not None
    offers = [
        offer for offer in catalog.prices.hourly
        if (offer.instance, offer.provider, offer.usd_per_hour) == (line.figure.instance, "aws", line.unit_price_usd)
    ]  # fmt: skip
    assert offers
    assert all((offer.memory_bytes or 0) >= row.memory.host_bytes for offer in offers)


@pytest.mark.parametrize(
    ("model", "gpu_id", "least_s", "most_s"),
    [
        (
            LLAMA_8B,
            "l4-24gb",
            62,
            460,
        ),  # Run:ai 2024-10 from start to ready; infinitylogesh/vllm-serverless, plain vLLM
        ("Qwen/Qwen3-32B-FP8", "h100-sxm-80gb", 120, 300),  # a 35B in FP8 on Modal, cold (yuvraj97.com 2026)
    ],
)
def test_cold_starts_lie_where_they_were_measured(
    catalog: Catalog, ask: Ask, model: str, gpu_id: str, least_s: float, most_s: float
) -> None:
    plan = recommend(ask(model, requests_per_s=0.001, gpu_ids=(gpu_id,), privacy="private"), catalog)
    row = plan.outcomes["serverless"]
    assert isinstance(row, Option)
    assert least_s <= row.cold["cold_start_s"] <= most_s


def test_a_cheaper_fleet_that_never_idles_is_passed_over_aloud(catalog: Catalog, ask: Ask) -> None:
    plan = recommend(ask(LLAMA_8B, requests_per_s=15, ttft_p95_s=1.5, privacy="private"), catalog)
    row = plan.outcomes["serverless"]
    assert isinstance(row, Option)
    assert plan.chosen is not None
    assert row.cold["mean_running_replicas"] >= 0.9
    assert row.quote.usd_per_month < plan.chosen.quote.usd_per_month
    assert any("scales to zero" in reason for reason in plan.reasons)


def test_the_peaks_that_a_speed_rests_on_carry_their_sources(catalog: Catalog, ask: Ask) -> None:
    plan = recommend(ask(LLAMA_8B, requests_per_s=1, gpu_ids=("h100-sxm-80gb",)), catalog)
    gpu = catalog.gpus["h100-sxm-80gb"]
    figures = {figure.path: figure for figure in plan.figures}
    assert gpu.peak_flop_per_s
    for name, peak in gpu.peak_flop_per_s.items():
        figure = figures[f"gpus/h100-sxm-80gb/peak_{name}_flop_per_s"]
        assert figure.value == peak
        assert figure.provenance == gpu.provenance[f"peak_{name}_flop_per_s"]
