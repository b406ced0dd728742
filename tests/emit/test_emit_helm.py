"""Values of the vLLM production-stack chart: what its template makes of them is the planned command line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import plan_samples as sample
from crd_schemas import demand_valid, demand_valid_helm_values
from kube_objects import files_of
from llmplan.emit import emit
from llmplan.emit.helm import CHART_VERSION
from llmplan.errors import UsageError
from llmplan.plan.deployment import Parallelism, Replica, Tenancy
from llmplan.plan.plan import Plan


def planned(of: Replica | None = None, *, replicas: int = 4, peak: float = 1.0) -> Plan:
    option = sample.option(of=of)
    plan = sample.plan(replace(option, deployment=replace(option.deployment, replicas=replicas)))
    workload = replace(plan.question.workload, peak_to_mean=peak)
    return replace(plan, question=replace(plan.question, workload=workload))


def values_of(plan: Plan, **variant: Any) -> dict[str, Any]:
    (file,) = files_of(plan, "helm", **variant)
    content: dict[str, Any] = file.content
    return content


def rendered(model: dict[str, Any]) -> list[str]:
    """The command line as the chart's template writes it (helm/templates/deployment-vllm-multi.yaml, f1f9822)."""
    config = model["vllmConfig"]
    words = ["vllm", "serve", model["modelURL"], "--host", "0.0.0.0", "--port", "8000"]
    words.append("--enable-prefix-caching" if config["enablePrefixCaching"] else "--no-enable-prefix-caching")
    for field, option in (
        ("maxModelLen", "--max-model-len"), ("dtype", "--dtype"), ("tensorParallelSize", "--tensor-parallel-size"),
        ("maxNumSeqs", "--max-num-seqs"), ("gpuMemoryUtilization", "--gpu_memory_utilization"),
    ):  # fmt: skip
        if field in config:
            words += [option, str(config[field])]
    return [*words, *config["extraArgs"]]


def pairs(words: list[str]) -> set[tuple[str, ...]]:
    """Options with their values, in any order."""
    found: list[tuple[str, ...]] = []
    for word in words:
        found = [*found, (word,)] if word.startswith("--") else [*found[:-1], (*found[-1], word)]
    return set(found)


@pytest.mark.parametrize(
    "replica",
    [
        sample.replica(),
        sample.replica(parallel=Parallelism(tp=4), weights="fp8", kv="fp8"),
        sample.replica(settings=sample.settings(prefix_caching=False, enforce_eager=True)),
        sample.replica(tenancy=Tenancy(tenants=5, adapters=4)),
    ],
)
def test_the_chart_starts_the_planned_command(replica: Replica) -> None:
    plan = planned(replica)
    (model,) = values_of(plan)["servingEngineSpec"]["modelSpec"]
    made = rendered(model)
    (own, *_) = emit(plan, strategy=None, target="vllm")
    wanted = list(own.content.words)
    assert made[:3] == wanted[:3]
    off = ("--disable-prefix-caching",)
    expected = {("--no-enable-prefix-caching",) if pair == off else pair for pair in pairs(wanted[3:])}
    assert pairs(made[3:]) - {("--host", "0.0.0.0")} == expected - {("--host", "0.0.0.0")}


def test_the_command_that_installs_it() -> None:
    (file,) = files_of(planned(), "helm", namespace="serving", name="chat")
    assert (
        f"helm install chat vllm/vllm-stack --version {CHART_VERSION} --namespace serving --create-namespace "
        "-f values.yaml"
    ) in file.header
    assert any('create secret generic chat-hub --from-literal=HF_TOKEN="$HF_TOKEN"' in line for line in file.header)


def test_what_scales_is_the_chart_s_deployment() -> None:
    content = values_of(planned(peak=2.0), name="chat")
    demand_valid_helm_values(content)
    (scaler,) = content["extraObjects"]
    demand_valid(scaler)
    assert scaler["spec"]["scaleTargetRef"]["name"] == "chat-chat-deployment-vllm"
    assert (scaler["spec"]["minReplicaCount"], scaler["spec"]["maxReplicaCount"]) == (2, 4)
    assert "extraObjects" not in values_of(planned())


def test_nothing_is_downloaded_where_there_is_no_network() -> None:
    (file,) = files_of(planned(), "helm", air_gapped=True, image_registry="registry.example")
    (model,) = file.content["servingEngineSpec"]["modelSpec"]
    assert "hf_token" not in model
    assert {"name": "HF_HUB_OFFLINE", "value": "1"} in model["env"]
    assert model["repository"] == "registry.example/vllm/vllm-openai"
    assert file.content["routerSpec"]["repository"] == "registry.example/lmcache/lmstack-router"


@pytest.mark.parametrize(
    ("replica", "variant", "message"),
    [
        (sample.replica(parallel=Parallelism(tp=8, pp=2)), {}, "on Ray"),
        (sample.replica(), {"autoscaler": "hpa"}, "scales engines by KEDA"),
        (sample.replica(weights="gguf-q4_k_m", engine=sample.engine("llama-cpp")), {}, "GGUF"),
        (sample.replica(), {"checkpoint": "/models/x"}, "at /data"),
    ],
)
def test_what_it_cannot_do_is_said(replica: Replica, variant: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        values_of(planned(replica), **variant)
    assert caught.value.hints
