"""KServe: an InferenceService with our own container, and an LLMInferenceService where KServe's own vLLM fits.

The InferenceService starts exactly the planned image and arguments. The LLMInferenceService adds routing by prefix and
load, but KServe starts its own build of vLLM by a script that hands VLLM_ADDITIONAL_ARGS to a shell: only words that no
shell changes are given to it. Sources, read 2026-11-26: CRDs serving.kserve.io v1beta1 and v1alpha2; kserve.github.io
0.20 (Standard mode, KEDA autoscaler, LLMInferenceService configuration); github.com/kserve/kserve
config/llmisvcconfig/config-llm-worker-pipeline-parallel.yaml at 04184a4. A replica over machines: kserve/kserve#4226
(no autoscaling) and #4946 (no tensor parallelism across machines).
"""

from __future__ import annotations

import shlex
from typing import Any

from llmplan.emit.container import Container
from llmplan.emit.engines import engine_of
from llmplan.emit.kube import network, placement, storage
from llmplan.emit.kube import weights as weights_module
from llmplan.emit.kube.keda import prometheus_url, summed
from llmplan.emit.kube.manifest import Manifest, file_of
from llmplan.emit.kube.names import kubectl, metadata, what_is_planned
from llmplan.emit.kube.objects import SELECTED, base_file
from llmplan.emit.kube.placement import gpu_resource, node_terms, tolerations
from llmplan.emit.kube.pod import Role, notes, pod
from llmplan.emit.kube.resources import resources
from llmplan.emit.kube.scaling import Scale, behaviour, scale_of
from llmplan.emit.kube.weights import Weights, weights_of
from llmplan.emit.launch_file import Env, LaunchFile, Path
from llmplan.emit.selection import Launch
from llmplan.errors import UsageError

OWN_ENGINE = "vllm"
"""what the start script of an LLMInferenceService runs"""
SET_BY_KSERVE = ("--port", "--served-model-name", "--tensor-parallel-size", "--pipeline-parallel-size",
                 "--data-parallel-size", "--data-parallel-size-local", "--data-parallel-address",
                 "--data-parallel-rpc-port", "--enable-expert-parallel", "--nnodes", "--node-rank", "--master-addr",
                 "--master-port")  # fmt: skip
"""options that its script sets from the resource's own fields"""


def emit(launch: Launch) -> tuple[LaunchFile, ...]:
    """`base.yaml`, `download.yaml`, `inferenceservice.yaml` and `llminferenceservice.yaml`: one of the last two."""
    if launch.variant.autoscaler == "hpa":
        raise UsageError(
            "KServe's HPA scales by processor and memory only, which say nothing of a GPU server",
            hints=["--autoscaler keda", "--autoscaler none"],
        )
    container = engine_of(launch).container(launch)
    refused = why_not_own(launch, container)
    if launch.nodes > 1:
        if refused is not None:
            raise UsageError(
                f"a replica spans {launch.nodes} machines: only an LLMInferenceService starts that, and {refused}",
                hints=["llmplan emit-config PLAN --target leaderworkerset"],
            )
        return (llm_service_file(launch, container),)
    scale = scale_of(launch, container)
    found = weights_of(launch, container, pods=max(2, scale.high))
    if not found.shared:
        raise UsageError("an InferenceService has no volume per pod", hints=["--weights-volume shared"])
    return _files(launch, container, found, scale, refused)


