"""The lines of a fine-tuning run's ledger: what is held all the time, and what passes at the worst moment of a step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from llmplan.memory.finetune import activations, overhead, states
from llmplan.memory.finetune.adapters import trained_parameters
from llmplan.memory.finetune.sources import CASTS, GATHER, INVENTORY, OPTIMIZER, SAVED, UNPACK
from llmplan.plan.finetune import FinetuneSetup
from llmplan.plan.ledger import Line
from llmplan.spec.provenance import Provenance
from llmplan.units import format_bytes, format_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Lines of the ledger by what they are, and what the allocator holds beyond them on a GPU with room."""

    held: tuple[Line, ...]
    passing: tuple[Line, ...]
    cache_bytes: float
    host_bytes: float
    before_step_bytes: float | None = None
    """what passes in the forward and backward pass, where the optimizer's step takes more"""

    @property
    def held_bytes(self) -> float:
        """Weights, adapters, gradients and states."""
        return math.fsum(line.amount or 0.0 for line in self.held)

    @property
    def passing_bytes(self) -> float:
        """Activations, logits and workspaces."""
        return math.fsum(line.amount or 0.0 for line in self.passing)


def parts_of(setup: FinetuneSetup) -> Parts:
    """The lines. Three moments compete for the peak: the loss, a layer at work with its unpacked or gathered weights,
    and the optimizer's step; the allocator may hold more after one that needs less."""
    held, host = _held(setup)
    kept, step = _kept(setup), _step(setup)
    loss, layer = (kept, *_loss(setup)), (kept, *_layer(setup))
    moments = {lines: math.fsum(line.amount or 0.0 for line in lines) for lines in (loss, layer, step)}
    passing = max(moments, key=lambda lines: moments[lines])
    growth = overhead.GROWTH[setup.lengths]
    reserved = (
        growth * moments[loss], growth * moments[layer] + overhead.unpacking_cache_bytes(setup), moments[step],
    )  # fmt: skip
    cache = max(0.0, max(reserved) - moments[passing])
    before = max(moments[loss], moments[layer]) if passing is step else None
    return Parts(held=tuple(held), passing=passing, host_bytes=host, cache_bytes=cache, before_step_bytes=before)


def _held(setup: FinetuneSetup) -> tuple[list[Line], float]:
    """Weights, adapters, gradients and states with their share per GPU, and what waits in host memory."""
    weights, grads, optimizer = (
        states.base_weight_bytes(setup), states.gradient_bytes(setup), states.optimizer_bytes(setup),
    )  # fmt: skip
    by_weights, by_grads, by_states = shares(setup)
    by_adapters = by_weights  # what wraps or splits a layer takes its adapters along
    full = setup.method == "full"
    host = 0.0
    if setup.offload == "all":
        host += weights + (grads if full else 0.0)
        weights, grads = 0.0, 0.0 if full else grads
    if setup.offload != "none":
        host += optimizer
        optimizer = 0.0
    trained = format_count(trained_parameters(setup))
    width = states.trained_width_bytes(setup)
    wide = f"{trained} × {width} B"
    adapters = "none, all weights are trained" if full else wide + _over(by_adapters)
    lines = [
        entry("base weights", weights / by_weights, _weights_text(setup, by_weights), INVENTORY),
        entry("adapters", states.adapter_weight_bytes(setup) / by_adapters, adapters, INVENTORY),
        entry("gradients", grads / by_grads, wide + _over(by_grads), INVENTORY),
        entry("optimizer states", optimizer / by_states, _optimizer_text(setup, trained, by_states), OPTIMIZER),
    ]
    return lines, host


def shares(setup: FinetuneSetup) -> tuple[int, int, int]:
    """Over how many GPUs weights, gradients and optimizer states are divided."""
    gpus = setup.gpus
    match setup.sharding:
        case "none" | "ddp":
            return 1, 1, 1
        case "zero1":
            return 1, 1, gpus
        case "zero2":
            return 1, gpus, gpus
        case "zero3" | "fsdp" | "layers":
            return gpus, gpus, gpus


