"""KServe: the planned container as a predictor, and KServe's own vLLM where it can run the plan."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import pytest

import plan_samples as sample
from crd_schemas import demand_valid
from kube_objects import files_of, objects_of, of_kind, parsed
from llmplan.errors import UsageError
from llmplan.plan.deployment import Parallelism, Replica
from llmplan.plan.plan import Plan


def planned(of: Replica | None = None, *, replicas: int = 4, peak: float = 1.0) -> Plan:
    option = sample.option(of=of)
    plan = sample.plan(replace(option, deployment=replace(option.deployment, replicas=replicas)))
    workload = replace(plan.question.workload, peak_to_mean=peak)
    return replace(plan, question=replace(plan.question, workload=workload))


def test_two_ways_and_when_to_take_which() -> None:
    files = {file.path: file for file in files_of(planned(), "kserve")}
    assert list(files) == ["base.yaml", "download.yaml", "inferenceservice.yaml", "llminferenceservice.yaml"]
    assert any("or apply llminferenceservice.yaml alone" in line for line in files["base.yaml"].header)
    assert any("starts exactly the planned image" in line for line in files["inferenceservice.yaml"].header)
    assert any("KServe's own build of vLLM" in line for line in files["llminferenceservice.yaml"].header)


def test_the_predictor_is_the_planned_container() -> None:
    found = of_kind(objects_of(planned(peak=2.0), "kserve"), "InferenceService")
    demand_valid(found)
    assert found["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "Standard"
    assert found["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "keda"
    predictor = found["spec"]["predictor"]
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (2, 4)
    (container,) = predictor["containers"]
    assert (container["name"], container["image"]) == ("kserve-container", "vllm/vllm-openai:v0.33.0")
    (metric,) = predictor["autoScaling"]["metrics"]
    assert metric["external"]["target"] == {"type": "AverageValue", "averageValue": "13"}
    assert predictor["labels"]["app.kubernetes.io/component"] == "server", "the network policy finds the pods by it"


def test_a_fixed_fleet_has_no_autoscaler() -> None:
    found = of_kind(objects_of(planned(), "kserve"), "InferenceService")
    assert found["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "none"
    predictor = found["spec"]["predictor"]
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (4, 4)
    assert "autoScaling" not in predictor


def test_kserve_s_own_server_gets_every_setting_but_those_it_makes() -> None:
    plan = planned(sample.replica(parallel=Parallelism(tp=2)))
    found = of_kind(objects_of(plan, "kserve"), "LLMInferenceService")
    demand_valid(found)
    assert found["apiVersion"] == "serving.kserve.io/v1alpha2"
    assert found["spec"]["model"]["uri"] == "hf://meta-llama/Llama-3.1-8B-Instruct"
    assert found["spec"]["parallelism"] == {"tensor": 2}
    assert found["spec"]["replicas"] == 4
    (main,) = found["spec"]["template"]["containers"]
    assert set(main) == {"name", "env", "resources"}, "image and command stay KServe's"
    (given,) = main["env"]
    words = shlex.split(given["value"])
    assert given["name"] == "VLLM_ADDITIONAL_ARGS"
    assert "--tensor-parallel-size" not in words
    assert "--port" not in words
    assert words[words.index("--max-model-len") + 1] == "8192"
    assert words == given["value"].split(), "no word needs quoting"


def test_over_machines_only_where_tensor_parallelism_stays_inside_one() -> None:
    files = files_of(planned(sample.replica(parallel=Parallelism(tp=8, pp=2))), "kserve")
    assert [file.path for file in files] == ["llminferenceservice.yaml"]
    (found,) = parsed(files)
    demand_valid(found)
    assert found["spec"]["parallelism"] == {"tensor": 8, "pipeline": 2}
    assert found["spec"]["worker"] == found["spec"]["template"]
    wide = planned(sample.replica(parallel=Parallelism(tp=16)))
    with pytest.raises(UsageError, match=r"does not reach across machines \(kserve/kserve#4946\)") as caught:
        files_of(wide, "kserve")
    assert caught.value.hints == ("llmplan emit-config PLAN --target leaderworkerset",)


@pytest.mark.parametrize(
    ("variant", "message"),
    [({"autoscaler": "hpa"}, "processor and memory"), ({"weights_volume": "per-replica"}, "volume")],
)
def test_what_it_cannot_do_is_said(variant: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        files_of(planned(), "kserve", **variant)
    assert caught.value.hints


@pytest.mark.parametrize(
    ("variant", "reason"),
    [({"air_gapped": True}, "downloads the model itself"), ({"checkpoint": "/models/x"}, "repository")],
)
def test_why_its_own_server_is_left_out(variant: dict[str, Any], reason: str) -> None:
    files = files_of(planned(), "kserve", **variant)
    assert "LLMInferenceService" not in [each["kind"] for each in parsed(files)]
    assert any("no llminferenceservice.yaml: " in line and reason in line for line in files[0].header)


def test_the_autoscaler_asks_for_what_prometheus_is_told_to_read() -> None:
    """KServe makes the Service: pods are found by their own labels, and asked for by the name of its Deployment."""
    plan = planned(peak=2.0)
    objects = objects_of(plan, "kserve", namespace="team")
    monitor, service = of_kind(objects, "PodMonitor"), of_kind(objects, "InferenceService")
    predictor = service["spec"]["predictor"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= predictor["labels"].items()
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] in [port["name"] for port in predictor["containers"][0]["ports"]]
    (metric,) = predictor["autoScaling"]["metrics"]
    assert metric["external"]["metric"]["query"].count('namespace="team",pod=~"llm-predictor-.*"') == 2
    assert "PodMonitor" not in [each["kind"] for each in objects_of(planned(), "kserve")], "nothing scales"
