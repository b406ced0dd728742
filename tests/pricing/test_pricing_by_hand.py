"""Bills of the packaged prices, recomputed here from the rates as the sellers write them. To the cent."""

from __future__ import annotations

import pytest
from pricing_builders import HOURS, bill, book, deployment, per_second, refusal, traffic, usage

from llmplan.spec.workload import Limits

SECONDS = HOURS * 3600


def by(*providers: str, **more: object) -> Limits:
    return Limits(provider_ids=providers, **more)  # type: ignore[arg-type]


HOURLY = [
    pytest.param({"gpu_id": "h100-sxm-80gb"}, by("lambda"), 4.29, id="Lambda, one H100"),
    pytest.param({"gpu_id": "h100-sxm-80gb", "tp": 2, "replicas": 3}, by("lambda"), 3 * 8.38, id="three pairs"),
    pytest.param({"gpu_id": "h100-sxm-80gb", "tp": 8, "replicas": 2}, by("lambda"), 2 * 31.92, id="two machines of 8"),
    pytest.param({"gpu_id": "h100-sxm-80gb", "tp": 2}, by("oci"), 80.00, id="OCI sells eight: all are paid"),
    pytest.param(
        {"gpu_id": "h100-sxm-80gb", "tp": 8, "terms": ("on-demand", "reserved-1y")}, by("aws"), 32.36,
        id="AWS p5, one year",
    ),
    pytest.param(
        {"gpu_id": "h100-sxm-80gb", "tp": 8, "terms": ("on-demand",)}, by("aws"), 55.04, id="AWS p5 on demand"
    ),
    pytest.param(
        {"gpu_id": "h100-sxm-80gb", "tp": 8, "terms": ("on-demand",)}, by("aws", regions=("sa-east-1",)), 92.4672,
        id="AWS p5 in Sao Paulo",
    ),
    pytest.param(
        {"gpu_id": "h100-sxm-80gb", "tp": 8, "terms": ("reserved-3y",)}, by("aws", terms=("reserved-3y",)), 20.695,
        id="AWS p5, three years all upfront",
    ),
    pytest.param(
        {"gpu_id": "h200-sxm-141gb", "tp": 8, "terms": ("reserved-3y",)}, by("azure", terms=("reserved-3y",)),
        1_109_592 / (3 * 8760), id="Azure H200: the whole term's price over its hours",
    ),
    pytest.param(
        {"gpu_id": "h200-sxm-141gb", "tp": 8, "terms": ("reserved-3y",)}, by("oci", terms=("reserved-3y",)), 40.0,
        id="OCI H200, three years",
    ),
    pytest.param({"gpu_id": "a10-24gb"}, by("azure", regions=("eastus",)), 3.20, id="Azure: a whole A10, not a sixth"),
    pytest.param({"gpu_id": "a10-24gb", "tp": 4, "node_gpus": 4}, by("oci"), 8.0, id="OCI: four A10 in one machine"),
    pytest.param({"gpu_id": "l4-24gb", "replicas": 3}, by("aws"), 3 * 0.8048, id="three machines of one"),
    pytest.param({"gpu_id": "h100-sxm-80gb", "tp": 2}, by("runpod-secure"), 2 * 3.99, id="priced per GPU"),
    pytest.param(
        {"gpu_id": "h100-sxm-80gb", "tp": 8, "terms": ("spot",)}, by("coreweave", terms=("spot",)), 19.71, id="spot"
    ),
    pytest.param({"gpu_id": "h100-sxm-80gb", "tp": 16}, by("oci"), 2 * 80.0, id="a replica over two machines"),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "limits", "usd_per_hour"), HOURLY)
def test_rent_is_instances_times_hours(wanted: dict[str, object], limits: Limits, usd_per_hour: float) -> None:
    found = bill(deployment("hourly", **wanted), limits)  # type: ignore[arg-type]

    assert found.usd_per_month == pytest.approx(usd_per_hour * HOURS, abs=0.005)
    assert found.complete


def test_rent_does_not_depend_on_the_load() -> None:
    wanted = deployment("hourly")

    idle, full = (bill(wanted, by("lambda"), workload=traffic(rate)) for rate in (0.001, 100.0))

    assert idle.usd_per_month == full.usd_per_month == pytest.approx(4.29 * HOURS)


def test_a_month_on_modal_is_gpu_cpu_and_memory_seconds() -> None:
    found = bill(
        deployment("serverless"), by("modal"), usage=usage(busy_s=100_000, idle_s=20_000, start_s=6_000, starts=100)
    )

    seconds = 126_000 + 100 * 0.5  # each start rounds up by half a second on average
    cores, gib = 3, 16  # one worker, one engine core, one API server; chosen memory
    expected = seconds * (0.001097 + cores * 0.0000131 + gib * 0.00000222)
    assert found.usd_per_month == pytest.approx(expected, abs=0.005)
    assert found.complete


def test_a_month_on_cloud_run_pays_for_its_smallest_shape() -> None:
    found = bill(deployment("serverless", "l4-24gb"), by("google-cloud-run"), usage=usage(busy_s=50_000))

    assert found.usd_per_month == pytest.approx(50_000 * (0.0001867 + 6 * 0.000018 + 16 * 0.000002), abs=0.005)


