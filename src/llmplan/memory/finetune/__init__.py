"""Bytes of fine-tuning: base weights, adapters, gradients, optimizer states, activations, logits and overheads."""

from llmplan.memory.finetune.adapters import ALL_LINEAR, GROUPS, adapter_parameters, targets, trained_parameters
from llmplan.memory.finetune.base import base_format
from llmplan.memory.finetune.budget import finetune_memory
from llmplan.memory.finetune.options import OPTIMIZERS, STACKS, optimizer, stack
from llmplan.memory.finetune.states import base_weight_bytes, single_quantized

__all__ = [
    "ALL_LINEAR",
    "GROUPS",
    "OPTIMIZERS",
    "STACKS",
    "adapter_parameters",
    "base_format",
    "base_weight_bytes",
    "finetune_memory",
    "optimizer",
    "single_quantized",
    "stack",
    "targets",
    "trained_parameters",
]
