"""What a fine-tuning run can be built from: optimizers and training libraries, as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from llmplan.errors import UnknownIdError
from llmplan.plan.finetune import Optimizer, Stack

Entry = TypeVar("Entry", Optimizer, Stack)

EIGHT_BIT_BYTES: Final = 1 + 4 / 256
"""an 8-bit state with its share of one fp32 scale per 256 numbers (bitsandbytes optim/optimizer.py, block-wise)"""

OPTIMIZERS: Final[tuple[Optimizer, ...]] = (
    Optimizer(id="adamw", aliases=("adamw_torch", "adam"), states=2, step_copies=1),
    Optimizer(id="adamw-fused", aliases=("adamw_torch_fused",), states=2),
    Optimizer(id="adamw-8bit", aliases=("adamw_bnb_8bit", "adam-8bit"), states=2, state_bytes=EIGHT_BIT_BYTES),
    Optimizer(id="paged-adamw", aliases=("paged_adamw_32bit",), states=2, state_bytes=4, paged=True),
    Optimizer(id="paged-adamw-8bit", states=2, state_bytes=EIGHT_BIT_BYTES, paged=True),
    Optimizer(id="adafactor", states=0, factored=True),
    Optimizer(id="sgd", states=0),
    Optimizer(id="sgd-momentum", states=1),
    Optimizer(id="lion", aliases=("lion_32bit",), states=1),
    Optimizer(id="lion-8bit", states=1, state_bytes=EIGHT_BIT_BYTES),
    Optimizer(id="paged-lion-8bit", states=1, state_bytes=EIGHT_BIT_BYTES, paged=True),
)

STACKS: Final[tuple[Stack, ...]] = (
    Stack(
        id="hf", name="Transformers with TRL / PEFT, LLaMA-Factory, ms-swift, Axolotl", checkpointing="on",
        logit_bytes=16, adapter_bytes=4, upcasts_globals=True, autocasts=True,
    ),
    Stack(
        id="unsloth", name="Unsloth: fused kernels and loss, layer inputs in host memory", checkpointing="offloaded",
        logit_bytes=4, adapter_bytes=4, fused_adapters=True, autocasts=True,
    ),
    Stack(
        id="torchtune", name="torchtune: loss in chunks", checkpointing="on", logit_bytes=6, adapter_bytes=2,
    ),
    Stack(
        id="litgpt", name="LitGPT: no checkpointing on one GPU, 16-bit throughout", checkpointing="off",
        logit_bytes=12, adapter_bytes=2, keeps_quantized_inputs=True, unties=True, autocasts=True,
    ),
)  # fmt: skip


def optimizer(name: str) -> Optimizer:
    """The optimizer called `name`, in any case.

    >>> optimizer("AdamW_8bit").id, optimizer("paged_adamw_32bit").paged
    ('adamw-8bit', True)
    """
    return _named("optimizer", name, OPTIMIZERS, {alias: each for each in OPTIMIZERS for alias in each.aliases})


def stack(name: str) -> Stack:
    """The training library called `name`, in any case.

    >>> stack("Unsloth").checkpointing
    'offloaded'
    """
    return _named("stack", name, STACKS, {})


def _named(kind: str, name: str, entries: Sequence[Entry], aliases: dict[str, Entry]) -> Entry:
    known = {entry.id: entry for entry in entries} | aliases
    folded = name.strip().casefold()
    found = known.get(folded) or known.get(folded.replace("_", "-"))
    if found is None:
        listing = f"one of {', '.join(entry.id for entry in entries)}"
        raise UnknownIdError(kind, name, known, listing=listing)
    return found
