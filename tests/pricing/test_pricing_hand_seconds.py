"""A month of GPUs by the second, recomputed by hand: each platform's rates, least shape, rounding, window and fee."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hand_rows import Row, by, look_up, row
from pricing_builders import bill, deployment, packaged, refusal, usage

from llmplan.plan.usage import ServerlessUsage
from llmplan.pricing.serverless import Worker, serverless_lines

MONTH_S = 730 * 3600
H100, L4, A10G, L40S, A100, B200, T4 = (
    "h100-sxm-80gb", "l4-24gb", "a10g-24gb", "l40s-48gb", "a100-pcie-80gb", "b200-180gb", "t4-16gb",
)  # fmt: skip
VCPUS = {1: 6, 2: 8, 4: 12}
"""of a worker: two for each of its GPUs and of two processes beside them, as vLLM asks for 2 + N cores"""
GIB = {1: 16, 2: 32, 4: 64}
"""of a worker: 16 for each GPU, what Cloud Run requires"""


@dataclass(frozen=True, slots=True)
class Case:
    """`wanted` from `seller`, used so much, comes to `usd` a month, at the rate of `row`."""

    row: Row
    seller: str
    wanted: dict[str, Any]
    used: ServerlessUsage
    usd: float


def per_second(*cells: str, usd: float) -> Row:
    return row("serverless_gpu", *cells, usd_per_second=usd)


def per_hour(*cells: str, usd: float) -> Row:
    return row("serverless_gpu", *cells, usd_per_hour=usd)


BUSY = usage(busy_s=200_000, idle_s=40_000, start_s=6_000, starts=100)
CASES = {
    "Modal, H100: GPU, three physical cores and 16 GiB": Case(
        per_second("modal", "H100-SXM-80GB", usd=0.001097), "modal", {"gpu_id": H100}, BUSY,
        (246_000 + 100 * 0.5) * (0.001097 + 3 * 0.0000131 + 16 * 0.00000222),
    ),
    "Modal, two B200 in a worker: four cores and 32 GiB": Case(
        per_second("modal", "B200", usd=0.001736), "modal", {"gpu_id": B200, "tp": 2}, BUSY,
        (246_000 + 100 * 0.5) * (2 * 0.001736 + 4 * 0.0000131 + 32 * 0.00000222),
    ),
    "Modal, L4": Case(
        per_second("modal", "L4", usd=0.000222), "modal", {"gpu_id": L4}, usage(busy_s=90_000),
        90_000 * (0.000222 + 3 * 0.0000131 + 16 * 0.00000222),
    ),
    "Cloud Run, L4: at least 4 vCPU and 16 GiB, by the tenth of a second": Case(
        per_second("google-cloud-run", "L4", "no zonal redundancy", usd=0.0001867), "google-cloud-run", {"gpu_id": L4},
        usage(busy_s=50_000, idle_s=90_000, start_s=2_500, starts=500),
        (142_500 + 500 * 0.05) * (0.0001867 + 6 * 0.000018 + 16 * 0.000002),
    ),
    "RunPod flex, H100: the host is included, rounded up to a second": Case(
        per_second("runpod-serverless", "H100-SXM-80GB", "flex worker", usd=0.00116), "runpod-serverless",
        {"gpu_id": H100}, BUSY, (246_000 + 100 * 0.5) * 0.00116,
    ),
    "RunPod flex, a worker with any 24 GB GPU": Case(
        per_second("runpod-serverless", "L4/A5000/RTX 3090 24GB", "flex worker", usd=0.00019), "runpod-serverless",
        {"gpu_id": L4}, usage(busy_s=10_000, idle_s=5 * 400, start_s=20 * 400, starts=400),
        (10_000 + 5 * 400 + 20 * 400 + 400 * 0.5) * 0.00019,
    ),
    "Koyeb, H100, written by the hour, with the plan's fee": Case(
        per_hour("koyeb", "H100-SXM-80GB", usd=2.5), "koyeb", {"gpu_id": H100}, usage(busy_s=MONTH_S),
        730 * 2.50 + 29,
    ),
    "Koyeb, four workers of two A100 all month": Case(
        per_hour("koyeb", "A100-80GB", usd=1.6), "koyeb", {"gpu_id": A100, "tp": 2}, usage(busy_s=4 * MONTH_S, peak=4),
        4 * 2 * 730 * 1.60 + 29,
    ),
    "Beam, A10G: three cores and 16 GiB": Case(
        per_second("beam", "A10G", usd=0.000292), "beam", {"gpu_id": A10G}, BUSY,
        (246_000 + 100 * 0.5) * (0.000292 + 3 * 0.0000528 + 16 * 0.0000056),
    ),
    "Replicate, L40S, private: set-up, idle and run time": Case(
        per_second("replicate", "L40S", usd=0.000975), "replicate", {"gpu_id": L40S}, BUSY,
        (200_000 + 40_000 + 6_000 + 100 * 0.5) * 0.000975,
    ),
    "Hugging Face, L4 by the minute on the cheaper of two clouds, written by the hour": Case(
        per_hour("hf-inference-endpoints", "L4 (gcp)", usd=0.7), "hf-inference-endpoints", {"gpu_id": L4}, BUSY,
        (246_000 + 100 * 30) / 3600 * min(0.80, 0.70),
    ),
    "Hugging Face, H100 all month": Case(
        per_hour("hf-inference-endpoints", "H100-SXM-80GB (gcp)", usd=10.0), "hf-inference-endpoints",
        {"gpu_id": H100}, usage(busy_s=MONTH_S), 730 * 10.0,
    ),
    "Baseten, H100 by the minute": Case(
        per_hour("baseten", "H100-SXM-80GB", usd=6.5), "baseten", {"gpu_id": H100}, BUSY,
        (246_000 + 100 * 30) / 60 * 6.5 / 60,
    ),
    "Cerebrium, T4: the plan without a fee": Case(
        per_second("cerebrium", "T4", usd=0.000164), "cerebrium", {"gpu_id": T4}, usage(busy_s=70_000, peak=5),
        70_000 * (0.000164 + 6 * 0.00000655 + 16 * 0.00000222),
    ),
    "Cerebrium, six T4 at once: the plan with a fee": Case(
        per_second("cerebrium", "T4", usd=0.000164), "cerebrium", {"gpu_id": T4}, usage(busy_s=70_000, peak=6),
        70_000 * (0.000164 + 6 * 0.00000655 + 16 * 0.00000222) + 100,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_month_is_seconds_times_rates(case: Case) -> None:
    found = bill(deployment("serverless", **case.wanted), by(case.seller), usage=case.used)

    assert found.usd_per_month == pytest.approx(case.usd, abs=0.005)
    assert found.complete
    assert {line.figure.provider for line in found.lines if line.figure} == {case.seller}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_seconds_are_as_the_table_has_them(case: Case) -> None:
    look_up(case.row)


@pytest.mark.parametrize("gpus", [1, 2, 4])
def test_what_a_worker_reserves_beside_its_gpus(gpus: int) -> None:
    lines = bill(deployment("serverless", H100, tp=gpus), by("modal"), usage=usage(busy_s=1_000)).lines

    reserved = {line.name: line.quantity for line in lines}
    assert (reserved["CPU"], reserved["memory"]) == (1_000 * VCPUS[gpus], 1_000 * GIB[gpus])


def test_a_worker_that_is_always_on_at_runpods_lower_rate() -> None:
    """`platforms` never offers it, since it does not scale to zero; the lines of it are right all the same."""
    (offer,) = (
        each
        for each in packaged().serverless
        if (each.provider, each.gpu_id) == ("runpod-serverless", H100) and not each.scales_to_zero
    )

    (line,) = serverless_lines(offer, Worker(gpu_id=H100, gpus=1), usage(busy_s=MONTH_S))

    assert line.usd_per_month == pytest.approx(730 * 3600 * 0.00093, abs=0.005)


def test_a_rate_that_nobody_states_leaves_a_lower_bound() -> None:
    """fal prices the GPU and says nothing of its host."""
    found = bill(deployment("serverless", "h200-sxm-141gb"), by("fal"), usage=usage(busy_s=36_000))

    assert found.usd_per_month == pytest.approx(10 * 4.50, abs=0.005)
    assert not found.complete
    assert {line.name for line in found.lines if line.usd_per_month is None} == {"CPU", "memory"}


@pytest.mark.parametrize("seller", ["aws-sagemaker", "azure-container-apps"])
def test_a_platform_whose_rate_nobody_found_sells_nothing(seller: str) -> None:
    assert refusal(deployment("serverless", A10G), by(seller), usage=usage(busy_s=1_000)).code == "no_price"


ALSO = (
    per_second("runpod-serverless", "H100-SXM-80GB", "active worker (always on)", usd=0.00093),
    per_hour("fal", "H200", "serverless list price", usd=4.5),
    row("serverless_gpu", "aws-sagemaker", "A10G (ml.g5.xlarge)", usd_per_second=""),
    per_hour("hf-inference-endpoints", "L4 (aws)", usd=0.8),
)


@pytest.mark.parametrize("wanted", ALSO, ids=str)
def test_rates_of_other_workers_are_as_the_table_has_them(wanted: Row) -> None:
    look_up(wanted)
