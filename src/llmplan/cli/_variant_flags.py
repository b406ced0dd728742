"""The flags of `emit-config` on what a plan does not hold: where weights and images come from, names, scaling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli import _parse
from llmplan.cli._options import many

if TYPE_CHECKING:
    from llmplan.emit import Variant

AUTOSCALERS = ("hpa", "keda", "none")
WEIGHTS_VOLUMES = ("shared", "per-replica")
"""those of emit.variant, which --help need not import"""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantFlags:
    """What the user may choose beside the plan."""

    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint", metavar="ID|PATH",
            help="Repository or folder of the weights in the planned format (default: the model's own, where it fits).",
        ),
    ] = None  # fmt: skip
    adapter: Annotated[list[str] | None, many("--adapter", "NAME=ID|PATH", "A LoRA adapter to load.")] = None
    air_gapped: Annotated[
        bool | None,
        typer.Option(
            "--air-gapped/--online", help="Reach no network from what serves (default: as the plan's privacy says)."
        ),
    ] = None
    hub_mirror: Annotated[
        str | None, typer.Option("--hub-mirror", metavar="URL", help="A mirror of huggingface.co (HF_ENDPOINT).")
    ] = None
    image_registry: Annotated[
        str | None,
        typer.Option("--image-registry", metavar="HOST[/PATH]", help="A registry that mirrors the images."),
    ] = None
    name: Annotated[str, typer.Option("--name", help="What services, objects and apps are called.")] = "llm"
    namespace: Annotated[
        str | None, typer.Option("--namespace", metavar="NAME", help="Kubernetes namespace (default: your context's).")
    ] = None
    autoscaler: Annotated[
        Any,
        typer.Option(
            "--autoscaler", parser=_parse.choice("--autoscaler", AUTOSCALERS), metavar="|".join(AUTOSCALERS),
            help="What adds and removes replicas (default: what fits the plan).",
        ),
    ] = None  # fmt: skip
    storage_class: Annotated[
        str | None, typer.Option("--storage-class", metavar="NAME", help="Of the volume that holds the weights.")
    ] = None
    spot: Annotated[
        bool | None,
        typer.Option("--spot/--no-spot", help="Machines that may be taken away (default: as the plan is priced)."),
    ] = None

    weights_volume: Annotated[
        Any,
        typer.Option(
            "--weights-volume", parser=_parse.choice("--weights-volume", WEIGHTS_VOLUMES),
            metavar="|".join(WEIGHTS_VOLUMES),
            help="Kubernetes: one volume for all pods, or one each (default: shared from two pods on).",
        ),
    ] = None  # fmt: skip
    gpu_resource: Annotated[
        str | None,
        typer.Option(
            "--gpu-resource", metavar="NAME",
            help="What Kubernetes calls a GPU, as nvidia.com/mig-3g.40gb (default: a whole one).",
        ),
    ] = None  # fmt: skip
    prometheus_url: Annotated[
        str | None, typer.Option("--prometheus-url", metavar="URL", help="Where the autoscaler reads metrics.")
    ] = None

    def variant(self) -> Variant:
        """The same, checked."""
        from llmplan.emit import Variant

        return Variant(
            checkpoint=self.checkpoint,
            adapters=_adapters(self.adapter or ()),
            air_gapped=self.air_gapped,
            hub_mirror=self.hub_mirror,
            image_registry=self.image_registry,
            name=self.name,
            namespace=self.namespace,
            autoscaler=self.autoscaler,
            storage_class=self.storage_class,
            spot=self.spot,
            weights_volume=self.weights_volume,
            gpu_resource=self.gpu_resource,
            prometheus_url=self.prometheus_url,
        )


def _adapters(stated: Sequence[str]) -> dict[str, str]:
    from llmplan.errors import UsageError

    found: dict[str, str] = {}
    for text in stated:
        name, equals, place = text.partition("=")
        if not (equals and name and place):
            raise UsageError(f"--adapter {text!r}: expected NAME=ID or NAME=PATH")
        if name in found:
            raise UsageError(f"--adapter {name} is stated twice")
        found[name] = place
    return found
