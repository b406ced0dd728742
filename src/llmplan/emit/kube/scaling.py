"""Between how many replicas the fleet moves, and what moves it.

Without a choice of the user a fleet is scaled only where the plan has reasons to: it is larger than one, its traffic
has a peak above its mean, and its machines are not paid for whether they run or not. KEDA is then taken: it reads
Prometheus itself, the HorizontalPodAutoscaler needs an adapter that serves the engine's metrics.

The target is what each replica has in flight in the plan, at the load that it was sized for. Sources, read 2026-11-26:
kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmplan.emit.container import Container, Metrics
from llmplan.emit.kube.keda import KEDA_VERSION, in_flight, keda_comments, scaled_object_spec
from llmplan.emit.kube.manifest import Manifest
from llmplan.emit.kube.names import metadata, selector
from llmplan.emit.kube.quantities import whole_seconds
from llmplan.emit.launch_file import Path
from llmplan.emit.selection import Launch
from llmplan.emit.variant import Autoscaler
from llmplan.errors import UsageError

WAITING_PER_REPLICA = 1
"""requests that wait behind a replica: a queue means that its slots or its cache are full, which is not planned"""
KEEP_S = 300
"""a replica that is not needed stays at least this long: Kubernetes' own default"""
KEEP_MOST_S = 3600
"""the longest that Kubernetes takes"""
START_FACTOR = 2
"""of that time over a start: what is gone must be started again, and loses one start of service"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """`kind` is what scales, between `low` and `high` replicas, towards `target` requests in flight on each."""

    kind: Autoscaler
    low: int
    high: int
    target: int
    why: str

    @property
    def moves(self) -> bool:
        """Whether anything scales."""
        return self.kind != "none"


def scale_of(launch: Launch, container: Container) -> Scale:
    """What fits the plan, or what the user chose."""
    chosen = launch.variant.autoscaler
    high = launch.deployment.replicas or launch.deployment.max_replicas or 1
    peak = max(1.0, launch.question.workload.peak_to_mean)
    low = min(high, max(1, math.ceil(high / peak)))
    estimate = launch.option.estimate
    target = max(1, math.ceil(estimate.batch_size)) if estimate is not None else launch.replica.settings.max_num_seqs
    if chosen in ("hpa", "keda") and container.metrics is None:
        raise UsageError(
            f"what {launch.replica.engine.ref} tells Prometheus of its queue is not known: nothing can scale by it",
            hints=["--autoscaler none"],
        )
    kind, why = (chosen, "as chosen") if chosen is not None else _fitting(launch, container, low, high)
    return Scale(kind=kind, low=low, high=high, target=target, why=why)


def _fitting(launch: Launch, container: Container, low: int, high: int) -> tuple[Autoscaler, str]:
    purchase = launch.deployment.purchase
    if high == 1:
        return "none", "the plan runs one replica"
    if low == high:
        return "none", "the plan's traffic has no peak above its mean that would free a replica"
    if purchase.kind == "owned" or any(term.startswith("reserved") for term in _terms(launch)):
        return "none", "the machines are paid for whether they run or not"
    if container.metrics is None:
        return "none", "what the engine tells Prometheus of its queue is not known"
    return "keda", f"the peak is {launch.question.workload.peak_to_mean:.3g} times the mean"


def _terms(launch: Launch) -> tuple[str, ...]:
    return tuple(line.figure.term for line in launch.option.quote.serving if line.figure is not None)


def keep_s(container: Container) -> int:
    """Seconds for which fewer must have been enough before one goes."""
    return whole_seconds(START_FACTOR * (container.start_s or 0.0), low=KEEP_S, high=KEEP_MOST_S)


def behaviour(container: Container) -> dict[str, Any]:
    """Up at once, down slowly and one at a time."""
    return {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "policies": [{"type": "Percent", "value": 100, "periodSeconds": 60}],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": keep_s(container),
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
        },
    }


def autoscaler(launch: Launch, container: Container, scale: Scale, workload: Mapping[str, str]) -> tuple[Manifest, ...]:
    """The object that scales `workload` (apiVersion, kind, name); none for a fleet of fixed size."""
    if scale.kind == "none" or container.metrics is None:
        return ()
    if scale.kind == "hpa":
        return (_horizontal(launch, container, container.metrics, scale, workload),)
    return (_scaled_object(launch, container, container.metrics, scale, workload),)


def adapted(metric: str) -> str:
    """A metric's name in the custom metrics API, where a colon is not welcome.

    >>> adapted("vllm:num_requests_waiting")
    'vllm_num_requests_waiting'
    """
    return metric.replace(":", "_")


def _horizontal(
    launch: Launch, container: Container, metrics: Metrics, scale: Scale, workload: Mapping[str, str]
) -> Manifest:
    def pods(metric: str, average: int) -> dict[str, Any]:
        target = {"type": "AverageValue", "averageValue": str(average)}
        return {"type": "Pods", "pods": {"metric": {"name": adapted(metric)}, "target": target}}

    content = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(launch),
        "spec": {
            "scaleTargetRef": dict(workload),
            "minReplicas": scale.low,
            "maxReplicas": scale.high,
            "metrics": [pods(metrics.waiting, WAITING_PER_REPLICA), pods(metrics.running, scale.target)],
            "behavior": behaviour(container),
        },
    }
    comments: dict[Path, str] = {
        (
            "spec",
            "metrics",
        ): "the larger answer counts; the custom metrics API serves both (monitoring/prometheus-adapter.yaml)",
        **_bounds(launch, scale, "minReplicas", "maxReplicas"),
        ("spec", "metrics", 1): _target_note(launch, scale),
        ("spec", "behavior", "scaleDown", "stabilizationWindowSeconds"): _keep_note(container),
    }
    return Manifest(content=content, comments=comments)


def _scaled_object(
    launch: Launch, container: Container, metrics: Metrics, scale: Scale, workload: Mapping[str, str]
) -> Manifest:
    found = in_flight(metrics, launch)
    spec = scaled_object_spec(launch, behaviour(container), (scale.low, scale.high), scale.target, workload, found)
    content = {"apiVersion": KEDA_VERSION, "kind": "ScaledObject", "metadata": metadata(launch), "spec": spec}
    rules: Path = ("spec", "advanced", "horizontalPodAutoscalerConfig", "behavior")
    comments: dict[Path, str] = {
        **_bounds(launch, scale, "minReplicaCount", "maxReplicaCount"),
        ("spec", "triggers", 0, "metadata", "threshold"): _target_note(launch, scale),
        (*rules, "scaleDown", "stabilizationWindowSeconds"): _keep_note(container),
        **keda_comments(launch),
    }
    return Manifest(content=content, comments=comments)


def _bounds(launch: Launch, scale: Scale, low: str, high: str) -> dict[Path, str]:
    peak = launch.question.workload.peak_to_mean
    return {
        ("spec", low): f"for the mean: the peak's {scale.high} over {peak:.3g} (busiest hour over the mean)",
        ("spec", high): "what the plan runs at its peak, and is priced for",
    }


def _target_note(launch: Launch, scale: Scale) -> str:
    if launch.option.estimate is None:
        return f"requests in flight per replica: no estimate is in the plan, so all {scale.target} slots"
    batch = launch.option.estimate.batch_size
    return f"requests in flight per replica: the plan's batch of {batch:.3g} at the load that it was sized for"


def _keep_note(container: Container) -> str:
    if container.start_s is None:
        return "Kubernetes' default: no figure for a start is known"
    return f"at least {KEEP_S} s, and {START_FACTOR} starts of {container.start_s:.0f} s"


def disruption_budget(launch: Launch) -> Manifest:
    """Of the replicas that answer, one at a time may be moved; with a single one that is all of them."""
    content = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(launch),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector(launch)}},
    }
    return Manifest(
        content=content, comments={("spec", "maxUnavailable"): "one replica at a time, so that nodes can be drained"}
    )