def _files(
    launch: Launch, container: Container, found: Weights, scale: Scale, refused: str | None
) -> tuple[LaunchFile, ...]:
    names = ["base.yaml", *([] if found.by_hand else ["download.yaml"]), "inferenceservice.yaml"]
    apply = kubectl(launch, " ".join(["apply", *(f"-f {name}" for name in names)]))
    other = "or apply llminferenceservice.yaml alone" if refused is None else f"no llminferenceservice.yaml: {refused}"
    header = (
        *launch.summary,
        apply,
        other,
        *weights_module.notes(launch, found),
        *notes(launch, container),
        *placement.notes(launch),
        f"scaling: {scale.kind} ({scale.why})",
        *(("needs KEDA, and a Prometheus that reads the pods (monitoring/podmonitor.yaml)",) if scale.moves else ()),
    )
    files = [base_file(launch, container, found, header, "base.yaml")]
    if not found.by_hand:
        files.append(
            file_of(
                "download.yaml", (storage.download_job(launch, container, found),), header=launch.title("base.yaml")
            )
        )
    service = inference_service(launch, container, found, scale)
    manifests = (service, *network.policies(launch, container, found))
    files.append(
        file_of("inferenceservice.yaml", manifests, header=_service_header(launch), settings=container.settings)
    )
    own = () if refused is not None else (llm_service_file(launch, container),)
    return (*files, *own, *_monitoring(launch, container, scale))


def _service_header(launch: Launch) -> tuple[str, ...]:
    return (
        *launch.summary,
        "starts exactly the planned image and arguments: take it unless you want KServe's routing between replicas",
        "Standard mode, as KServe calls it from 0.16 on (RawDeployment before)",
    )


def inference_service(launch: Launch, container: Container, found: Weights, scale: Scale) -> Manifest:
    """The planned container as a custom predictor."""
    inner = pod(launch, container, found, Role())
    pods = {**inner.content, "containers": [{**inner.content["containers"][0], "name": "kserve-container"}]}
    content: dict[str, Any] = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {**metadata(launch), "annotations": {**what_is_planned(launch), **_mode(scale)}},
        "spec": {
            "predictor": {
                "minReplicas": scale.low if scale.moves else scale.high,
                "maxReplicas": scale.high,
                **_scaling(launch, container, scale),
                "labels": metadata(launch)["labels"],
                "deploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
                **pods,
            }
        },
    }
    comments: dict[Path, str] = {
        ("spec", "predictor", "minReplicas"): "for the mean" if scale.moves else "as many as the plan runs at its peak",
        ("spec", "predictor", "deploymentStrategy"): "a new pod needs the GPUs of an old one",
        **inner.below("spec", "predictor"),
    }
    return Manifest(content=content, comments=comments)


def _mode(scale: Scale) -> dict[str, str]:
    return {
        "serving.kserve.io/deploymentMode": "Standard",
        "serving.kserve.io/autoscalerClass": "keda" if scale.moves else "none",
    }


def _scaling(launch: Launch, container: Container, scale: Scale) -> dict[str, Any]:
    if not scale.moves or container.metrics is None:
        return {}
    metric = {
        "backend": "prometheus",
        "serverAddress": prometheus_url(launch),
        "query": summed(container.metrics, _own_pods(launch)),
    }
    target = {"type": "AverageValue", "averageValue": str(scale.target)}
    rule = {"type": "External", "external": {"metric": metric, "target": target}}
    return {"autoScaling": {"metrics": [rule], "behavior": behaviour(container)}}


def _own_pods(launch: Launch) -> str:
    """Labels that a PodMonitor gives: KServe makes the Service, under a name of its own."""
    space = launch.variant.namespace
    pods = f'pod=~"{launch.variant.name}-predictor-.*"'
    return pods if space is None else f'namespace="{space}",{pods}'


def _monitoring(launch: Launch, container: Container, scale: Scale) -> tuple[LaunchFile, ...]:
    """What Prometheus needs to know the pods by; without it nothing scales."""
    monitor = network.pod_monitor(launch, container)
    if monitor is None or not scale.moves:
        return ()
    how = kubectl(launch, "apply -f monitoring/podmonitor.yaml")
    header = (*launch.title("base.yaml"), f"the autoscaler asks for what it reads: {how}", SELECTED)
    return (file_of("monitoring/podmonitor.yaml", (monitor,), header=header),)


