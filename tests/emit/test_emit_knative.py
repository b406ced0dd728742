"""Knative and Cloud Run: accepted by their definitions, never root, scaled as planned."""

from __future__ import annotations

import math
from typing import Any

import pytest
import rent_plans as rent
import yaml

import crd_schemas
import plan_samples as sample
import random_plans
from llmplan.cli import _launch_text
from llmplan.emit import Variant, emit
from llmplan.errors import UsageError
from llmplan.plan.deployment import Parallelism
from strange_names import NASTY

L4 = sample.gpu((8, 9), id="l4-24gb", aliases=("NVIDIA L4",), platform_names=rent.NAMES)


def documents(plan: Any, path: str = "service.yaml", **variant: Any) -> list[dict[str, Any]]:
    text = _launch_text.render(rent.files(plan, "knative", **variant)[path])
    return [document for document in yaml.safe_load_all(text) if document]


def service(plan: Any, path: str = "service.yaml", **variant: Any) -> dict[str, Any]:
    found = documents(plan, path, **variant)[-1]
    if path == "service.yaml":
        crd_schemas.demand_valid(found)
    return found


def parts(found: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
    template = found["spec"]["template"]
    (engine,) = template["spec"]["containers"]
    return template["metadata"]["annotations"], template["spec"], engine


def test_it_scales_between_what_is_kept_and_the_peak() -> None:
    marks, pod, engine = parts(service(rent.by_second(peak=3, window_s=300.0)))
    scaling = {key.partition("/")[2]: value for key, value in marks.items()}
    assert scaling == {
        "min-scale": "0", "max-scale": "3", "metric": "concurrency", "target": "13",
        "target-utilization-percentage": "100", "window": "60s", "scale-down-delay": "240s",
        "progress-deadline": f"{660 + 600}s",
    }  # fmt: skip
    assert pod["containerConcurrency"] == 64
    assert pod["timeoutSeconds"] == 600  # 400 s and a start of 660 s, but no more than clusters take
    assert engine["startupProbe"]["failureThreshold"] * engine["startupProbe"]["periodSeconds"] == 660
    assert engine["resources"]["limits"] == {"nvidia.com/gpu": "1"}
    warm, pod, _ = parts(service(rent.by_second(peak=3, keep_warm=1)))
    assert warm["autoscaling.knative.dev/min-scale"] == "1"
    assert pod["timeoutSeconds"] == 400


def test_a_fixed_fleet_is_kept() -> None:
    marks, _, _ = parts(service(rent.hourly(replicas=2)))
    assert marks["autoscaling.knative.dev/min-scale"] == marks["autoscaling.knative.dev/max-scale"] == "2"
    assert "autoscaling.knative.dev/scale-down-delay" not in marks


def test_nothing_runs_as_root_or_writes_beside_its_mounts() -> None:
    _, pod, engine = parts(service(rent.by_second()))
    security = engine["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == 1000
    assert security["readOnlyRootFilesystem"] is True
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert {mount["mountPath"] for mount in engine["volumeMounts"]} == {"/models", "/tmp", "/dev/shm"}
    assert all("emptyDir" in volume for volume in pod["volumes"])
    assert engine["image"] == "vllm/vllm-openai:v0.33.0"


def test_secrets_are_references() -> None:
    _, _, engine = parts(service(rent.by_second()))
    values = {each["name"]: each for each in engine["env"]}
    assert values["HF_TOKEN"]["valueFrom"] == {
        "secretKeyRef": {"name": "llm-secrets", "key": "HF_TOKEN", "optional": True}
    }
    assert "value" not in values["VLLM_API_KEY"]


@pytest.mark.parametrize("name", NASTY)
def test_no_name_breaks_out(name: str) -> None:
    plan = rent.by_second(rent.replica(model=sample.model(id=name), gpu=L4))
    found = service(plan)
    assert parts(found)[2]["args"][0] == name.replace("$", "$$")  # the kubelet reads $$ as one sign
    assert found["metadata"]["annotations"]["llmplan/model"] == name
    if name != "~":  # a home's folder, which an instance of Cloud Run has not
        assert parts(service(plan, "service.cloudrun.yaml"))[2]["args"][0] == name  # Cloud Run replaces nothing


def test_settings_lie_in_a_config_map_before_the_service() -> None:
    trt = sample.engine("tensorrt-llm", image="nvcr.io/nvidia/tensorrt-llm/release:1.2.1", version="1.2.1")
    settings, found = documents(rent.by_second(rent.replica(engine=trt)))
    assert settings["kind"] == "ConfigMap"
    assert "trtllm.yaml" in settings["data"]
    crd_schemas.demand_valid(found)
    mounts = {mount["mountPath"]: mount for mount in parts(found)[2]["volumeMounts"]}
    assert mounts["/config/trtllm.yaml"]["subPath"] == "trtllm.yaml"
    assert mounts["/config/trtllm.yaml"]["readOnly"] is True


def test_weights_that_are_put_there_by_hand_lie_on_a_claim() -> None:
    _, pod, engine = parts(service(rent.by_second(), checkpoint="/models/mine"))
    claim = {"claimName": "llm-weights", "readOnly": True}
    assert {"name": "weights", "persistentVolumeClaim": claim} in pod["volumes"]
    assert "HF_TOKEN" not in {each["name"] for each in engine["env"]}
    _, pod, engine = parts(service(rent.by_second(), air_gapped=True))
    assert {"name": "HF_HUB_OFFLINE", "value": "1"} in engine["env"]
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == "llm-weights"


def test_a_replica_over_machines_is_refused() -> None:
    with pytest.raises(UsageError, match="spans 2 machines") as caught:
        service(rent.by_second(rent.replica(parallel=Parallelism(tp=8, pp=2))))
    assert "llmplan emit-config PLAN --target leaderworkerset" in caught.value.hints


def test_cloud_run_gets_its_own_file_where_it_has_the_gpu() -> None:
    found = service(rent.by_second(rent.replica(gpu=L4), peak=3), "service.cloudrun.yaml")
    marks, pod, engine = parts(found)
    assert (marks["autoscaling.knative.dev/minScale"], marks["autoscaling.knative.dev/maxScale"]) == ("0", "3")
    assert pod["nodeSelector"] == {"run.googleapis.com/accelerator": "nvidia-l4"}
    # 16.06 GB of weights in memory are 15 GiB, with 8 GiB more than the 16 GiB of the least instance
    assert engine["resources"]["limits"] == {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "1"}
    assert math.ceil(16_060_522_496 / 2**30) + 8 <= 32
    probe = engine["startupProbe"]
    assert probe["initialDelaySeconds"] + probe["periodSeconds"] * probe["failureThreshold"] == 480
    assert probe["periodSeconds"] * probe["failureThreshold"] <= 240
    (token,) = [each for each in engine["env"] if each["name"] == "HF_TOKEN"]
    assert token["valueFrom"] == {"secretKeyRef": {"name": "llm-hf-token", "key": "1"}}


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (sample.replica(), "rents no h100-sxm-80gb"),
        (rent.replica(gpu=L4, parallel=Parallelism(tp=2)), "one GPU, and this replica has 2"),
    ],
)
def test_where_cloud_run_cannot_the_service_says_why(of: Any, reason: str) -> None:
    files = rent.files(rent.by_second(of), "knative")
    assert set(files) == {"service.yaml"}
    assert any(reason in line for line in files["service.yaml"].header)


def test_weights_without_room_in_memory_get_no_cloud_run_file() -> None:
    big = rent.by_second(rent.replica(gpu=L4, model=sample.model(layers=64), weights="fp8"))  # 29 GB on the hub
    assert set(rent.files(big, "knative")) == {"service.yaml"}
    assert "service.cloudrun.yaml" in rent.files(big, "knative", checkpoint="org/fp8")


def attempt(plan: Any) -> list[str] | None:
    """What is written, or None where an engine refuses."""
    try:
        files = emit(plan, strategy=None, target="knative", variant=Variant(checkpoint="org/weights"))
    except UsageError:
        return None
    return [_launch_text.render(file) for file in files]


def test_random_plans_are_valid_and_the_same_twice() -> None:
    emitted = 0
    for plan in random_plans.plans_of(120, 7)[:60]:
        if random_plans.replica_of(plan).spans_nodes:
            continue
        texts = attempt(plan)
        if texts is None:
            continue
        assert texts == attempt(plan)
        crd_schemas.demand_valid(list(yaml.safe_load_all(texts[0]))[-1])
        emitted += 1
    assert emitted >= 20
