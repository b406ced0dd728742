"""Which matrices a run trains, and how many numbers that is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from llmplan.errors import UsageError, nearest
from llmplan.plan.finetune import FinetuneSetup
from llmplan.spec.model import LayerGroup, ModelSpec, Tensor, TensorRole

ALL_LINEAR = "all-linear"
QUERY_VALUE = "q,v"
ATTENTION = "attention"
MLP = "mlp"
UNKNOWN = "unknown"
"""nobody says which: between query and value, and all"""
GROUPS = (ALL_LINEAR, QUERY_VALUE, ATTENTION, MLP, UNKNOWN)
QUERY_VALUE_MODULES = ("wq", "wv", "query", "value", "query_key_value", "w_pack", "c_attn")
"""what families call them besides `q_...`, `v_...` and `...qkv...`; the last three are fused. Others must be named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One adapted module of a layer: A [rank, in] and B [out, rank]."""

    layers: int
    module: str
    inputs: int
    outputs: int


def module_of(tensor: Tensor) -> str:
    """The module's own name: `q_proj` of `model.layers.{i}.self_attn.q_proj.weight`."""
    parts = tensor.name.removesuffix(".weight").split(".")
    return parts[-1]


def targets(setup: FinetuneSetup) -> tuple[Target, ...]:
    """The modules that get an adapter; a fused projection is one module. Routed experts get none unless named."""
    found: list[Target] = []
    for group in setup.model.layers:
        modules: dict[str, Target] = {}
        for tensor in _matrices(group):
            if not _wanted(tensor, group, setup.targets):
                continue
            known = modules.get(tensor.name)
            outputs = tensor.shape[-2] + (known.outputs if known else 0)
            modules[tensor.name] = Target(
                layers=group.count * tensor.copies, module=module_of(tensor), inputs=tensor.shape[-1], outputs=outputs
            )
        found += modules.values()
    if not found:
        raise _no_target(setup.model, setup.targets)
    return tuple(found)


def adapter_parameters(setup: FinetuneSetup) -> int:
    """Numbers in all adapters [-]: A [rank, in] and B [out, rank] of every target.

    setup: its model, rank and targets.
    rank x sum over targets of (in + out). Valid for LoRA without trained embeddings or biases.
    Reference: Hu et al. 2021 (arXiv 2106.09685).
    """
    return setup.rank * sum(each.layers * (each.inputs + each.outputs) for each in targets(setup))


def trained_parameters(setup: FinetuneSetup) -> int:
    """Numbers that the optimizer changes [-].

    setup: method and model. All of the decoder, or the adapters. Valid for every method; encoders stay frozen.
    Reference: Hu et al. 2021 (arXiv 2106.09685).
    """
    if setup.method == "full":
        return sum(count * each.elements for count, each in setup.model.tensors() if not each.buffer)
    return adapter_parameters(setup)


def trained_shapes(setup: FinetuneSetup) -> Iterator[tuple[int, tuple[int, int]]]:
    """How many matrices of which [out, in] are trained."""
    if setup.method == "full":
        for count, tensor in setup.model.tensors():
            if len(tensor.shape) >= 2:
                yield count * tensor.elements // (tensor.shape[-2] * tensor.shape[-1]), tensor.shape[-2:]  # type: ignore[misc]
        return
    for target in targets(setup):
        yield target.layers, (setup.rank, target.inputs)
        yield target.layers, (target.outputs, setup.rank)


def _matrices(group: LayerGroup) -> Iterator[Tensor]:
    for tensor in group.tensors():
        if tensor.role in (TensorRole.LINEAR, TensorRole.EXPERT) and len(tensor.shape) == 2:
            yield tensor


def _wanted(tensor: Tensor, group: LayerGroup, wanted: tuple[str, ...]) -> bool:
    routed = tensor.role is TensorRole.EXPERT
    name = module_of(tensor)
    if name in wanted:
        return True
    if routed:
        return False
    feed = group.feed_forward.tensors if group.feed_forward is not None else ()
    in_feed = any(tensor is each for each in feed)
    if ALL_LINEAR in wanted or (MLP in wanted and in_feed) or (ATTENTION in wanted and not in_feed):
        return True
    return QUERY_VALUE in wanted and not in_feed and _is_query_or_value(tensor)


def _is_query_or_value(tensor: Tensor) -> bool:
    """Query or value projection by its name; where they are fused, the module that holds them."""
    name = module_of(tensor).casefold()
    return name.startswith(("q_", "v_")) or "qkv" in name or name in QUERY_VALUE_MODULES


def _no_target(model: ModelSpec, wanted: tuple[str, ...]) -> UsageError:
    names = sorted({module_of(each) for group in model.layers for each in _matrices(group)})
    known = [*GROUPS, *names]
    hints = [f"did you mean {', '.join(near)}?" for name in wanted if (near := nearest(name, known))]
    return UsageError(
        f"{model.id} has no layer called {', '.join(wanted)}",
        hints=[*hints[:1], f"--targets takes {', '.join(GROUPS)}, or names among {', '.join(names)}"],
    )
