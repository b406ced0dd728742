"""Which offer is taken: limits, firmness of rows, whole machines, and what is said when there is none."""

from __future__ import annotations

import pytest
from pricing_builders import (
    DAY,
    HOURS,
    bill,
    book,
    deployment,
    hourly,
    packaged,
    per_second,
    per_token,
    refusal,
    traffic,
    usage,
)

from llmplan.pricing import cheapest_usd_per_gpu_hour, seller_names
from llmplan.spec.price import PriceBook, Provider
from llmplan.spec.workload import Limits


def test_a_marketplace_is_used_only_when_asked_for() -> None:
    prices = book(hourly("market", 1.0), hourly("cloud", 3.0), market="marketplace")

    assert bill(deployment("hourly"), prices=prices).lines[0].figure.provider == "cloud"  # type: ignore[union-attr]
    assert bill(deployment("hourly"), Limits(include_marketplaces=True), prices).usd_per_month == HOURS
    assert bill(deployment("hourly"), Limits(provider_ids=("market",)), prices).usd_per_month == HOURS


def test_a_company_stands_for_its_products_but_not_for_its_marketplace() -> None:
    offers = book(hourly("x-secure", 3.0), hourly("x-community", 1.0), hourly("other", 0.5))
    sellers = {
        "x-secure": Provider(id="x-secure", name="X", tier="cloud", company="x"),
        "x-community": Provider(id="x-community", name="X", tier="marketplace", company="x"),
        "other": Provider(id="other", name="O", tier="cloud", aliases=("o",)),
    }
    prices = PriceBook(providers=sellers, hourly=offers.hourly, as_of=DAY)

    assert bill(deployment("hourly"), Limits(provider_ids=("X",)), prices).usd_per_month == 3.0 * HOURS
    assert bill(deployment("hourly"), Limits(provider_ids=("O",)), prices).usd_per_month == 0.5 * HOURS
    assert {"x", "x-secure", "o"} <= seller_names(prices)


def test_a_part_of_a_gpu_is_never_a_gpu() -> None:
    prices = book(hourly("a", 0.5, gpus=0.5), hourly("a", 3.0))

    assert bill(deployment("hourly"), prices=prices).usd_per_month == 3.0 * HOURS
    assert refusal(deployment("hourly"), prices=book(hourly("a", 0.5, gpus=0.5))).code == "no_price"


def test_a_mean_over_offers_counts_only_alone() -> None:
    mean = hourly("a", 1.0, quality="average")

    assert bill(deployment("hourly"), prices=book(mean, hourly("b", 2.0))).usd_per_month == 2.0 * HOURS
    alone = bill(deployment("hourly"), prices=book(mean))
    assert alone.usd_per_month == HOURS
    assert "a mean over offers" in alone.lines[0].note


def test_an_undated_row_loses_to_a_dated_one_of_the_same_seller() -> None:
    prices = book(hourly("a", 1.0, from_date=None), hourly("a", 2.0, instance="new"))

    assert bill(deployment("hourly"), prices=prices).usd_per_month == 2.0 * HOURS
    assert "no date" in bill(deployment("hourly"), prices=book(hourly("a", 1.0, from_date=None))).lines[0].note


def test_a_replica_stays_in_one_machine_unless_it_is_larger_than_one() -> None:
    prices = book(hourly("a", 4.0, gpus=4), hourly("a", 20.0, gpus=8))

    assert bill(deployment("hourly", tp=8), prices=prices).usd_per_month == 20.0 * HOURS
    assert bill(deployment("hourly", tp=8, node_gpus=4), prices=prices).usd_per_month == 8.0 * HOURS
    found = refusal(deployment("hourly", tp=8), prices=book(hourly("a", 4.0, gpus=4)))
    assert found.available == "machines of up to 4 GPUs"


def test_a_price_per_gpu_makes_larger_machines_only_where_it_is_a_list_price() -> None:
    listed = hourly("a", 3.0, per_gpu=True)
    lowest = hourly("b", 1.0, per_gpu=True, quality="advertised")

    assert bill(deployment("hourly", tp=4, replicas=2), prices=book(listed, lowest)).usd_per_month == 8 * 3.0 * HOURS
    assert bill(deployment("hourly", replicas=2), prices=book(listed, lowest)).usd_per_month == 2 * 1.0 * HOURS
    assert refusal(deployment("hourly", tp=2), prices=book(lowest)).available == "machines of up to 1 GPU"


