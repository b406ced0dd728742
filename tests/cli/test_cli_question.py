"""From flags to a question: precedence, resolution of names, refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from llmplan.cli import _question
from llmplan.cli._parse import node_group
from llmplan.cli._question_flags import HardwareFlags, LimitFlags, PromiseFlags, TrafficFlags
from llmplan.errors import UnknownIdError, UsageError
from llmplan.spec.catalog import Catalog
from llmplan.spec.workload import Lengths, Question
from llmplan.units import GB, GIB

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
TRAFFIC = TrafficFlags(requests_per_second=5.0, isl=1000, osl=300)


def ask(
    catalog: Catalog,
    traffic: TrafficFlags = TRAFFIC,
    promise: PromiseFlags | None = None,
    limits: LimitFlags | None = None,
    hardware: HardwareFlags | None = None,
) -> Question:
    return _question.question(
        LLAMA, traffic, promise or PromiseFlags(), limits or LimitFlags(), hardware or HardwareFlags(), catalog
    )[0]


@pytest.fixture
def workload_file(tmp_path: Path) -> Path:
    path = tmp_path / "chat.yaml"
    path.write_text(json.dumps({
        "requests_per_s": 2.0, "input_tokens": 700, "output_tokens": 200, "prefix_share": 0.25,
        "slo": {"ttft_p95_ms": 1500, "tpot_p95_ms": 60},
    }))  # fmt: skip
    return path


def test_flags_alone(catalog: Catalog) -> None:
    asked = ask(catalog, promise=PromiseFlags(ttft_p95_ms=2000.0, tpot_p95_ms=50.0))
    assert asked.model_id == LLAMA
    assert asked.workload.requests_per_s == 5.0
    assert asked.workload.input_tokens == Lengths.fixed(1000)
    assert (asked.slo.ttft_p95_s, asked.slo.tpot_p95_s, asked.slo.e2e_p95_s) == (2.0, 0.05, None)
    assert asked.limits.inventory is None


def test_requests_per_minute(catalog: Catalog) -> None:
    assert ask(catalog, TrafficFlags(requests_per_minute=120.0, isl=10, osl=10)).workload.requests_per_s == 2.0


def test_a_workload_file_is_below_flags(catalog: Catalog, workload_file: Path) -> None:
    asked = ask(catalog, TrafficFlags(workload=str(workload_file)))
    assert asked.workload.requests_per_s == 2.0
    assert asked.workload.prefix_share == 0.25
    assert (asked.slo.ttft_p95_s, asked.slo.tpot_p95_s) == (1.5, 0.06)
    traffic = TrafficFlags(workload=str(workload_file), osl=50, requests_per_second=9.0)
    over = ask(catalog, traffic, PromiseFlags(ttft_p95_ms=100.0))
    assert over.workload.requests_per_s == 9.0
    assert over.workload.input_tokens.mean == 700
    assert over.workload.output_tokens == Lengths.fixed(50)
    assert (over.slo.ttft_p95_s, over.slo.tpot_p95_s) == (0.1, 0.06)


def test_a_concurrency_replaces_the_rate_of_a_workload(catalog: Catalog, workload_file: Path) -> None:
    asked = ask(catalog, TrafficFlags(workload=str(workload_file), concurrency=8.0))
    assert asked.workload.requests_per_s is None
    assert asked.workload.concurrency == 8.0


def test_a_workload_of_the_catalogue(catalog: Catalog) -> None:
    name = next(iter(catalog.workloads))
    assert ask(catalog, TrafficFlags(workload=name, isl=100, osl=10)).workload.id == name


@pytest.mark.parametrize(
    ("traffic", "message"),
    [
        (TrafficFlags(isl=1, osl=1), "how much traffic"),
        (TrafficFlags(requests_per_second=1.0, isl=1), "--osl missing"),
        (TrafficFlags(requests_per_second=1.0, requests_per_minute=60.0, isl=1, osl=1), "the same thing"),
        (TrafficFlags(requests_per_second=1.0, concurrency=1.0, isl=1, osl=1), "give one of them"),
        (TrafficFlags(requests_per_second=1.0, isl=131_000, osl=100), "131,072-token context"),
        (TrafficFlags(requests_per_second=1.0, isl=1000, osl=100, context_tokens=500), "is less than ISL + OSL"),
        (TrafficFlags(workload="nowhere.yaml"), "no such file: nowhere.yaml"),
        (TrafficFlags(workload="azure-convrsation"), "unknown workload"),
    ],
)
def test_traffic_that_makes_no_sense(catalog: Catalog, traffic: TrafficFlags, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        ask(catalog, traffic)
    assert message in caught.value.message
    assert caught.value.hints or "same thing" in message or "one of them" in message


def test_names_are_resolved(catalog: Catalog) -> None:
    limits = LimitFlags(
        gpu=["h100", "H100-SXM-80GB", "a10"], provider=["AWS"], engine=["vllm"], weights=["awq"], kv_cache=["fp8_e4m3"],
        term=["spot"], max_gpus=8, spare_replicas=0,
    )  # fmt: skip
    found = ask(catalog, limits=limits).limits
    assert found.gpu_ids == ("h100-sxm-80gb", "a10-24gb")
    assert found.provider_ids == ("aws-sagemaker", "aws", "bedrock")
    assert found.engine_ids == ("vllm",)
    assert found.weight_formats == ("awq-int4",)
    assert found.kv_formats == ("fp8",)
    assert found.terms == ("spot",)
    assert (found.max_gpus, found.spare_replicas) == (8, 0)


@pytest.mark.parametrize(
    ("name", "sellers"),
    [
        ("Amazon Web Services", ("aws",)),
        ("EC2", ("aws",)),
        ("bedrock", ("bedrock",)),
        ("runpod", ("runpod-community", "runpod-secure", "runpod-serverless")),
    ],
)
def test_a_seller_is_meant_by_name_alias_or_company(catalog: Catalog, name: str, sellers: tuple[str, ...]) -> None:
    assert ask(catalog, limits=LimitFlags(provider=[name])).limits.provider_ids == sellers


@pytest.mark.parametrize(
    ("limits", "near"),
    [
        (LimitFlags(gpu=["h100-smx-80gb"]), "h100-sxm-80gb"),
        (LimitFlags(provider=["lamda"]), "lambda"),
        (LimitFlags(region=["us-eats-1"]), "us-east-1"),
    ],
)
def test_unknown_names_offer_the_nearest(catalog: Catalog, limits: LimitFlags, near: str) -> None:
    with pytest.raises(UnknownIdError) as caught:
        ask(catalog, limits=limits)
    assert near in caught.value.hints[0]


def test_own_hardware(catalog: Catalog) -> None:
    hardware = HardwareFlags(
        have=[node_group("4x4xa10")], host_ram_gib=256.0, host_memory_gb_per_s=200.0, network_gb_per_s=12.5
    )
    limits = ask(catalog, hardware=hardware, limits=LimitFlags(privacy="air-gapped")).limits
    assert limits.inventory is not None
    (group,) = limits.inventory.groups
    assert (group.gpu_id, group.nodes, group.gpus_per_node) == ("a10-24gb", 4, 4)
    assert group.host_memory_bytes == 256 * GIB
    assert group.host_memory_bandwidth_bytes_per_s == 200 * GB
    assert limits.network_bytes_per_s == 12.5 * GB


@pytest.mark.parametrize(
    ("hardware", "message"),
    [
        (HardwareFlags(have=[node_group("1x1xa11")]), "unknown GPU"),
        (HardwareFlags(host_ram_gib=10.0), "which is missing"),
        (HardwareFlags(local=True, have=[node_group("1x1xa10")]), "give one of them"),
    ],
)
def test_hardware_that_makes_no_sense(catalog: Catalog, hardware: HardwareFlags, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ask(catalog, hardware=hardware)


def test_air_gapped_needs_hardware(catalog: Catalog) -> None:
    with pytest.raises(UsageError, match="none is given"):
        ask(catalog, limits=replace(LimitFlags(), privacy="air-gapped"))
