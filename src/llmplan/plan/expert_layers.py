"""Which layers route tokens to experts: what `--n-cpu-moe` counts, for placing bytes and for timing them."""

from __future__ import annotations

from collections.abc import Iterator

from llmplan.spec.model import LayerGroup, ModelSpec, MoeFeedForward


def routed_layers(model: ModelSpec) -> int:
    """Layers with routed experts."""
    return sum(group.count for group in model.layers if _routes(group))


def routed_among_first(model: ModelSpec, layers: int) -> int:
    """Layers with routed experts among the first `layers` of the stack."""
    return sum(1 for position, group in _positions(model) if position < layers and _routes(group))


def expert_share_on_host(model: ModelSpec, layers: int) -> float:
    """Share of the routed experts that are on the host with those of the first `layers` layers there."""
    routed = routed_layers(model)
    return routed_among_first(model, layers) / routed if routed else 0.0


def _positions(model: ModelSpec) -> Iterator[tuple[int, LayerGroup]]:
    """Every layer with its position; groups follow each other where nobody stated positions."""
    start = 0
    for group in model.layers:
        for offset in range(group.count):
            yield (group.indices[offset] if group.indices else start + offset), group
        start += group.count


def _routes(group: LayerGroup) -> bool:
    return isinstance(group.feed_forward, MoeFeedForward)
