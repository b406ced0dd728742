"""The small objects around the pods, and the files that every target of the family shares."""

from __future__ import annotations

from llmplan.emit.container import Container
from llmplan.emit.kube import network, storage
from llmplan.emit.kube.manifest import Manifest, file_of
from llmplan.emit.kube.names import metadata, what_is_planned
from llmplan.emit.kube.scaling import Scale, adapted
from llmplan.emit.kube.weights import Weights
from llmplan.emit.launch_file import LaunchFile
from llmplan.emit.selection import Launch

SELECTED = (
    "where the operator selects monitors by label (kube-prometheus-stack: release: NAME of its release), add that label"
)


def namespace(launch: Launch) -> tuple[Manifest, ...]:
    """The namespace, if one is named."""
    name = launch.variant.namespace
    if name is None:
        return ()
    return (Manifest(content={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),)


def service_account(launch: Launch) -> Manifest:
    """An identity without rights: no pod gets a token."""
    content = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(launch, component=None),
        "automountServiceAccountToken": False,
    }
    return Manifest(content=content)


def settings_map(launch: Launch, container: Container) -> tuple[Manifest, ...]:
    """The files that the engine reads, as data; none for an engine that takes all on its command line."""
    if not container.files:
        return ()
    content = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**metadata(launch, component=None, ending="-settings"), "annotations": what_is_planned(launch)},
        "data": {file.path: file for file in container.files.values()},
    }
    return (Manifest(content=content),)


def base_file(launch: Launch, container: Container, weights: Weights, header: tuple[str, ...], path: str) -> LaunchFile:
    """What must be there first: namespace, identity, settings, volume."""
    claims = (storage.claim(launch, weights),) if weights.shared else ()
    manifests = (*namespace(launch), service_account(launch), *settings_map(launch, container), *claims)
    return file_of(path, manifests, header=header)


def monitoring_files(launch: Launch, container: Container, scale: Scale, header: tuple[str, ...]) -> list[LaunchFile]:
    """In a folder of their own, which `kubectl apply -f` of the one above does not enter: they need other software."""
    found: list[LaunchFile] = []
    monitor = network.service_monitor(launch, container)
    if monitor is not None:
        note = "for clusters with the Prometheus operator: kubectl apply -f monitoring/servicemonitor.yaml"
        found.append(file_of("monitoring/servicemonitor.yaml", (monitor,), header=(*header, note, SELECTED)))
    if scale.kind == "hpa" and container.metrics is not None:
        rules = [adapter_rule(metric) for metric in (container.metrics.waiting, container.metrics.running)]
        note = "values of the Helm chart prometheus-community/prometheus-adapter, which serves the custom metrics API"
        content = {"rules": {"custom": rules}}
        found.append(
            LaunchFile(path="monitoring/prometheus-adapter.yaml", kind="yaml", content=content, header=(*header, note))
        )
    return found


def adapter_rule(metric: str) -> dict[str, object]:
    """How prometheus-adapter finds a series and what it calls it."""
    return {
        "seriesQuery": f'{{__name__="{metric}",namespace!="",pod!=""}}',
        "resources": {"overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}},
        "name": {"matches": "", "as": adapted(metric)},
        "metricsQuery": "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)",
    }
