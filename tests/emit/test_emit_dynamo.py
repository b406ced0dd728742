"""NVIDIA Dynamo: only fields that are documented for v1beta1, and the planned settings under the names of its workers.

No schema of the resource is at hand: the fields are those that docs.nvidia.com/dynamo/v1.5.0 lists (read 2026-11-26);
pods are held against Kubernetes' own schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

import plan_samples as sample
from kube_objects import demand_strict, files_of, objects_of, of_kind
from llmplan.errors import UsageError
from llmplan.plan.deployment import Parallelism, Replica
from llmplan.plan.plan import Plan
from random_plans import plans_of

SPEC_FIELDS = {"annotations", "backendFramework", "components", "env", "experimental", "labels", "priorityClassName",
               "restart", "topologyConstraint"}  # fmt: skip
COMPONENT_FIELDS = {"compilationCache", "eppConfig", "experimental", "frontendSidecar", "globalDynamoNamespace",
                    "modelRef", "multinode", "name", "podTemplate", "replicas", "scalingAdapter", "sharedMemorySize",
                    "topologyConstraint", "type"}  # fmt: skip
TYPES = {"frontend", "worker", "prefill", "decode", "planner", "epp"}
FRAMEWORKS = {"vllm", "sglang", "trtllm"}


def demand_documented(found: Mapping[str, Any]) -> None:
    """Hold a graph against the documented fields, and its pods against Kubernetes' schema."""
    assert (found["apiVersion"], found["kind"]) == ("nvidia.com/v1beta1", "DynamoGraphDeployment")
    assert set(found) == {"apiVersion", "kind", "metadata", "spec"}
    spec = found["spec"]
    assert set(spec) <= SPEC_FIELDS
    assert spec["backendFramework"] in FRAMEWORKS
    names = [component["name"] for component in spec["components"]]
    assert len(set(names)) == len(names)
    for component in spec["components"]:
        assert set(component) <= COMPONENT_FIELDS
        assert component["type"] in TYPES
        assert component.get("multinode", {"nodeCount": 2})["nodeCount"] >= 2
        assert "main" in [each["name"] for each in component["podTemplate"]["spec"]["containers"]]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": component["podTemplate"]["spec"]}
        assert demand_strict(pod, custom=False)


def planned(of: Replica | None = None, *, replicas: int = 4) -> Plan:
    option = sample.option(of=of)
    return sample.plan(replace(option, deployment=replace(option.deployment, replicas=replicas)))


def graph_of(plan: Plan, **variant: Any) -> dict[str, Any]:
    found: dict[str, Any] = of_kind(objects_of(plan, "dynamo", **variant), "DynamoGraphDeployment")
    return found


def test_only_documented_fields_are_written() -> None:
    seen = 0
    for plan in plans_of(120, 7)[:60]:
        try:
            demand_documented(graph_of(plan, checkpoint="org/x"))
        except UsageError:
            continue
        seen += 1
    assert seen >= 15


def test_a_misspelt_field_would_fail() -> None:
    graph = graph_of(planned())
    demand_documented(graph)
    graph["spec"]["components"][1]["replica"] = 1
    with pytest.raises(AssertionError):
        demand_documented(graph)


def test_workers_run_the_planned_settings() -> None:
    graph = graph_of(planned(sample.replica(parallel=Parallelism(tp=2))))
    frontend, worker = graph["spec"]["components"]
    assert (frontend["type"], worker["type"], worker["replicas"]) == ("frontend", "worker", 4)
    (main,) = worker["podTemplate"]["spec"]["containers"]
    assert main["command"] == ["python3", "-m", "dynamo.vllm"]
    assert main["args"][:2] == ["--model", "meta-llama/Llama-3.1-8B-Instruct"]
    assert main["args"][main["args"].index("--tensor-parallel-size") + 1] == "2"
    assert "--port" not in main["args"], "the frontend is the HTTP server"
    assert main["resources"]["limits"] == {"nvidia.com/gpu": "2"}
    assert worker["sharedMemorySize"] == "8Gi"


def test_the_engine_of_the_image_is_said_to_be_another() -> None:
    files = files_of(planned(), "dynamo")
    assert any("its own version of vllm" in line for line in files[0].header)
    assert any("not against the operator's schema" in line for line in files[0].header)


def test_over_machines_the_operator_gives_ranks() -> None:
    graph = graph_of(planned(sample.replica(parallel=Parallelism(tp=8, pp=2))))
    demand_documented(graph)
    worker = graph["spec"]["components"][1]
    assert worker["multinode"] == {"nodeCount": 2}
    (main,) = worker["podTemplate"]["spec"]["containers"]
    assert not {"--nnodes", "--node-rank", "--master-addr", "--headless"} & set(main["args"])


def test_over_machines_no_word_may_need_quoting() -> None:
    wide = sample.replica(parallel=Parallelism(tp=8, pp=2), model=sample.model(id="org/x; touch PWNED"))
    with pytest.raises(UsageError, match="is not safe"):
        graph_of(planned(wide))


def test_tensorrt_llm_s_settings_file_goes_by_dynamo_s_option() -> None:
    trt = sample.replica(engine=sample.engine("tensorrt-llm", image="nvcr.io/x/y:1.2.1", version="1.2.1"))
    graph = graph_of(planned(trt))
    demand_documented(graph)
    assert graph["spec"]["backendFramework"] == "trtllm"
    (main,) = graph["spec"]["components"][1]["podTemplate"]["spec"]["containers"]
    assert main["args"][:2] == ["--model-path", "meta-llama/Llama-3.1-8B-Instruct"]
    assert main["args"][main["args"].index("--extra-engine-args") + 1] == "/config/trtllm.yaml"
    assert "--host" not in main["args"]


@pytest.mark.parametrize(
    ("replica", "variant", "message"),
    [
        (sample.replica(engine=sample.engine("llama-cpp")), {}, "it has workers for vllm, sglang, tensorrt-llm"),
        (sample.replica(), {"autoscaler": "keda"}, "scales its components itself"),
        (sample.replica(), {"weights_volume": "per-replica"}, "no volume per pod"),
    ],
)
def test_what_it_cannot_do_is_said(replica: Replica, variant: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        graph_of(planned(replica), **variant)
    assert caught.value.hints
