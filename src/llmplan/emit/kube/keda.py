"""KEDA: a ScaledObject on what all replicas have in flight, which it asks Prometheus for.

Fields of keda.sh/v1alpha1; the trigger's are texts (keda.sh/docs, Prometheus scaler, read 2026-11-26).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmplan.emit.container import Metrics
from llmplan.emit.launch_file import Path
from llmplan.emit.selection import Launch

KEDA_VERSION = "keda.sh/v1alpha1"
PROMETHEUS_URL = "http://prometheus-operated.monitoring.svc:9090"
"""where the Prometheus operator's service answers if it is installed in the namespace `monitoring`: an assumption"""
POLL_S = 15
LOST_AFTER = 3
"""failed polls after which the planned peak runs"""


def prometheus_url(launch: Launch) -> str:
    """Where metrics are asked for."""
    return launch.variant.prometheus_url or PROMETHEUS_URL


def in_flight(metrics: Metrics, launch: Launch) -> str:
    """PromQL: what all replicas have in flight, waiting or running. A ServiceMonitor labels what it reads with the
    Service's name and namespace."""
    own, space = f'service="{launch.variant.name}"', launch.variant.namespace
    return summed(metrics, own if space is None else f'namespace="{space}",{own}')


def summed(metrics: Metrics, labels: str) -> str:
    """Waiting and running requests of the series with these labels."""
    return f"sum({metrics.waiting}{{{labels}}}) + sum({metrics.running}{{{labels}}})"


def scaled_object_spec(
    launch: Launch,
    behaviour: Mapping[str, Any],
    bounds: tuple[int, int],
    target: int,
    workload: Mapping[str, str],
    query: str,
) -> dict[str, Any]:
    """Of a ScaledObject: `workload` moves within the bounds towards `target` per replica."""
    low, high = bounds
    trigger = {
        "type": "prometheus",
        "metricType": "AverageValue",
        "metadata": {
            "serverAddress": prometheus_url(launch),
            "query": query,
            "threshold": str(target),
            "ignoreNullValues": "false",
        },
    }
    return {
        "scaleTargetRef": dict(workload),
        "pollingInterval": POLL_S,
        "minReplicaCount": low,
        "maxReplicaCount": high,
        "fallback": {"failureThreshold": LOST_AFTER, "replicas": high},
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": dict(behaviour)}},
        "triggers": [trigger],
    }


def keda_comments(launch: Launch) -> dict[Path, str]:
    """What is assumed of Prometheus."""
    inner: Path = ("spec", "triggers", 0, "metadata")
    found: dict[Path, str] = {
        ("spec", "fallback"): "where Prometheus does not answer, the planned peak runs",
        (*inner, "ignoreNullValues"): "no data is an error, not a load of zero",
    }
    if launch.variant.namespace is None:
        found[*inner, "query"] = "of every namespace that has such a Service: --namespace NAME counts one"
    if launch.variant.prometheus_url is None:
        assumed = "assumed: the Prometheus operator in the namespace monitoring; else --prometheus-url URL"
        found[*inner, "serverAddress"] = assumed
    return found