def _kept(setup: FinetuneSetup) -> Line:
    stages = setup.gpus if setup.sharding == "layers" else 1
    text = _kept_text(setup, f"{setup.tokens:,} tokens") + _over(stages)
    return entry("activations kept", activations.kept_bytes(setup) / stages, text, SAVED)


def _loss(setup: FinetuneSetup) -> tuple[Line, ...]:
    text = f"{setup.stack.logit_bytes:g} B × {setup.tokens:,} tokens × {setup.model.vocab_size:,} vocabulary"
    return (entry("logits and loss", activations.logits_bytes(setup), text, SAVED), *_casts(setup, backward=False))


def _step(setup: FinetuneSetup) -> tuple[Line, ...]:
    amount = states.step_bytes(setup) / shares(setup)[2] if setup.offload == "none" else 0.0
    text = f"{setup.optimizer.id}: {setup.optimizer.step_copies} copy of what is trained, after the activations"
    return (entry("optimizer step", amount, text, OPTIMIZER),)


def _layer(setup: FinetuneSetup) -> tuple[Line, ...]:
    per_token = format_bytes(activations.widest_layer_bytes_per_token(setup))
    logits = format_bytes(activations.logits_bytes(setup))
    text = f"{per_token} × {setup.tokens:,} tokens; not at once with logits and loss, {logits}"
    return (
        entry("layer at work", activations.layer_at_work_bytes(setup), text, SAVED),
        entry("unpacked weights", overhead.unpacked_bytes(setup), f"{setup.weights.id} to 16 bit", UNPACK),
        entry("gathered from other GPUs", overhead.gathered_bytes(setup), f"{setup.sharding}", GATHER),
        *_casts(setup, backward=True),
    )


def _casts(setup: FinetuneSetup, *, backward: bool) -> tuple[Line, ...]:
    """16-bit copies of 32-bit weights, where there are any; split by layers, a GPU casts its own."""
    amount = overhead.cast_copies_bytes(setup, backward=backward)
    if not amount:
        return ()
    whole = not (backward and setup.checkpointing in ("on", "offloaded"))
    stages = setup.gpus if setup.sharding == "layers" and whole else 1
    text = f"{format_count(amount / states.HALF_BYTES)} weights × 2 B, cast by autocast{_over(stages)}"
    return (entry("16-bit copies", amount / stages, text, CASTS),)


def entry(name: str, amount: float, formula: str, provenance: tuple[Provenance, ...]) -> Line:
    """A line in bytes."""
    return Line(name=name, amount=amount, unit="B", formula=formula, provenance=provenance)


def _over(gpus: int) -> str:
    return f" / {gpus} GPUs" if gpus > 1 else ""


def _weights_text(setup: FinetuneSetup, gpus: int) -> str:
    mixed = setup.method == "full" and setup.precision == "mixed" and not setup.holds_masters_apart
    width = "fp32 masters" if mixed else setup.weights.id
    return f"{format_count(setup.model.total_parameters)} weights as {width}{_over(gpus)}"


def _optimizer_text(setup: FinetuneSetup, trained: str, gpus: int) -> str:
    chosen = setup.optimizer
    each = f"{chosen.states} × {states.state_width_bytes(setup):.5g} B"
    if setup.holds_masters_apart and not chosen.factored:
        return f"{chosen.id}: {trained} × ({each} + 4 B masters){_over(gpus)}"
    if chosen.factored:
        masters = f" + {trained} × 4 B masters" if setup.holds_masters_apart else ""
        return f"{chosen.id}: a row and a column per matrix{masters}{_over(gpus)}"
    return f"{chosen.id}: {trained} × {each}{_over(gpus)}"


def _kept_text(setup: FinetuneSetup, tokens: str) -> str:
    model = setup.model
    match setup.checkpointing:
        case "on":
            return f"2 B × {model.layer_count} layers × {model.hidden_size:,} × {tokens}"
        case "offloaded":
            return "layer inputs wait in host memory"
        case "off" | "unknown":
            return f"{format_bytes(activations.layers_kept_bytes_per_token(setup))} × {tokens}"
