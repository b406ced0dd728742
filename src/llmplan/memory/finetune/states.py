"""What a run holds all the time: base weights, adapters, gradients and optimizer states."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from llmplan.memory.finetune.adapters import trained_parameters, trained_shapes
from llmplan.plan.finetune import FinetuneSetup
from llmplan.spec import storage
from llmplan.spec.model import Tensor, TensorRole
from llmplan.spec.places import places
from llmplan.spec.storage import linear_bytes
from llmplan.spec.weight_format import WeightFormat

HALF_BYTES: Final = 2
FULL_BYTES: Final = 4
GLOBAL_ROLES = (TensorRole.EMBED, TensorRole.HEAD)
SINGLE_SCALE_BYTES: Final = 4.0
SINGLE_TABLE_BYTES: Final = 64
"""of a layer's code book, without the second one of nested scales"""


def single_quantized(weights: WeightFormat) -> WeightFormat:
    """NF4 without double quantization: one fp32 scale per block instead of an 8-bit one."""
    return replace(weights, scale_bytes=SINGLE_SCALE_BYTES, per_linear_bytes=SINGLE_TABLE_BYTES)


def base_weight_bytes(setup: FinetuneSetup) -> float:
    """Bytes of the model's weights as they are held for training.

    setup: its model, weight format, precision and stack.
    Quantized: `linear_bytes` of every matrix of the layers, the rest in 16 bit (embedding and head of a
    bitsandbytes base in 32 bit where the stack casts them); a checkpoint in its own format as published.
    Else 2 or 4 B per weight. Valid for one copy, before sharding. Reference: bitsandbytes 0.45 functional.py;
    PEFT prepare_model_for_kbit_training.
    """
    model = setup.model
    if setup.weights.is_quantized and setup.weights.id == model.checkpoint_format:
        return _published_bytes(setup)
    decoder = math.fsum(count * _stored_bytes(tensor, setup) for count, tensor in model.tensors())
    if setup.stack.unties and model.tied_embeddings:
        decoder += model.embedding_parameters * (FULL_BYTES if _wide(setup) else HALF_BYTES)
    encoders = sum(tower.parameters for tower in model.towers) * HALF_BYTES
    return decoder + encoders


def _published_bytes(setup: FinetuneSetup) -> float:
    """A checkpoint in its own format: what its lists keep in 16 bit stays so."""
    model, weights = setup.model, setup.weights
    stored = math.fsum(
        place.layers * storage.tensor_bytes(place, place.tensor, model, weights, loaded=False)
        for place in places(model)
    )
    ends = sum(tensor.elements for tensor in model.globals if tensor.role in GLOBAL_ROLES)
    return stored + (ends * (FULL_BYTES - HALF_BYTES) if _upcasts(setup) else 0)


def _stored_bytes(tensor: Tensor, setup: FinetuneSetup) -> float:
    weights = setup.weights
    if not weights.is_quantized:
        return tensor.elements * (FULL_BYTES if _wide(setup) else HALF_BYTES)
    if len(tensor.shape) == 2 and tensor.role in (TensorRole.LINEAR, TensorRole.EXPERT):
        return tensor.copies * linear_bytes(tensor.shape[0], tensor.shape[1], weights)
    return tensor.elements * (FULL_BYTES if _upcasts(setup) and tensor.role in GLOBAL_ROLES else HALF_BYTES)


def _upcasts(setup: FinetuneSetup) -> bool:
    return setup.stack.upcasts_globals and setup.weights.trains_by_matrix


def _wide(setup: FinetuneSetup) -> bool:
    if setup.holds_masters_apart:
        return False
    return setup.weights.bits > 16 or (setup.method == "full" and setup.precision == "mixed")


