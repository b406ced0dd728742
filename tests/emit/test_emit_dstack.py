"""The dstack service: only fields that dstack reads, the plan's machines, price and fleet."""

from __future__ import annotations

import re
from typing import Any

import pytest
import rent_plans as rent
import yaml

import plan_samples as sample
from llmplan.cli import _launch_text
from llmplan.errors import UsageError
from llmplan.plan.deployment import Parallelism

SERVICE = {
    "type", "name", "image", "user", "privileged", "entrypoint", "working_dir", "env", "shell", "resources", "priority",
    "volumes", "files", "repos", "commands", "port", "gateway", "strip_prefix", "model", "https", "auth", "scaling",
    "rate_limits", "probes", "replicas", "groups", "backends", "regions", "availability_zones", "instance_types",
    "reservation", "spot_policy", "retry", "max_duration", "max_price", "creation_policy", "idle_duration", "fleets",
}  # fmt: skip
RESOURCES = {"cpu", "memory", "shm_size", "gpu", "disk"}
"""of dstack 0.22.5 (core/models), which refuses any other"""


def service(plan: Any, **variant: Any) -> dict[str, Any]:
    text = _launch_text.render(rent.files(plan, "dstack", **variant)["llm.dstack.yml"])
    found: dict[str, Any] = yaml.safe_load(text)
    assert set(found) <= SERVICE
    assert set(found["resources"]) <= RESOURCES
    assert re.fullmatch("[a-z][a-z0-9-]{1,40}", found["name"])
    return found


def test_a_rented_fleet_of_fixed_size() -> None:
    found = service(rent.hourly(rent.replica(parallel=Parallelism(tp=2)), replicas=2))
    assert found["type"] == "service"
    assert found["replicas"] == 2
    assert "scaling" not in found
    assert found["resources"] == {"gpu": "H100:2", "memory": "16GB..", "shm_size": "8GB", "disk": "77GB.."}
    assert found["model"] == "meta-llama/Llama-3.1-8B-Instruct"
    assert found["port"] == 8000
    assert found["probes"] == [{"type": "http", "url": "/health", "interval": "15s"}]
    assert found["backends"] == ["lambda"]
    assert found["spot_policy"] == "on-demand"
    assert found["max_price"] == 4.25
    assert found["env"] == ["HF_TOKEN"]
    assert found["commands"][0].startswith("exec env HF_HOME=/models ")
    assert found["volumes"] == [{"instance_path": "/llm-weights", "path": "/models", "optional": True}]


def test_by_the_second_it_scales_to_zero_at_the_planned_rate() -> None:
    found = service(rent.by_second(peak=3))
    assert found["replicas"] == "0..3"
    assert found["scaling"] == {"metric": "rps", "target": 5.0, "scale_down_delay": "60s"}
    assert any("gateway" in line for line in rent.files(rent.by_second(), "dstack")["llm.dstack.yml"].header)


def test_spot_regions_and_an_unknown_seller() -> None:
    found = service(rent.limited(rent.hourly(provider="hyperstack", term="spot"), regions=("us-east-1",)))
    assert found["spot_policy"] == "spot"
    assert found["regions"] == ["us-east-1"]
    assert "backends" not in found


def test_a_checkpoint_that_only_the_user_knows_is_asked_for() -> None:
    found = service(rent.hourly(rent.replica(weights="awq-int4")))
    assert "MODEL" in found["env"]
    assert '"${MODEL:?' in found["commands"][0]


def test_a_mirror_of_the_hub_is_for_the_engine_alone() -> None:
    found = service(rent.hourly(), hub_mirror="https://hub.example/x")
    assert " HF_ENDPOINT=https://hub.example/x " in found["commands"][0]


def test_a_name_of_one_letter_is_too_short() -> None:
    with pytest.raises(UsageError, match="at least 2 characters"):
        service(rent.hourly(), name="a")


def test_files_of_the_engine_are_mounted() -> None:
    trt = sample.engine("tensorrt-llm", image="nvcr.io/nvidia/tensorrt-llm/release:1.2.1", version="1.2.1")
    found = service(rent.hourly(rent.replica(engine=trt)))
    assert found["files"] == ["./trtllm.yaml:/config/trtllm.yaml"]