def test_unused_gpus_of_a_machine_are_named_and_paid() -> None:
    line = bill(deployment("hourly", tp=3, replicas=3), prices=book(hourly("a", 8.0, gpus=8))).lines[0]

    assert line.usd_per_month == 2 * 8.0 * HOURS  # two replicas of three GPUs in a machine of eight
    assert line.note.startswith("7 GPUs stay unused, $5,110")  # 16 bought, 9 used: 7 x 730


def test_regions_and_sellers_without_regions() -> None:
    prices = book(hourly("a", 1.0, region="far"), hourly("b", 2.0, region="near"), hourly("c", 3.0, region="global"))

    assert bill(deployment("hourly"), Limits(regions=("NEAR",)), prices).usd_per_month == 2.0 * HOURS
    assert bill(deployment("hourly"), Limits(regions=("moon",)), prices).usd_per_month == 3.0 * HOURS


def test_terms_are_those_of_deployment_and_limits_together() -> None:
    prices = book(hourly("a", 1.0, term="spot"), hourly("a", 2.0, term="reserved-1y", upfront="all"), hourly("a", 3.0))

    assert bill(deployment("hourly"), prices=prices).usd_per_month == 2.0 * HOURS
    assert bill(deployment("hourly", terms=("on-demand", "spot")), prices=prices).usd_per_month == 3.0 * HOURS
    assert refusal(deployment("hourly", terms=("spot",)), prices=prices).fix == "change --term"


def test_alternatives_are_other_sellers_and_other_terms() -> None:
    prices = book(hourly("a", 1.0), hourly("b", 2.0), hourly("a", 0.5, term="spot", interruption="<5%"))

    others = bill(deployment("hourly"), prices=prices).alternatives

    figures = [(line.figure.provider, line.figure.term) for line in others if line.figure]
    assert figures == [("b", "on-demand"), ("a", "spot")]
    assert "interrupted in <5% of months" in others[1].note


@pytest.mark.parametrize(
    ("limits", "fix"),
    [
        (Limits(provider_ids=("b",)), "change --provider"),
        (Limits(regions=("moon",)), "change --region"),
        (Limits(terms=("reserved-3y",)), "change --term"),
    ],
)
def test_a_rejection_names_the_limit_to_lift(limits: Limits, fix: str) -> None:
    prices = book(hourly("a", 1.0), per_second("b", 0.001))
    found = refusal(deployment("hourly"), limits, prices)
    assert (found.code, found.fix, found.strategy) == ("no_price", fix, "dedicated")


def test_a_gpu_that_nobody_sells_is_refused() -> None:
    assert refusal(deployment("hourly", "no-such-gpu")).available == "no offer"
    assert cheapest_usd_per_gpu_hour("no-such-gpu", Limits(), packaged()) is None


def test_the_bound_is_never_above_a_real_rent() -> None:
    for gpu_id in ("h100-sxm-80gb", "a10-24gb", "l4-24gb", "h200-sxm-141gb"):
        bound = cheapest_usd_per_gpu_hour(gpu_id, Limits(), packaged())
        assert bound is not None
        for tp in (1, 2, 4):
            assert bill(deployment("hourly", gpu_id, tp=tp)).usd_per_month >= bound * tp * HOURS - 1e-9


def test_serverless_prefers_complete_firm_offers_that_scale_to_zero() -> None:
    cheap = per_second("a", 0.0001, usd_per_vcpu_s=None)
    always_on = per_second("b", 0.0001, scales_to_zero=False)
    promised = per_second("c", 0.0001, quality="advertised")
    firm = per_second("d", 0.001)

    found = bill(deployment("serverless"), prices=book(cheap, always_on, promised, firm), usage=usage(1000))
    assert found.lines[0].figure.provider == "d"  # type: ignore[union-attr]
    assert [line.figure.provider for line in found.alternatives if line.figure] == ["a"]
    assert "CPU" in found.alternatives[0].note
    bound = bill(deployment("serverless"), prices=book(cheap), usage=usage(1000))
    assert not bound.complete
    assert bound.usd_per_month == pytest.approx(0.1)