def test_runpod_includes_the_host_and_bills_idle_and_start() -> None:
    found = bill(
        deployment("serverless"),
        by("runpod-serverless"),
        usage=usage(busy_s=10_000, idle_s=5_000, start_s=3_000, starts=50),
    )

    assert found.usd_per_month == pytest.approx((18_000 + 25) * 0.00116, abs=0.005)


def test_a_minute_grain_rounds_up_half_a_minute_per_start() -> None:
    found = bill(deployment("serverless"), by("baseten"), usage=usage(busy_s=10_000, starts=100))

    assert found.usd_per_month == pytest.approx((10_000 + 100 * 30) * 0.00180556, abs=0.005)


@pytest.mark.parametrize(("busy_s", "billed_s"), [(1_000, 3_000), (10_000, 10_000)])
def test_a_start_is_billed_for_at_least_the_platforms_minimum(busy_s: float, billed_s: float) -> None:
    prices = book(per_second("a", 0.001, granularity_s=None, min_billed_s=30.0))

    found = bill(deployment("serverless"), prices=prices, usage=usage(busy_s=busy_s, starts=100))

    assert found.usd_per_month == pytest.approx(billed_s * 0.001)


def test_the_plan_fee_comes_once_and_limits_the_gpus() -> None:
    small = bill(deployment("serverless", tp=4), by("cerebrium"), usage=usage(busy_s=1_000, peak=1))
    large = bill(deployment("serverless", tp=4), by("cerebrium"), usage=usage(busy_s=1_000, peak=2))

    per_s = 4 * 0.000944 + 12 * 0.00000655 + 64 * 0.00000222
    assert small.usd_per_month == pytest.approx(1_000 * per_s, abs=0.005)
    assert large.usd_per_month == pytest.approx(100 + 1_000 * per_s, abs=0.005)
    assert refusal(deployment("serverless", tp=4), by("cerebrium"), usage=usage(1_000, peak=8)).code == "no_price"


def test_without_usage_a_serverless_fleet_never_sleeps() -> None:
    found = bill(deployment("serverless", replicas=2), by("replicate"))

    assert found.usd_per_month == pytest.approx(2 * SECONDS * 0.001525, abs=0.005)


TOKENS = [
    pytest.param("meta-llama/Llama-3.3-70B-Instruct", by("wandb"), 0.71, 0.71, id="one price for both"),
    pytest.param("meta-llama/Llama-3.3-70B-Instruct", by("sambanova"), 0.60, 1.20, id="output dearer"),
    pytest.param("openai/gpt-oss-120b", by("vertex-ai"), 0.09, 0.36, id="a cloud's own suffix"),
    pytest.param("openai/gpt-oss-120b", by("groq"), 0.15, 0.60, id="no prefix, no cached price used"),
]


@pytest.mark.parametrize(("model_id", "limits", "into", "out"), TOKENS)
def test_tokens_are_volume_times_price(model_id: str, limits: Limits, into: float, out: float) -> None:
    found = bill(deployment("tokens", model_id=model_id), limits, workload=traffic(2.0, into=1500, out=250))

    requests = 2.0 * SECONDS
    assert found.usd_per_month == pytest.approx(requests * (1500 * into + 250 * out) / 1e6, abs=0.005)
    assert (found.usd_per_mtok_input, found.usd_per_mtok_output) == pytest.approx((into, out))
    assert found.usd_per_mtok_blended == pytest.approx((1500 * into + 250 * out) / 1750)


def test_cached_input_costs_what_the_seller_says() -> None:
    found = bill(
        deployment("tokens", model_id="openai/gpt-oss-120b"), by("groq"), workload=traffic(1.0, prefix_share=0.4)
    )

    millions = SECONDS * 1000 / 1e6
    expected = millions * (0.6 * 0.15 + 0.4 * 0.075) + SECONDS * 300 / 1e6 * 0.60
    assert found.usd_per_month == pytest.approx(expected, abs=0.005)
    assert found.usd_per_mtok_input == pytest.approx(0.6 * 0.15 + 0.4 * 0.075)


def test_owned_hardware_pays_for_electricity_and_leaves_the_purchase_open() -> None:
    found = bill(deployment("owned", "a10-24gb", tp=8, tdp_w=700.0))

    electricity, unknown = found.lines
    assert electricity.usd_per_month == pytest.approx(8 * 0.7 * 1.54 * HOURS * 0.0977, abs=0.005)
    assert (unknown.name, unknown.usd_per_month) == ("hardware, network, hosting and people", None)
    assert not found.complete


def test_what_never_happens_is_no_line() -> None:
    """A start in 1e40 months is not a charge."""
    used = usage(busy_s=50_000, start_s=1e-38, starts=1e-40)
    found = bill(deployment("serverless"), by("runpod-serverless"), usage=used)
    assert [line.name for line in found.serving if line.unit == "GPU-s"] == ["h100-sxm-80gb serving"]