def trained_width_bytes(setup: FinetuneSetup) -> int:
    """Bytes per trained number [B]: 4 with 32-bit weights, 2 in pure 16-bit training; adapters as the stack keeps them.

    setup: method, precision, stack and sharding. 2 under DeepSpeed, whose 32-bit masters count among the optimizer's
    states. Valid for weight and gradient alike. Reference: PEFT autocast_adapter_dtype; Rajbhandari et al. 2020 (arXiv
    1910.02054), table of mixed-precision states.
    """
    if setup.method == "full":
        return FULL_BYTES if _wide(setup) else HALF_BYTES
    return FULL_BYTES if setup.precision == "mixed" else setup.stack.adapter_bytes


def state_width_bytes(setup: FinetuneSetup) -> float:
    """Bytes per number of an optimizer's state [B].

    setup: its optimizer, and what it trains. The optimizer's own width, else that of the weights that it updates: 4 of
    masters held apart, else `trained_width_bytes`. Valid for the optimizers of the registry. Reference: torch.optim.
    """
    if setup.optimizer.state_bytes is not None:
        return setup.optimizer.state_bytes
    return FULL_BYTES if setup.holds_masters_apart else trained_width_bytes(setup)


def master_bytes(setup: FinetuneSetup) -> float:
    """Bytes of 32-bit masters held beside 16-bit weights.

    setup: method, precision and sharding. 4 B x `trained_parameters` under DeepSpeed's mixed precision, where they
    are sharded and offloaded with the optimizer's states; else 0. Valid for ZeRO-1 to 3.
    Reference: Rajbhandari et al. 2020 (arXiv 1910.02054): 2 + 2 + 12 B per number under Adam.
    """
    return float(FULL_BYTES * trained_parameters(setup)) if setup.holds_masters_apart else 0.0


def adapter_weight_bytes(setup: FinetuneSetup) -> float:
    """Bytes of the adapters' A and B.

    setup: method, rank, targets and stack. `trained_parameters` x `trained_width_bytes`; 0 for full fine-tuning.
    Valid for LoRA and QLoRA. Reference: Hu et al. 2021 (arXiv 2106.09685).
    """
    return 0.0 if setup.method == "full" else float(trained_parameters(setup) * trained_width_bytes(setup))


def gradient_bytes(setup: FinetuneSetup) -> float:
    """Bytes of the gradients, one per trained number and as wide as it.

    setup: method, precision and stack. `trained_parameters` x `trained_width_bytes`. Valid while gradients are
    accumulated or kept until the optimizer's step. Reference: torch.autograd.
    """
    return float(trained_parameters(setup) * trained_width_bytes(setup))


def optimizer_bytes(setup: FinetuneSetup) -> float:
    """Bytes of the optimizer's states, and of the masters that it updates where they are held apart.

    setup: its optimizer, and what it trains.
    trained x states x `state_width_bytes`, Adafactor 4 B x (out + in) per matrix; + `master_bytes`. Valid for the
    optimizers of the registry.
    Reference: torch.optim, bitsandbytes.optim (8-bit states: Dettmers et al. 2022), Shazeer & Stern 2018 (Adafactor).
    """
    chosen = setup.optimizer
    if chosen.factored:
        kept = float(sum(count * FULL_BYTES * sum(shape) for count, shape in trained_shapes(setup)))
    else:
        kept = trained_parameters(setup) * chosen.states * state_width_bytes(setup)
    return kept + master_bytes(setup)


def step_bytes(setup: FinetuneSetup) -> float:
    """Bytes that the optimizer's step takes for a moment, when activations are gone.

    setup: its optimizer, and what it trains. copies x `state_width_bytes` x trained: PyTorch's `foreach` AdamW takes
    the root of all second moments at once. Valid for one step over all parameters; `fused` needs none.
    Reference: torch/optim/adamw.py; Qwen-1.8B, full: 18.2 GiB at 512 tokens = 10 B x 1.84e9 + context (ms-swift).
    """
    return float(setup.optimizer.step_copies * trained_parameters(setup) * state_width_bytes(setup))