def test_start_seconds_are_free_where_the_platform_says_so() -> None:
    prices = book(per_second("a", 0.001, bills_start=False, granularity_s=None))
    found = bill(deployment("serverless"), prices=prices, usage=usage(1000, start_s=500))
    assert found.usd_per_month == pytest.approx(1.0)


def test_token_sellers_that_cannot_take_the_length_are_passed_over() -> None:
    prices = book(per_token("short", 0.1, 0.1, context_tokens=4096), per_token("long", 1.0, 1.0, context_tokens=131072))
    asked = traffic(into=8000, out=500)

    assert bill(deployment("tokens"), prices=prices, workload=asked).lines[0].figure.provider == "long"  # type: ignore[union-attr]
    found = refusal(deployment("tokens"), Limits(provider_ids=("short",)), prices, workload=asked)
    assert (found.code, found.needed) == ("context", "8,500 tokens")


def test_the_mix_decides_between_token_sellers() -> None:
    prices = book(per_token("reader", 0.1, 2.0), per_token("writer", 1.0, 0.5))

    reading, writing = traffic(into=5000, out=50), traffic(into=50, out=5000)
    assert bill(deployment("tokens"), prices=prices, workload=reading).lines[0].figure.provider == "reader"  # type: ignore[union-attr]
    assert bill(deployment("tokens"), prices=prices, workload=writing).lines[0].figure.provider == "writer"  # type: ignore[union-attr]


def test_cached_input_is_billed_in_full_where_no_price_is_stated() -> None:
    prices = book(per_token("a", 1.0, 1.0))
    plain, cached = (bill(deployment("tokens"), prices=prices, workload=traffic(prefix_share=s)) for s in (0.0, 0.5))
    assert plain.usd_per_month == cached.usd_per_month
    assert "no price for cached input" in cached.lines[0].note


def test_a_quantized_checkpoint_is_the_same_model_to_a_token_seller() -> None:
    prices = book(per_token("a", 1.0, 1.0))
    assert bill(deployment("tokens", model_id="meta-llama/Llama-3.3-70B-Instruct-FP8"), prices=prices).complete
    assert refusal(deployment("tokens", model_id="meta-llama/Llama-3.3-70B"), prices=prices).code == "no_price"


def test_tokens_need_a_volume_and_permission() -> None:
    prices = book(per_token("a", 1.0, 1.0))
    assert refusal(deployment("tokens"), prices=prices, workload=traffic(None, concurrency=4)).code == "no_volume"
    assert refusal(deployment("tokens"), Limits(privacy="private"), prices).code == "privacy"


def test_a_deployment_must_be_sized() -> None:
    with pytest.raises(ValueError, match="sized"):
        bill(deployment("hourly", replicas=None))  # type: ignore[arg-type]


def test_a_machine_has_the_memory_that_offloading_needs() -> None:
    """Layers on the CPU need host memory: the cheapest machine with the GPU may not have it (g5.xlarge: 16 GiB)."""
    small = hourly("a", 1.0, instance="small", memory_bytes=16 * 2**30)
    large = hourly("a", 2.0, instance="large", memory_bytes=64 * 2**30)
    prices = book(small, large)

    assert bill(deployment("hourly"), prices=prices).usd_per_month == 1.0 * HOURS
    assert bill(deployment("hourly"), prices=prices, host_bytes=26 * 2**30).usd_per_month == 2.0 * HOURS
    assert "memory" in refusal(deployment("hourly"), prices=prices, host_bytes=65 * 2**30).reason


def test_replicas_share_a_machine_only_as_far_as_its_memory_goes() -> None:
    eight = book(hourly("a", 8.0, gpus=8, memory_bytes=100 * 2**30))

    assert bill(deployment("hourly", replicas=8), prices=eight).usd_per_month == 8.0 * HOURS
    assert bill(deployment("hourly", replicas=8), prices=eight, host_bytes=25 * 2**30).usd_per_month == 16.0 * HOURS


def test_unstated_memory_is_said() -> None:
    line = bill(deployment("hourly"), prices=book(hourly("a", 1.0)), host_bytes=26 * 2**30).lines[0]
    assert "states no host memory" in line.note
