"""RunPod's bodies: only fields that its API has; a load balancer for plans by the second, a pod for others."""

from __future__ import annotations

import json
import math
import shlex
from typing import Any

import pytest
import rent_plans as rent

import plan_samples as sample
from llmplan.cli import _launch_text
from llmplan.errors import UsageError
from llmplan.plan.deployment import Parallelism

CONTAINER = {"args", "disk", "env", "image", "ports", "registry"}
ENDPOINT = CONTAINER | {
    "name", "type", "gpu", "scaling", "dataCenterIds", "flashboot", "networkVolumes", "templateId", "timeout",
    "workers",
}  # fmt: skip
POD = CONTAINER | {
    "name", "cloud", "dataCenterIds", "globalNetworking", "gpu", "mounts", "startJupyter", "startSsh", "templateId",
}  # fmt: skip
"""fields of CreateEndpointRequest and CreatePodRequest: unknown ones are refused (unevaluatedProperties: false)"""


def body(plan: Any, name: str, **variant: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_launch_text.render(rent.files(plan, "runpod", **variant)[name]))
    return found


def test_by_the_second_it_is_a_load_balancing_endpoint() -> None:
    found = body(rent.by_second(peak=3, keep_warm=1), "endpoint.json")
    assert set(found) <= ENDPOINT
    assert found["type"] == "LOAD_BALANCER"
    assert found["gpu"] == {"pools": ["ADA_80_PRO"], "excludedTypes": ["NVIDIA H100 PCIe"], "count": 1}
    assert found["workers"] == {"min": 1, "max": 3, "idleTimeout": 60}
    assert found["scaling"] == {"type": "REQUEST_COUNT", "requestCount": 13}
    assert found["ports"] == ["8000/http"]
    assert {key: found["env"][key] for key in ("PORT", "PORT_HEALTH", "HEALTH_CHECK_PATH")} == {
        "PORT": "8000", "PORT_HEALTH": "8000", "HEALTH_CHECK_PATH": "/health",
    }  # fmt: skip


def test_by_the_hour_it_is_a_pod_with_a_volume_for_the_weights() -> None:
    plan = rent.hourly(rent.replica(parallel=Parallelism(tp=2)), provider="runpod-community")
    found = body(plan, "pod.json")
    assert set(found) <= POD
    assert found["gpu"] == {"id": "NVIDIA H100 80GB HBM3", "count": 2}
    assert found["cloud"] == "COMMUNITY"
    assert body(rent.hourly(), "pod.json")["cloud"] == "SECURE"
    assert found["mounts"] == {"persistent": {"size": 18, "path": "/models"}}  # 16.06 GB and a tenth, rounded up
    assert found["env"]["HF_HOME"] == "/models"


def test_weights_that_are_converted_need_room_for_what_is_published() -> None:
    twice = sample.model(layers=64)  # 14.48e9 parameters, which the hub has in 16 bit; the plan's 16.06 GB are in 8
    assert math.ceil(1.1 * 2 * twice.total_parameters / 1e9) == 32
    found = body(rent.hourly(rent.replica(model=twice, weights="fp8")), "pod.json")
    assert found["mounts"]["persistent"]["size"] == 32
    assert found["disk"] == 60 + 29
    named = body(rent.hourly(rent.replica(model=twice, weights="fp8")), "pod.json", checkpoint="org/fp8")
    assert named["mounts"]["persistent"]["size"] == 18


def test_arguments_follow_the_images_own_entrypoint() -> None:
    words = shlex.split(body(rent.hourly(), "pod.json")["args"])
    assert words[0] == "meta-llama/Llama-3.1-8B-Instruct"
    assert "serve" not in words
    llama = sample.engine("llama-cpp", host_layers=True, image=None)
    of = rent.replica(weights="gguf-q4_k_m", kv="fp16", engine=llama)
    assert shlex.split(body(rent.hourly(of), "pod.json", checkpoint="/models/x.gguf")["args"])[0] == "-m"


def test_secrets_are_references_that_no_name_can_forge() -> None:
    env = body(rent.hourly(), "pod.json")["env"]
    assert env["HF_TOKEN"] == "{{ RUNPOD_SECRET_HF_TOKEN }}"
    assert env["VLLM_API_KEY"] == "{{ RUNPOD_SECRET_VLLM_API_KEY }}"  # anybody reaches a pod
    assert "VLLM_API_KEY" not in body(rent.by_second(), "endpoint.json")["env"]  # RunPod asks for its own key
    with pytest.raises(UsageError, match=r"fills \{\{"):
        body(rent.hourly(rent.replica(model=sample.model(id="{{ RUNPOD_SECRET_HF_TOKEN }}"))), "pod.json")


def test_an_engine_that_reads_a_file_cannot_start_there() -> None:
    trt = sample.engine("tensorrt-llm", image="nvcr.io/nvidia/tensorrt-llm/release:1.2.1", version="1.2.1")
    with pytest.raises(UsageError, match="puts no files into a container") as caught:
        rent.files(rent.hourly(rent.replica(engine=trt)), "runpod")
    assert "llmplan emit-config PLAN --target skypilot" in caught.value.hints


def test_the_call_names_the_key_by_reference() -> None:
    files = rent.files(rent.by_second(), "runpod")
    text = _launch_text.render(files["create-endpoint.sh"])
    assert "--url https://api.runpod.io/v2/serverless" in text
    assert '--oauth2-bearer "${RUNPOD_API_KEY:?set RUNPOD_API_KEY' in text
    assert files["create-endpoint.sh"].executable
    assert "--url https://api.runpod.io/v2/pods" in _launch_text.render(
        rent.files(rent.hourly(), "runpod")["create-pod.sh"]
    )


def test_a_start_longer_than_runpod_waits_is_said() -> None:
    header = rent.files(rent.by_second(), "runpod")["create-endpoint.sh"].header
    assert any("waits at most 2.0 min" in line and "2.5 min" in line for line in header)
    warm = rent.files(rent.by_second(keep_warm=1), "runpod")["create-endpoint.sh"].header
    assert not any("waits at most" in line for line in warm)


def test_data_centers_are_runpods_or_left_free() -> None:
    assert body(rent.limited(rent.hourly(), regions=("EU-RO-1",)), "pod.json")["dataCenterIds"] == ["EU-RO-1"]
    files = rent.files(rent.limited(rent.hourly(), regions=("us-east-1",)), "runpod")
    assert "dataCenterIds" not in json.loads(_launch_text.render(files["pod.json"]))
    assert any("us-east-1 is none of RunPod's names" in line for line in files["create-pod.sh"].header)
