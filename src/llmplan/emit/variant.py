"""What the user may choose about launch files beside the plan: where weights and images come from, names, scaling."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from llmplan.errors import UsageError

Autoscaler: TypeAlias = Literal["hpa", "keda", "none"]
WeightsVolume: TypeAlias = Literal["shared", "per-replica"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Every field has a flag of `emit-config`. None: as the plan says."""

    checkpoint: str | None = None
    """repository or folder of the weights, instead of the model's own"""
    adapters: Mapping[str, str] = field(default_factory=dict)
    """name of each LoRA adapter to its repository or folder"""
    air_gapped: bool | None = None
    """no machine that serves reaches the network; None: as the plan's privacy says"""
    hub_mirror: str | None = None
    """URL that answers like huggingface.co (`HF_ENDPOINT`)"""
    image_registry: str | None = None
    """registry, with a path if need be, that mirrors the images under their own names"""
    name: str = "llm"
    """of services, objects and the app"""
    namespace: str | None = None
    """Kubernetes namespace; None: that of the user's context"""
    autoscaler: Autoscaler | None = None
    """None: what fits the plan, `none` for a fleet of fixed size"""
    storage_class: str | None = None
    spot: bool | None = None
    """machines that may be taken away; None: as the plan is priced"""
    weights_volume: WeightsVolume | None = None
    """one volume that all pods mount, or one for each; None: shared from two pods on"""
    gpu_resource: str | None = None
    """what Kubernetes calls one GPU; None: a whole one of the plan's maker"""
    prometheus_url: str | None = None
    """where the autoscaler reads the engine's metrics"""

    def __post_init__(self) -> None:
        for flag, value in (("--name", self.name), ("--namespace", self.namespace)):
            if value is not None and not _DNS_LABEL.fullmatch(value):
                raise UsageError(
                    f"{flag} {value!r}: at most {NAME_CHARACTERS} lower-case letters, digits and dashes, first a letter"
                )
        url, registry, storage = self.hub_mirror, self.image_registry, self.storage_class
        if registry is not None and not _REGISTRY.fullmatch(registry):
            raise UsageError(f"--image-registry{_shown(registry)}: expected HOST[:PORT][/PATH]")
        for flag, address in (("--hub-mirror", url), ("--prometheus-url", self.prometheus_url)):
            if address is not None and not _URL.fullmatch(address):
                raise UsageError(f"{flag}{_shown(address)}: expected http(s)://HOST[:PORT][/PATH] without a password")
        if self.gpu_resource is not None and not _RESOURCE.fullmatch(self.gpu_resource):
            raise UsageError(f"--gpu-resource {self.gpu_resource!r}: expected MAKER/NAME, as nvidia.com/mig-3g.40gb")
        if storage is not None and not _STORAGE_CLASS.fullmatch(storage):
            raise UsageError(f"--storage-class {storage!r}: not the name of a storage class")


def _shown(address: str) -> str:
    """An address that was refused, unless it may hold a password."""
    return "" if "@" in address else f" {address!r}"


NAME_CHARACTERS = 40
"""of the 63 that a DNS label may have, so that endings find room"""
_DNS_LABEL = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d{1,5})?(?:/[A-Za-z0-9._~/-]*)?")
_REGISTRY = re.compile(r"[a-z0-9.-]+(?::\d{1,5})?(?:/[a-z0-9._/-]+)?")
_STORAGE_CLASS = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_RESOURCE = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,200}[a-z0-9])?/[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")
