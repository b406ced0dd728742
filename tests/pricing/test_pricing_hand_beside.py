"""What comes beside the machines, recomputed by hand: weights at rest, answers on the wire, a cluster, a balancer."""

from __future__ import annotations

from typing import Any

import pytest
from hand_rows import Row, by, look_up, only, row
from pricing_builders import bill, deployment, traffic, usage

from llmplan.plan.outcome import Quote
from llmplan.spec.expenses import Expenses
from llmplan.spec.workload import Limits

H100, H200, L4 = "h100-sxm-80gb", "h200-sxm-141gb", "l4-24gb"
MONTH_H, MONTH_S = 730, 730 * 3600
LLAMA_70B_GB = 70_553_706_496 * 2 / 1e9
"""two bytes for each parameter"""
WEIGHTS = round(LLAMA_70B_GB * 1e9)


def beside(found: Quote) -> dict[str, float]:
    return {line.name: line.usd_per_month or 0.0 for line in found.lines if line.beside}


def egress(found: Quote) -> float:
    """The lines of all tiers."""
    return sum(usd for name, usd in beside(found).items() if name.startswith("egress"))


def machines(found: Quote) -> float:
    return sum(line.usd_per_month or 0.0 for line in found.serving)


def rented(limits: Limits, *, gb: float = 0.0, replicas: int = 1, tp: int = 8, **said: Any) -> Quote:
    """Eight H100 of somebody with Llama 70B on them, whose answers take `gb` out of the cloud in a month."""
    asked = Expenses(egress_bytes_per_token=gb * 1e9 / (MONTH_S * 1000), **said)
    return bill(
        deployment("hourly", said.pop("gpu_id", H100), tp=tp, replicas=replicas), limits,
        workload=traffic(1.0, out=1000), expenses=asked, checkpoint_bytes=WEIGHTS,
    )  # fmt: skip


AWS, AZURE, GCP, OCI = only("aws", "us-east-1"), only("azure", "eastus"), only("gcp", "us-central1"), only("oci")
STORED = [
    pytest.param(AWS, 1, 1, 0.08, id="AWS, one machine"),
    pytest.param(AWS, 3, 3, 0.08, id="AWS, three machines with a copy each"),
    pytest.param(AZURE, 2, 2, 0.075, id="Azure"),
    pytest.param(GCP, 1, 1, 0.10, id="GCP"),
    pytest.param(OCI, 1, 1, 0.0937, id="OCI"),
    pytest.param(only("lambda"), 1, 1, 0.07, id="Lambda states none: what CoreWeave and RunPod do, clouds like it"),
]


@pytest.mark.parametrize(("limits", "replicas", "copies", "usd"), STORED)
def test_the_weights_are_stored_once_for_each_machine(limits: Limits, replicas: int, copies: int, usd: float) -> None:
    found = rented(limits, replicas=replicas)

    assert beside(found)["storage of weights"] == pytest.approx(copies * LLAMA_70B_GB * usd, abs=0.005)


