"""`llmplan cost --json` end to end against bills that are computed here from the sellers' rates as they write them.

The rates and their rows are those of tests/pricing/test_pricing_hand_*.py, which look them up in the sellers' tables.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmplan.cli import main

LLAMA_8B, LLAMA_70B = "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.3-70B-Instruct"
MONTH_H, MONTH_S = 730, 730 * 3600
GB_8B = 8_030_261_248 * 2 / 1e9
GB_70B = 70_553_706_496 * 2 / 1e9
"""weights of two bytes a parameter"""
EGRESS_GB = 0.1 * MONTH_S * 300 * 300 / 1e9
"""of a request every ten seconds with 300 tokens out, at 300 bytes a token: 23.7"""
SOME = ("--requests-per-second", "0.1", "--isl", "1000", "--osl", "300", "--as-of", "2026-11-22")
STORED_ELSEWHERE = (0.07 + 0.07) / 2
"""USD per GB-month where a cloud of GPUs states none: the middle of the two that do"""


def cost(capsys: pytest.CaptureFixture[str], model: str, *argv: str) -> dict[str, dict[str, Any]]:
    """The quotes by strategy."""
    assert main(["cost", model, *argv, "--json"]) == 0, capsys.readouterr().err
    answer = json.loads(capsys.readouterr().out)
    return {row["strategy"]: row for row in answer["strategies"] if row["status"] == "option"}


RENT = {
    "Lambda, one H100, which asks nothing for traffic": (
        LLAMA_8B, ("--provider", "lambda", "--gpu", "h100", "--term", "on-demand", "--weights", "bf16"),
        MONTH_H * 4.29 + GB_8B * STORED_ELSEWHERE,
    ),
    "AWS, an L4, traffic within its free 100 GB": (
        LLAMA_8B,
        ("--provider", "aws", "--gpu", "l4", "--region", "us-east-1", "--term", "on-demand", "--weights", "bf16"),
        MONTH_H * 0.8048 + GB_8B * 0.08,
    ),
    "GCP, an L4 in Europe": (
        LLAMA_8B,
        ("--provider", "gcp", "--gpu", "l4", "--region", "europe-west4", "--term", "on-demand", "--weights", "bf16"),
        MONTH_H * 0.742916 + GB_8B * 0.10 + EGRESS_GB * 0.12,
    ),
    "Azure, a whole A10": (
        LLAMA_8B,
        ("--provider", "azure", "--gpu", "a10", "--region", "eastus", "--term", "on-demand", "--weights", "bf16"),
        MONTH_H * 3.20 + GB_8B * 0.075,
    ),
    "AWS, 70B on a machine of eight H100 for three years": (
        LLAMA_70B, ("--provider", "aws", "--gpu", "h100", "--term", "reserved-3y", "--weights", "bf16"),
        MONTH_H * 20.695 + GB_70B * 0.08,
    ),
    "Azure, 70B on eight H200 for three years, the total over 36 months": (
        LLAMA_70B, ("--provider", "azure", "--gpu", "h200", "--term", "reserved-3y", "--weights", "bf16"),
        1_109_592 / 36 + GB_70B * 0.075,
    ),
    "OCI, 70B: all eight are paid": (
        LLAMA_70B, ("--provider", "oci", "--gpu", "h100", "--term", "on-demand", "--weights", "bf16"),
        MONTH_H * 80.0 + GB_70B * 0.0937,
    ),
    "GCP, an H100 on spot": (
        LLAMA_8B,
        ("--provider", "gcp", "--gpu", "h100", "--region", "us-central1", "--term", "spot", "--weights", "bf16"),
        MONTH_H * 6.326193 + GB_8B * 0.10 + EGRESS_GB * 0.12,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", RENT)
def test_rent_for_a_little_traffic(capsys: pytest.CaptureFixture[str], case: str) -> None:
    model, flags, usd = RENT[case]

    row = cost(capsys, model, *SOME, *flags)["dedicated"]

    assert row["replicas"] == 1
    assert row["quote"]["usd_per_month"] == pytest.approx(usd, abs=0.005)
    assert row["quote"]["usd_per_hour"] == pytest.approx(usd / MONTH_H, abs=0.005)
    assert row["quote"]["usd_per_request"] == pytest.approx(usd / (0.1 * MONTH_S))


TOKENS = {
    "Nebius, 8B": (LLAMA_8B, ("--provider", "nebius"), (1000 * 0.02 + 300 * 0.06) / 1e6),
    "Weights & Biases, 70B": (LLAMA_70B, ("--provider", "wandb"), (1000 * 0.71 + 300 * 0.71) / 1e6),
    "Groq, gpt-oss-120b with 60 % of its input in a cache": (
        "openai/gpt-oss-120b", ("--provider", "groq", "--prefix-share", "0.6"),
        (400 * 0.15 + 600 * 0.075 + 300 * 0.60) / 1e6,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TOKENS)
def test_tokens_of_a_month(capsys: pytest.CaptureFixture[str], case: str) -> None:
    model, flags, usd_per_request = TOKENS[case]

    quote = cost(capsys, model, *SOME, *flags, "--tenants", "4")["serverless"]["quote"]

    assert quote["usd_per_month"] == pytest.approx(0.1 * MONTH_S * usd_per_request, abs=0.005)
    assert quote["usd_per_request"] == pytest.approx(usd_per_request)
    assert quote["usd_per_tenant_month"] == pytest.approx(0.1 * MONTH_S * usd_per_request / 4)


def test_seconds_of_a_month_at_koyeb(capsys: pytest.CaptureFixture[str]) -> None:
    """How long it runs is the planner's to say; what that costs is 2.50 an hour, a fee of 29 and 0.02 a GB."""
    flags = ("--provider", "koyeb", "--gpu", "h100", "--weights", "bf16")

    quote = cost(capsys, LLAMA_8B, *SOME, *flags)["serverless"]["quote"]

    seconds = sum(line["quantity"] for line in quote["lines"] if line["unit"] == "GPU-s")
    beside = GB_8B * STORED_ELSEWHERE + EGRESS_GB * 0.02
    assert 0 < seconds <= MONTH_S * 1.001
    assert quote["usd_per_month"] == pytest.approx(seconds / 3600 * 2.50 + 29 + beside, abs=0.005)


