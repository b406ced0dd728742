"""How requests reach the pods, and where pods may connect to: nowhere, but for names and downloads."""

from __future__ import annotations

import re
from typing import Any

from llmplan.emit.container import Container
from llmplan.emit.kube.manifest import Manifest
from llmplan.emit.kube.names import COMPONENT_LABEL, Component, metadata, selector
from llmplan.emit.kube.probes import PORT_NAME
from llmplan.emit.kube.weights import Weights
from llmplan.emit.launch_file import Path
from llmplan.emit.selection import Launch

HTTP_PORT = 80
HTTPS_PORT = 443
DNS_PORTS = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
NODE_LOCAL_DNS = "169.254.20.10/32"
"""where a node's own cache of names answers, which is no pod with labels (kubernetes.io, NodeLocal DNSCache)"""
SCRAPE_INTERVAL = "15s"
"""as often as the autoscaler asks"""


def service(launch: Launch, container: Container) -> Manifest:
    """One address for all replicas inside the cluster."""
    content = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(launch),
        "spec": {
            "type": "ClusterIP",
            "selector": selector(launch),
            "ports": [{"name": PORT_NAME, "port": container.port, "targetPort": PORT_NAME, "protocol": "TCP"}],
        },
    }
    return Manifest(content=content)


def headless_service(launch: Launch, container: Container) -> Manifest:
    """Which a StatefulSet needs for the names of its pods."""
    content = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(launch, component=None, ending="-pods"),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector(launch),
            "ports": [{"name": PORT_NAME, "port": container.port, "targetPort": PORT_NAME, "protocol": "TCP"}],
        },
    }
    return Manifest(content=content)


def policies(launch: Launch, container: Container, weights: Weights, *, group: bool = False) -> tuple[Manifest, ...]:
    """What may come in and go out: of the servers (of a `group` that talks among itself), and of the download."""
    found = [_server_policy(launch, container, weights, group=group)]
    if weights.shared and not weights.by_hand:
        found.append(_policy(launch, "download", ingress=[], egress=[_dns(), _hub(launch)], ending="-download"))
    return tuple(found)


def _server_policy(launch: Launch, container: Container, weights: Weights, *, group: bool) -> Manifest:
    ingress: list[dict[str, Any]] = [{"ports": [{"port": container.port, "protocol": "TCP"}]}]
    egress: list[dict[str, Any]] = [_dns()]
    comments: dict[Path, str] = {
        ("spec", "ingress", 0): "from anywhere in the cluster, Prometheus too: add `from` to narrow it",
        ("spec", "egress", 0): "names, from the cluster's own servers and a node's cache of them",
    }
    if group:
        members = {"podSelector": {"matchLabels": selector(launch, None)}}
        ingress.append({"from": [members]})
        egress.append({"to": [members]})
        comments["spec", "ingress", 1] = "the machines of a replica talk to each other on ports that they choose"
    if not weights.shared and not weights.by_hand:
        egress.append(_hub(launch))
        comments["spec", "egress", len(egress) - 1] = (
            "the init container downloads the weights; the engine itself is offline"
        )
    component: Component | None = None if group else "server"
    found = _policy(launch, component, ingress=ingress, egress=egress)
    return Manifest(content=found.content, comments=comments)


def _policy(
    launch: Launch,
    component: Component | None,
    *,
    ingress: list[dict[str, Any]],
    egress: list[dict[str, Any]],
    ending: str = "",
) -> Manifest:
    servers = {
        "matchLabels": selector(launch, None),
        "matchExpressions": [{"key": COMPONENT_LABEL, "operator": "In", "values": ["server", "worker"]}],
    }
    content = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(launch, component=component or "server", ending=ending),
        "spec": {
            "podSelector": servers if component is None else {"matchLabels": selector(launch, component)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    }
    return Manifest(content=content)


def _dns() -> dict[str, Any]:
    return {"to": [{"namespaceSelector": {}}, {"ipBlock": {"cidr": NODE_LOCAL_DNS}}], "ports": DNS_PORTS}


def _hub(launch: Launch) -> dict[str, Any]:
    """To the hub, whose addresses change: by port alone."""
    return {"ports": [{"port": hub_port(launch.variant.hub_mirror), "protocol": "TCP"}]}


def hub_port(mirror: str | None) -> int:
    """The port of the hub, or of its mirror.

    >>> hub_port(None), hub_port("http://mirror.example:8081/x"), hub_port("http://mirror.example")
    (443, 8081, 80)
    """
    if mirror is None:
        return HTTPS_PORT
    stated = re.match(r"https?://[^/]*:(\d+)", mirror)
    if stated is not None:
        return int(stated[1])
    return HTTPS_PORT if mirror.startswith("https:") else HTTP_PORT


def pod_monitor(launch: Launch, container: Container) -> Manifest | None:
    """The same for pods whose Service is somebody else's, by their own labels."""
    if container.metrics is None:
        return None
    endpoint = {"port": PORT_NAME, "path": container.metrics.path, "interval": SCRAPE_INTERVAL}
    content = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": metadata(launch),
        "spec": {"selector": {"matchLabels": selector(launch)}, "podMetricsEndpoints": [endpoint]},
    }
    return Manifest(content=content)


def service_monitor(launch: Launch, container: Container) -> Manifest | None:
    """Tells the Prometheus operator to read the engine's metrics; None where the engine has none that are known."""
    if container.metrics is None:
        return None
    endpoint = {"port": PORT_NAME, "path": container.metrics.path, "interval": SCRAPE_INTERVAL}
    content = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": metadata(launch),
        "spec": {"selector": {"matchLabels": selector(launch)}, "endpoints": [endpoint]},
    }
    return Manifest(content=content)