EGRESS = [
    pytest.param(AWS, 99, 0, id="AWS: 100 GB are free"),
    pytest.param(AWS, 101, 1 * 0.09, id="AWS: the first paid one"),
    pytest.param(AWS, 10_000, 9_900 * 0.09, id="AWS: the first paid tier in full"),
    pytest.param(AWS, 10_001, 9_900 * 0.09 + 1 * 0.085, id="AWS: one beyond it"),
    pytest.param(AWS, 60_000, 9_900 * 0.09 + 40_000 * 0.085 + 10_000 * 0.07, id="AWS: in the third"),
    pytest.param(
        AWS, 200_000, 9_900 * 0.09 + 40_000 * 0.085 + 100_000 * 0.07 + 50_000 * 0.05, id="AWS: in the last"
    ),
    pytest.param(AZURE, 50, 0, id="Azure: 100 GB are free"),
    pytest.param(AZURE, 12_000, 9_900 * 0.087 + 2_000 * 0.083, id="Azure: in the second paid tier"),
    pytest.param(GCP, 999, 999 * 0.12, id="GCP: below a TB"),
    pytest.param(GCP, 1_001, 1_000 * 0.12 + 1 * 0.11, id="GCP: above a TB"),
    pytest.param(GCP, 20_000, 1_000 * 0.12 + 9_000 * 0.11 + 10_000 * 0.08, id="GCP: above ten"),
    pytest.param(OCI, 9_999, 0, id="OCI: ten TB are free"),
    pytest.param(OCI, 30_000, 20_000 * 0.0085, id="OCI: what is above them"),
    pytest.param(only("lambda"), 50_000, 0, id="Lambda states that it asks nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("limits", "gb", "usd"), EGRESS)
def test_traffic_is_billed_tier_by_tier(limits: Limits, gb: float, usd: float) -> None:
    assert egress(rented(limits, gb=gb)) == pytest.approx(usd, abs=0.005)


def test_an_answer_takes_three_hundred_bytes_a_token_unless_said() -> None:
    found = bill(
        deployment("hourly", H100, tp=8), GCP, workload=traffic(2.0, out=500), expenses=Expenses(),
    )  # fmt: skip

    gb = 2.0 * MONTH_S * 500 * 300 / 1e9
    assert egress(found) == pytest.approx(gb * 0.12, abs=0.005)


def test_traffic_out_of_koyeb() -> None:
    found = bill(
        deployment("serverless", H100), by("koyeb"), usage=usage(busy_s=36_000), workload=traffic(2.0, out=500),
        expenses=Expenses(),
    )  # fmt: skip

    gb = 2.0 * MONTH_S * 500 * 300 / 1e9
    assert machines(found) == pytest.approx(10 * 2.50 + 29, abs=0.005)
    assert egress(found) == pytest.approx(gb * 0.02, abs=0.005)


CLUSTERS = [
    pytest.param(1, None, 0, id="one replica needs none"),
    pytest.param(2, None, 1, id="two are run by one"),
    pytest.param(2, 3, 3, id="three, as stated"),
    pytest.param(2, 0, 0, id="none, as stated"),
]


@pytest.mark.parametrize(("replicas", "stated", "clusters"), CLUSTERS)
def test_a_cluster_is_a_dime_an_hour(replicas: int, stated: int | None, clusters: int) -> None:
    found = rented(AWS, replicas=replicas, clusters=stated)

    assert beside(found).get("cluster", 0.0) == pytest.approx(clusters * MONTH_H * 0.10, abs=0.005)


def test_a_load_balancer_as_stated_and_as_aws_asks() -> None:
    stated = rented(AWS, replicas=2, load_balancer_usd_per_month=25.0)
    listed = rented(AWS, replicas=2)

    assert beside(stated)["load balancer"] == pytest.approx(25.0, abs=0.005)
    assert beside(listed)["load balancer"] == pytest.approx(MONTH_H * 0.0225, abs=0.005)
    assert "load balancer" not in beside(rented(AWS, replicas=1))


def test_a_whole_bill() -> None:
    """Two replicas of eight H100 at AWS, 2 TB of answers a month, ten hours of an engineer."""
    found = rented(
        AWS, replicas=2, gb=2_000, engineering_hours_per_month=10.0, engineering_usd_per_hour=108.0
    )  # fmt: skip

    total = (
        2 * MONTH_H * 55.04
        + 2 * LLAMA_70B_GB * 0.08
        + 1_900 * 0.09
        + MONTH_H * 0.10
        + MONTH_H * 0.0225
        + 10 * 108
    )  # fmt: skip
    assert found.usd_per_month == pytest.approx(total, abs=0.005)
    assert machines(found) == pytest.approx(2 * MONTH_H * 55.04, abs=0.005)


ROWS = [
    row("cost_facts", "storage", "AWS gp3", value=0.08),
    row("cost_facts", "storage", "Azure Standard SSD", value=0.075),
    row("cost_facts", "storage", "GCP pd-balanced", value=0.1),
    row("cost_facts", "storage", "OCI Block Volume (as listed; looks high)", value=0.0937),
    row(
        "cost_facts", "egress",
        "AWS internet out: 100 GB free, then 0.09 to 10 TB, 0.085 to 50 TB, 0.07 to 150 TB, 0.05", value=0.09,
    ),
    row("cost_facts", "egress", "Azure internet out: 100 GB free, 0.087/0.083/0.07/0.05", value=0.087),
    row("cost_facts", "egress", "GCP premium internet out: 0.12 to 1 TB, 0.11 to 10 TB, 0.08", value=0.12),
    row("cost_facts", "egress", "OCI: 10 TB/month free then 0.0085", value=0.0085),
    row("cost_facts", "egress", "Lambda, CoreWeave-style neoclouds: Lambda states no egress fee", value=0),
    row("cost_facts", "control plane", "EKS per cluster (standard support)", value=0.1),
    row(
        "serverless_gpu", "koyeb", "H100-SXM-80GB",
        extra_charges="plan $29/mo (incl $10) or $299/mo (incl $100); bandwidth $0.02/GB EU/US",
    ),
]  # fmt: skip


@pytest.mark.parametrize("wanted", ROWS, ids=str)
def test_the_rates_beside_are_as_the_tables_have_them(wanted: Row) -> None:
    look_up(wanted)