def test_a_server_that_is_owned(capsys: pytest.CaptureFixture[str]) -> None:
    """Eight H200: 370,000 USD over five years, 10 % a year of support, 10.2 kW at a PUE of 1.54."""
    traffic = ("--concurrency", "16", "--isl", "2000", "--osl", "1000", "--as-of", "2026-11-22")

    row = cost(capsys, "deepseek-ai/DeepSeek-R1", *traffic, "--have", "1x8xh200")["dedicated"]

    assert row["deployment"]["gpus"] == 8
    usd = 370_000 / 60 + 370_000 * 0.10 / 12 + 10.2 * 1.54 * MONTH_H * 0.0977
    assert row["quote"]["usd_per_month"] == pytest.approx(usd, abs=0.005)
    assert not row["quote"]["complete"]


def test_two_replicas_in_two_machines(capsys: pytest.CaptureFixture[str]) -> None:
    """Every replica has its L4, its copy of the weights, and with two of them come a cluster and a load balancer."""
    flags = ("--provider", "aws", "--gpu", "l4", "--region", "us-east-1", "--term", "on-demand", "--weights", "bf16")
    traffic = ("--requests-per-second", "2", "--isl", "1000", "--osl", "300", "--as-of", "2026-11-22")

    row = cost(capsys, LLAMA_8B, *traffic, *flags)["dedicated"]

    replicas, gb = row["replicas"], 2 * MONTH_S * 300 * 300 / 1e9
    assert replicas >= 2
    rent = replicas * MONTH_H * 0.8048
    beside = replicas * GB_8B * 0.08 + (gb - 100) * 0.09 + MONTH_H * 0.10 + MONTH_H * 0.0225
    assert row["deployment"]["gpus"] == replicas
    assert row["quote"]["usd_per_month"] == pytest.approx(rent + beside, abs=0.005)
