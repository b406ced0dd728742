"""The SkyPilot task: only fields that SkyPilot reads, the plan's machines, price and fleet."""

from __future__ import annotations

from typing import Any

import rent_plans as rent
import yaml

import plan_samples as sample
from llmplan.cli import _launch_text
from llmplan.plan.deployment import Parallelism

TASK = {
    "name", "workdir", "num_nodes", "resources", "file_mounts", "service", "pool", "setup", "run", "envs", "secrets",
    "volumes", "config",
}  # fmt: skip
RESOURCES = {
    "cloud", "region", "zone", "infra", "cpus", "memory", "accelerators", "instance_type", "use_spot", "job_recovery",
    "volumes", "disk_size", "disk_tier", "network_tier", "local_disk", "max_hourly_cost", "ports", "labels",
    "accelerator_args", "image_id", "autostop", "priority", "any_of", "ordered",
}  # fmt: skip
SERVICE = {"readiness_probe", "replica_policy", "replicas", "load_balancing_policy", "ports", "tls"}
PROBE = {"path", "initial_delay_seconds", "post_data", "timeout_seconds", "headers"}
POLICY = {
    "min_replicas", "max_replicas", "target_qps_per_replica", "num_overprovision", "upscale_delay_seconds",
    "downscale_delay_seconds", "base_ondemand_fallback_replicas", "dynamic_ondemand_fallback", "spot_placer",
}  # fmt: skip
"""of SkyPilot 0.14.1 (sky/utils/schemas.py), which refuses any other"""


def task(plan: Any, **variant: Any) -> dict[str, Any]:
    text = _launch_text.render(rent.files(plan, "skypilot", **variant)["task.yaml"])
    found: dict[str, Any] = yaml.safe_load(text)
    assert set(found) <= TASK
    assert set(found["resources"]) <= RESOURCES
    assert set(found["service"]) <= SERVICE
    assert set(found["service"]["readiness_probe"]) <= PROBE
    assert set(found["service"].get("replica_policy", {})) <= POLICY
    return found


def test_a_rented_fleet_of_fixed_size() -> None:
    found = task(rent.hourly(rent.replica(parallel=Parallelism(tp=2)), replicas=2))
    resources = found["resources"]
    assert resources["accelerators"] == {"H100": 2}
    assert resources["image_id"] == "docker:vllm/vllm-openai:v0.33.0"
    assert resources["infra"] == "lambda"
    assert resources["max_hourly_cost"] == 4.25  # $3.40 and a quarter
    assert resources["disk_size"] == 60 + 17
    assert resources["use_spot"] is False
    assert resources["ports"] == 8000
    assert found["service"] == {
        "readiness_probe": {"path": "/health", "initial_delay_seconds": 660}, "replicas": 2,
    }  # fmt: skip
    assert found["secrets"] == {"HF_TOKEN": None, "VLLM_API_KEY": None}
    assert "envs" not in found
    assert found["run"].startswith("exec env HF_HOME=/models ")


def test_by_the_second_it_scales_to_zero_at_the_planned_rate() -> None:
    policy = task(rent.by_second(peak=3))["service"]["replica_policy"]
    assert policy == {
        "min_replicas": 0, "max_replicas": 3, "target_qps_per_replica": 5.0, "downscale_delay_seconds": 60,
    }  # fmt: skip
    assert task(rent.by_second(peak=1, keep_warm=1))["service"]["replicas"] == 1


def test_places_are_the_sellers_where_skypilot_knows_it() -> None:
    assert "infra" not in task(rent.hourly(provider="hyperstack"))["resources"]
    one = task(rent.limited(rent.hourly(provider="gcp"), regions=("us-east4",)))["resources"]
    assert one["infra"] == "gcp/us-east4"
    two = task(rent.limited(rent.hourly(provider="hyperstack"), regions=("a", "b")))["resources"]
    assert two["any_of"] == [{"infra": "*/a"}, {"infra": "*/b"}]
    header = rent.files(rent.hourly(provider="hyperstack"), "skypilot")["task.yaml"]
    assert any("hyperstack is none that SkyPilot rents from" in text for text in header.comments.values())


def test_spot_as_priced_or_as_chosen() -> None:
    assert task(rent.hourly(term="spot"))["resources"]["use_spot"] is True
    assert task(rent.hourly(), spot=True)["resources"]["use_spot"] is True
    assert task(rent.hourly(term="spot"), spot=False)["resources"]["use_spot"] is False


def test_a_contracts_price_is_no_cap() -> None:
    assert "max_hourly_cost" not in task(rent.hourly(term="reserved-3y"))["resources"]


def test_a_checkpoint_that_only_the_user_knows_is_asked_for() -> None:
    plan = rent.hourly(rent.replica(weights="awq-int4"))
    found = task(plan)
    assert found["envs"]["MODEL"] is None
    assert '"${MODEL:?' in found["run"]
    header = rent.files(plan, "skypilot")["task.yaml"].header
    assert any("--env MODEL --secret HF_TOKEN --secret VLLM_API_KEY" in line for line in header)


def test_files_of_the_engine_are_mounted() -> None:
    trt = sample.engine("tensorrt-llm", image="nvcr.io/nvidia/tensorrt-llm/release:1.2.1", version="1.2.1")
    plan = rent.hourly(rent.replica(engine=trt))
    assert task(plan)["file_mounts"] == {"/config/trtllm.yaml": "./trtllm.yaml"}
    assert "trtllm.yaml" in rent.files(plan, "skypilot")
