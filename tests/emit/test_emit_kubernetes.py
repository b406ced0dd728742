"""Kubernetes manifests: how many, how long, where from and who may talk to whom, against the plan's own numbers."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import plan_samples as sample
from kube_objects import containers_of, files_of, objects_of, of_kind, parsed
from llmplan import emit
from llmplan.cli import _launch_text
from llmplan.emit import Variant
from llmplan.emit.kube.names import label_value
from llmplan.errors import UsageError
from llmplan.plan.deployment import Offload, Parallelism, Purchase, Replica, Tenancy
from llmplan.plan.outcome import Option
from llmplan.plan.plan import Plan
from llmplan.plan.speculation import Speculation
from llmplan.spec.band import Band
from llmplan.units import GIB

H100 = sample.gpu(aliases=("NVIDIA H100 80GB HBM3", "h100"))


def planned(
    of: Replica | None = None, *, replicas: int = 6, peak: float = 1.0, term: str = "on-demand", **changes: Any
) -> Plan:
    """A fleet of `replicas` for traffic whose busiest hour is `peak` times the mean."""
    option = sample.option(of=of)
    (line,) = option.quote.lines
    assert line.figure is not None
    figure = replace(line.figure, term=term, provider=changes.pop("provider", line.figure.provider))
    quote = replace(option.quote, lines=(replace(line, figure=figure),))
    deployment = replace(
        option.deployment, replicas=replicas, purchase=changes.pop("purchase", option.deployment.purchase)
    )
    found: Option = replace(option, deployment=deployment, quote=quote, **changes)
    plan = sample.plan(found)
    workload = replace(plan.question.workload, peak_to_mean=peak)
    return replace(plan, question=replace(plan.question, workload=workload))


def engine_of_pod(plan: Plan, kind: str = "Deployment", **variant: Any) -> dict[str, Any]:
    pod = of_kind(objects_of(plan, "kubernetes", **variant), kind)["spec"]["template"]["spec"]
    (engine,) = pod["containers"]
    found: dict[str, Any] = engine
    return found


def test_files_in_the_order_in_which_they_are_applied() -> None:
    paths = [file.path for file in files_of(planned(peak=2.0), "kubernetes", namespace="serving")]
    assert paths == [
        "00-base.yaml", "10-download.yaml", "20-serve.yaml", "30-network.yaml", "40-scale.yaml",
        "monitoring/servicemonitor.yaml",
    ]  # fmt: skip
    objects = objects_of(planned(), "kubernetes", namespace="serving")
    assert objects[0] == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "serving"}}
    assert {each["metadata"]["namespace"] for each in objects[1:]} == {"serving"}
    assert "Namespace" not in [each["kind"] for each in objects_of(planned(), "kubernetes")]


def test_a_replica_over_machines_is_sent_to_leaderworkerset() -> None:
    plan = sample.plan(sample.option(of=sample.replica(parallel=Parallelism(tp=8, pp=2))))
    with pytest.raises(UsageError, match="spans 2 machines") as caught:
        files_of(plan, "kubernetes")
    assert caught.value.hints == ("llmplan emit-config PLAN --target leaderworkerset",)


@pytest.mark.parametrize(
    ("replicas", "peak", "low"), [(6, 2.0, 3), (6, 2.5, math.ceil(6 / 2.5)), (2, 8.0, 1), (7, 3.0, math.ceil(7 / 3))]
)
def test_a_fleet_scales_between_mean_and_peak(replicas: int, peak: float, low: int) -> None:
    spec = of_kind(objects_of(planned(replicas=replicas, peak=peak), "kubernetes"), "ScaledObject")["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (low, replicas)
    assert spec["fallback"]["replicas"] == replicas
    (trigger,) = spec["triggers"]
    assert trigger["metadata"]["threshold"] == str(math.ceil(sample.estimate().batch_size))
    assert trigger["metadata"]["query"] == (
        'sum(vllm:num_requests_waiting{service="llm"}) + sum(vllm:num_requests_running{service="llm"})'
    )
    deployment = of_kind(objects_of(planned(replicas=replicas, peak=peak), "kubernetes"), "Deployment")
    assert "replicas" not in deployment["spec"], "applying again would undo what the autoscaler did"
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (planned(replicas=1, peak=4.0), "one replica"),
        (planned(peak=1.0), "no peak above its mean"),
        (planned(peak=4.0, term="reserved-1y"), "paid for whether they run or not"),
        (planned(peak=4.0, purchase=Purchase(kind="owned")), "paid for whether they run or not"),
    ],
)
def test_a_fleet_without_a_reason_to_scale_is_fixed(plan: Plan, reason: str) -> None:
    files = files_of(plan, "kubernetes")
    kinds = [each["kind"] for each in parsed(files)]
    assert "ScaledObject" not in kinds
    assert any(f"scaling: none ({reason}" in line or reason in line for line in files[0].header)
    workload = of_kind(parsed(files), "StatefulSet" if plan.chosen.deployment.replicas == 1 else "Deployment")  # type: ignore[union-attr]
    assert workload["spec"]["replicas"] == plan.chosen.deployment.replicas  # type: ignore[union-attr]


def test_the_horizontal_autoscaler_reads_both_counts() -> None:
    files = files_of(planned(peak=2.0), "kubernetes", autoscaler="hpa")
    spec = of_kind(parsed(files), "HorizontalPodAutoscaler")["spec"]
    metrics = {each["pods"]["metric"]["name"]: each["pods"]["target"]["averageValue"] for each in spec["metrics"]}
    assert metrics == {"vllm_num_requests_waiting": "1", "vllm_num_requests_running": "13"}
    (adapter,) = [file for file in files if file.path == "monitoring/prometheus-adapter.yaml"]
    assert [rule["name"]["as"] for rule in adapter.content["rules"]["custom"]] == list(metrics)


@pytest.mark.parametrize("autoscaler", ["hpa", "keda"])
def test_an_engine_without_known_metrics_is_not_scaled_by_them(autoscaler: Any) -> None:
    trt = sample.replica(engine=sample.engine("tensorrt-llm", image="nvcr.io/x/y:1.2.1", version="1.2.1"))
    metrics_known = emit.emit(planned(trt), strategy=None, target="kubernetes", variant=Variant(autoscaler="none"))
    if any(file.path == "monitoring/servicemonitor.yaml" for file in metrics_known):
        pytest.skip("this engine's metrics are known")
    with pytest.raises(UsageError, match="is not known") as caught:
        files_of(planned(trt, peak=2.0), "kubernetes", autoscaler=autoscaler)
    assert caught.value.hints == ("--autoscaler none",)


@pytest.mark.parametrize(("start_s", "keep_s", "checks"), [(None, 300, 180), (90.0, 300, 30), (400.0, 800, 120)])
def test_patience_follows_the_predicted_start(start_s: float | None, keep_s: int, checks: int) -> None:
    """Three starts in whole minutes are allowed, at least 300 s, 30 min where none is known; replicas stay as long."""
    plan = planned(peak=2.0, start_s=start_s)
    assert checks == (180 if start_s is None else 6 * math.ceil(max(300, 3 * start_s) / 60))
    probe = engine_of_pod(plan)["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] == checks * 10
    scaled = of_kind(objects_of(plan, "kubernetes"), "ScaledObject")["spec"]
    behaviour = scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behaviour["scaleDown"]["stabilizationWindowSeconds"] == keep_s
    assert behaviour["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}]


def test_requests_that_run_may_end() -> None:
    """Twice the upper end of a mean request of 40 s, 15 s until nothing new arrives, 30 s to end."""
    estimate = replace(sample.estimate(), e2e_s=Band(low=20.0, mid=30.0, high=40.0))
    pod = of_kind(objects_of(planned(estimate=estimate), "kubernetes"), "Deployment")["spec"]["template"]["spec"]
    (engine,) = pod["containers"]
    assert engine["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", str(15 + 2 * 40)]
    assert pod["terminationGracePeriodSeconds"] == 15 + 2 * 40 + 30


def test_requests_for_processor_and_memory() -> None:
    """Two threads for each of 2 + N cores; 8 GiB and 4 GiB shared memory a GPU, and what the plan keeps on the host."""
    offloaded = sample.replica(parallel=Parallelism(tp=2), offload=Offload(kind="kv", host_kv_bytes=40 * GIB))
    memory = replace(sample.memory_budget(), host_bytes=40 * GIB)
    found = engine_of_pod(planned(offloaded, memory=memory))["resources"]
    assert any("host memory is locked" in line for line in files_of(planned(offloaded), "kubernetes")[0].header)
    assert found["requests"] == {"cpu": str(2 * (2 + 2)), "memory": f"{40 + 2 * 8 + 2 * 4}Gi"}
    assert found["limits"] == {"nvidia.com/gpu": "2"}
    small = sample.replica(host=sample.host(gpus=8, cpu_cores=8, memory_bytes=64 * GIB))
    share = engine_of_pod(planned(small))["resources"]["requests"]
    assert share == {"cpu": str(int(0.9 / 8 * 2 * 8)), "memory": f"{math.ceil(0.9 * 64 / 8)}Gi"}


def test_nodes_are_those_with_the_planned_gpu() -> None:
    objects = objects_of(planned(sample.replica(gpu=H100)), "kubernetes")
    pod = of_kind(objects, "Deployment")["spec"]["template"]["spec"]
    (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [
        {"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-H100-80GB-HBM3"]}
    ]
    unknown = objects_of(planned(), "kubernetes")
    assert "affinity" not in of_kind(unknown, "Deployment")["spec"]["template"]["spec"]


def test_a_slice_is_asked_for_by_its_own_name_and_doubted() -> None:
    files = files_of(planned(sample.replica(gpu=H100)), "kubernetes", gpu_resource="nvidia.com/mig-3g.40gb")
    pod = of_kind(parsed(files), "Deployment")["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"] == {"nvidia.com/mig-3g.40gb": "1"}
    assert "affinity" not in pod, "the product label of a slice ends otherwise"
    assert any("less memory and bandwidth" in line for line in files[0].header)
    with pytest.raises(UsageError, match="--gpu-resource"):
        Variant(gpu_resource="mig $(x)")


def test_another_maker_s_gpus() -> None:
    amd = sample.replica(gpu=sample.gpu(None, vendor="AMD", id="mi300x-192gb"))
    assert engine_of_pod(planned(amd))["resources"]["limits"] == {"amd.com/gpu": "1"}
    with pytest.raises(UsageError, match="no Kubernetes resource is known for GPUs of Acme"):
        files_of(planned(sample.replica(gpu=sample.gpu(vendor="Acme"))), "kubernetes")


@pytest.mark.parametrize(
    ("provider", "label"),
    [
        ("gcp", "cloud.google.com/gke-spot"),
        ("azure", "kubernetes.azure.com/scalesetpriority"),
        ("aws", "karpenter.sh/capacity-type"),
    ],
)
def test_spot_nodes_by_the_seller_of_the_price_line(provider: str, label: str) -> None:
    plan = planned(term="spot", provider=provider)
    pod = of_kind(objects_of(plan, "kubernetes"), "Deployment")["spec"]["template"]["spec"]
    (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert label in [each["key"] for each in term["matchExpressions"]]
    assert (label in [each["key"] for each in pod["tolerations"]]) == (provider != "aws")
    assert (
        "affinity" not in of_kind(objects_of(plan, "kubernetes", spot=False), "Deployment")["spec"]["template"]["spec"]
    )


def test_an_unknown_seller_s_spot_nodes_are_said_to_be_unknown() -> None:
    files = files_of(planned(term="spot"), "kubernetes")
    assert any("how lambda marks such nodes is not known here" in line for line in files[0].header)


def test_one_pod_has_a_volume_of_its_own_and_downloads_for_itself() -> None:
    objects = objects_of(planned(replicas=1), "kubernetes", storage_class="fast")
    assert "Job" not in [each["kind"] for each in objects]
    found = of_kind(objects, "StatefulSet")["spec"]
    (claim,) = found["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert claim["spec"]["storageClassName"] == "fast"
    (first,) = found["template"]["spec"]["initContainers"]
    assert first["command"][-1] == "meta-llama/Llama-3.1-8B-Instruct"
    assert "HF_HUB_OFFLINE" not in [each["name"] for each in first["env"]]
    policy = of_kind(objects, "NetworkPolicy")
    assert {"port": 443, "protocol": "TCP"} in [port for rule in policy["spec"]["egress"] for port in rule["ports"]]


def test_many_pods_share_one_volume_that_a_job_fills() -> None:
    objects = objects_of(planned(), "kubernetes")
    claim = of_kind(objects, "PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["spec"]["resources"]["requests"]["storage"] == f"{math.ceil(1.1 * 16_060_522_496 / GIB)}Gi"
    (job,) = of_kind(objects, "Job")["spec"]["template"]["spec"]["containers"]
    assert job["command"][:2] == ["sh", "-c"]
    assert "snapshot_download" in job["command"][2]
    assert all(f"'{folder}/*'" in job["command"][2] for folder in ("original", "metal")), "the weights once more"
    assert "meta-llama" not in job["command"][2], "names are arguments of the script, not part of it"
    pod = of_kind(objects, "Deployment")["spec"]["template"]["spec"]
    (wait,) = pod["initContainers"]
    assert wait["command"][-1] == job["command"][4], "waits for the file that the download makes last"
    mounts = {mount["name"]: mount for each in containers_of(pod) for mount in each["volumeMounts"]}
    assert mounts["weights"]["readOnly"] is True
    (engine,) = pod["containers"]
    variables = {each["name"]: each.get("value") for each in engine["env"]}
    assert variables["HF_HUB_OFFLINE"] == "1"
    assert "HF_TOKEN" not in variables, "the engine downloads nothing"


def test_another_checkpoint_is_another_job() -> None:
    names = {
        of_kind(objects_of(planned(), "kubernetes", checkpoint=checkpoint), "Job")["metadata"]["name"]
        for checkpoint in ("org/a", "org/b", "org/a")
    }
    assert len(names) == 2
    assert all(len(name) <= 63 for name in names)


def test_adapters_are_downloaded_with_the_model() -> None:
    many = sample.replica(tenancy=Tenancy(tenants=2, adapters=2))
    objects = objects_of(planned(many), "kubernetes", adapters={"sql": "org/sql-lora", "here": "/models/here"})
    (job,) = of_kind(objects, "Job")["spec"]["template"]["spec"]["containers"]
    assert job["command"][-2:] == ["meta-llama/Llama-3.1-8B-Instruct", "org/sql-lora"]


def test_a_model_that_drafts_is_downloaded_too() -> None:
    drafts = Speculation(drafter="model", tokens=3, acceptance_rate=0.7, model=sample.model(id="org/small"))
    objects = objects_of(planned(replace(sample.replica(), speculation=drafts)), "kubernetes")
    (job,) = of_kind(objects, "Job")["spec"]["template"]["spec"]["containers"]
    assert job["command"][-2:] == ["meta-llama/Llama-3.1-8B-Instruct", "org/small"]


def test_a_key_is_asked_for_if_its_secret_is_made() -> None:
    (reference,) = [each for each in engine_of_pod(planned())["env"] if each["name"] == "VLLM_API_KEY"]
    assert reference["valueFrom"]["secretKeyRef"] == {"name": "vllm-api-key", "key": "VLLM_API_KEY", "optional": True}
    header = files_of(planned(), "kubernetes")[0].header
    assert any("create secret generic vllm-api-key --from-literal=VLLM_API_KEY=" in line for line in header)


def test_a_folder_that_no_pod_has_is_refused() -> None:
    with pytest.raises(UsageError, match="a folder that no pod has"):
        files_of(planned(), "kubernetes", checkpoint="/home/me/model")
    files = files_of(planned(), "kubernetes", checkpoint="/models/mine")
    assert "Job" not in [each["kind"] for each in parsed(files)]
    assert any("fill the volume while a pod waits" in line for line in files[0].header)


def test_settings_in_files_become_a_config_map_with_their_text() -> None:
    trt = sample.replica(engine=sample.engine("tensorrt-llm", image="nvcr.io/x/y:1.2.1", version="1.2.1"))
    objects = objects_of(planned(trt), "kubernetes")
    found = of_kind(objects, "ConfigMap")
    (own,) = [
        file for file in emit.emit(planned(trt), strategy=None, target="tensorrt-llm") if file.path == "trtllm.yaml"
    ]
    assert found["data"] == {"trtllm.yaml": _launch_text.render(own)}
    pod = of_kind(objects, "Deployment")["spec"]["template"]["spec"]
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "settings"]
    assert (mount["mountPath"], mount["subPath"]) == ("/config/trtllm.yaml", "trtllm.yaml")


def test_who_may_talk_to_whom() -> None:
    objects = objects_of(planned(), "kubernetes", hub_mirror="http://mirror.example:8081")
    server, download = [each for each in objects if each["kind"] == "NetworkPolicy"]
    assert server["spec"]["ingress"] == [{"ports": [{"port": 8000, "protocol": "TCP"}]}]
    assert [[port["port"] for port in rule["ports"]] for rule in server["spec"]["egress"]] == [[53, 53]]
    assert download["spec"]["ingress"] == []
    assert [[port["port"] for port in rule["ports"]] for rule in download["spec"]["egress"]] == [[53, 53], [8081]]


def test_service_budget_and_monitor_find_the_pods() -> None:
    objects = objects_of(planned(), "kubernetes")
    labels = of_kind(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    for kind, path in (("Service", "selector"), ("PodDisruptionBudget", "selector"), ("Deployment", "selector")):
        selector = of_kind(objects, kind)["spec"][path]
        selector = selector.get("matchLabels", selector)
        assert selector.items() <= labels.items(), kind
    monitor = of_kind(objects, "ServiceMonitor")
    service = of_kind(objects, "Service")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


def test_an_image_that_is_not_pinned_is_refused() -> None:
    loose = sample.replica(engine=sample.engine(image="vllm/vllm-openai:latest"))
    with pytest.raises(UsageError, match="not pinned to a version"):
        files_of(planned(loose), "kubernetes")


@pytest.mark.parametrize("text", ["a b", "-x-", "vllm-0.33.0", "é", "x" * 80, ""])
def test_any_text_becomes_a_label(text: str) -> None:
    import re

    assert re.fullmatch(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", label_value(text))
    assert len(label_value(text)) <= 63


def test_the_first_file_says_everything_and_the_others_where_it_is_said() -> None:
    files = files_of(planned(peak=2.0), "kubernetes")
    first, *others = files
    assert any(line.startswith("planned cost") for line in first.header)
    for file in others:
        assert file.header[0] == first.header[0]
        assert file.header[1].endswith(": 00-base.yaml")
        assert not any(line.startswith("planned cost") for line in file.header)


def test_names_are_asked_of_the_cluster_and_of_the_node_s_cache() -> None:
    for policy in (each for each in objects_of(planned(), "kubernetes") if each["kind"] == "NetworkPolicy"):
        (names,) = [rule for rule in policy["spec"]["egress"] if {"port": 53, "protocol": "UDP"} in rule["ports"]]
        assert names["to"] == [{"namespaceSelector": {}}, {"ipBlock": {"cidr": "169.254.20.10/32"}}]


def test_the_download_is_a_program_that_python_takes(tmp_path: Path) -> None:
    """Run with a stand-in for huggingface_hub: each repository once, without second copies, then the marker."""
    (job,) = of_kind(objects_of(planned(), "kubernetes"), "Job")["spec"]["template"]["spec"]["containers"]
    (tmp_path / "huggingface_hub.py").write_text(
        "def snapshot_download(name, ignore_patterns):\n    print(name, *ignore_patterns)\n", encoding="utf-8"
    )
    marker = tmp_path / "complete"
    command = [*job["command"][:4], str(marker), "org/a", "org/b $(x)"]
    python = tmp_path / "python3"
    python.symlink_to(sys.executable)
    environment = {"PYTHONPATH": str(tmp_path), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    run = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert run.stdout.splitlines() == ["org/a original/* metal/*", "org/b $(x) original/* metal/*"]
    assert marker.exists()