def why_not_own(launch: Launch, container: Container) -> str | None:
    """Why KServe's own vLLM cannot run the plan; None where it can."""
    engine, parallel = launch.replica.engine, launch.replica.parallel
    if engine.id != OWN_ENGINE:
        return f"KServe's own server there is {OWN_ENGINE}, the plan is for {engine.ref}"
    if launch.nodes > 1 and parallel.tp > container.gpus:
        return "tensor parallelism there does not reach across machines (kserve/kserve#4946)"
    if launch.nodes > 1 and parallel.pp > 1 and parallel.dp > 1:
        return "it has no pipeline and data parallelism at once"
    if launch.air_gapped:
        return "it downloads the model itself"
    if isinstance(container.weights, Env) or weights_module.is_folder(container.weights):
        return "it takes a repository of the hub"
    unsafe = [
        word for word in (*additional_words(container), container.weights, container.model_name) if not is_plain(word)
    ]
    return f"its start script gives words to a shell, and {unsafe[0]!r} is not safe there" if unsafe else None


def is_plain(word: object) -> bool:
    """Whether no shell and no Go template changes the word.

    >>> is_plain("org/model-8B"), is_plain("$(x)"), is_plain("{{x}}")
    (True, False, False)
    """
    return isinstance(word, str) and shlex.quote(word) == word and "{{" not in word


def additional_words(container: Container) -> tuple[object, ...]:
    """The settings that KServe does not make itself."""
    kept = (setting for setting in container.settings if setting.name not in SET_BY_KSERVE)
    return tuple(word for setting in kept for word in setting.words)


def llm_service_file(launch: Launch, container: Container) -> LaunchFile:
    """The LLMInferenceService with what to know of it."""
    header = (
        *launch.summary,
        "KServe's own build of vLLM with routing by prefix and load (llm-d); else take inferenceservice.yaml",
        "needs KServe's LLMInferenceService, a Gateway and, over several machines, LeaderWorkerSet; each pod downloads",
        f"its version of vLLM is KServe's, not {launch.replica.engine.ref}: memory and speed may differ from the plan",
        *placement.notes(launch),
        "a gated model needs the Secret that your KServe's storage initializer is set up with; scaling is not set here",
    )
    service = llm_service(launch, container)
    return file_of("llminferenceservice.yaml", (service,), header=header, settings=container.settings)


def llm_service(launch: Launch, container: Container) -> Manifest:
    """KServe's own pods with the planned settings."""
    words = " ".join(str(word) for word in additional_words(container))
    main = {
        "name": "main",
        "env": [{"name": "VLLM_ADDITIONAL_ARGS", "value": words}],
        "resources": resources(launch, container),
    }
    body: dict[str, Any] = {"containers": [main], "tolerations": tolerations(launch)}
    terms = node_terms(launch)
    if terms:
        required = {"nodeSelectorTerms": [{"matchExpressions": terms}]}
        body["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    model = {"uri": f"hf://{container.weights}", "name": container.model_name}
    content = {
        "apiVersion": "serving.kserve.io/v1alpha2",
        "kind": "LLMInferenceService",
        "metadata": {**metadata(launch), "annotations": what_is_planned(launch)},
        "spec": {
            "model": model,
            "replicas": launch.replicas,
            "parallelism": _parallelism(launch, container),
            "router": {"gateway": {}, "route": {}, "scheduler": {}},
            "template": body,
            **({"worker": body} if launch.nodes > 1 else {}),
        },
    }
    comments: dict[Path, str] = {
        ("spec", "replicas"): "as many as the plan runs at its peak",
        (
            "spec",
            "template",
            "containers",
            0,
            "env",
        ): f"every planned setting but what KServe sets ({gpu_resource(launch)} below)",
    }
    return Manifest(content=content, comments=comments)


def _parallelism(launch: Launch, container: Container) -> dict[str, Any]:
    parallel = launch.replica.parallel
    found: dict[str, Any] = {"tensor": parallel.tp}
    if parallel.pp > 1:
        found["pipeline"] = parallel.pp
    if parallel.dp > 1:
        found |= {"data": parallel.dp, "dataLocal": container.gpus // (parallel.tp * parallel.pp)}
    if parallel.ep:
        found["expert"] = True
    return found
