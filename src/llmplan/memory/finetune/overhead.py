"""What comes on top of the tensors that training needs: unpacked weights, gathered shards, context, cache."""

from __future__ import annotations

from typing import Final

from llmplan.memory.finetune.states import HALF_BYTES, gradient_bytes
from llmplan.plan.finetune import FinetuneSetup, Lengths
from llmplan.spec.model import LayerGroup, ModelSpec, TensorRole
from llmplan.units import GIB

CONTEXT_BYTES: Final = 0.5 * GIB
"""CUDA context with cuBLAS and cuDNN handles; 0.3 to 0.6 GiB by GPU and version"""
COMMUNICATION_BYTES: Final = 1.0 * GIB
"""NCCL buffers and their streams, from two GPUs on"""
UNPACK_BYTES: Final = 10
"""per weight of the largest matrix: shifted, masked and scaled copies where unpacking is written in PyTorch"""
UNPACK_CACHE_BYTES: Final = 14
ZERO3_LIVE_PARAMETERS: Final = 1_000_000_000
"""DeepSpeed stage3_max_live_parameters"""
ZERO_BUCKETS_BYTES: Final = 4.5 * 2 * 500_000_000 * 2
"""4.5 times allgather_bucket_size and reduce_bucket_size in 16 bit under overlap_comm (Hugging Face's guide)"""
UNSHARDED: Final = ("none", "ddp", "layers")
GROWTH: Final[dict[Lengths, float]] = {"fixed": 1.1, "varied": 1.9, "unknown": 1.4}
"""memory that the allocator holds for passing tensors, over what they need at once: freed blocks of another length
do not fit again"""
HOLES: Final = 0.05
"""share of passing tensors lost to holes that cannot be closed even when memory is short"""


def layer_parameters(group: LayerGroup) -> int:
    """Numbers in one layer [-].

    group: the layer's. Sum over its tensors. Valid for every kind of layer. Reference: the tensor inventory.
    """
    return sum(tensor.elements for tensor in group.tensors() if not tensor.buffer)


def largest_matrix(model: ModelSpec) -> int:
    """Numbers in the largest quantizable matrix of a layer [-].

    model: the inventory. max over its linear and expert matrices. Valid for every family.
    Reference: the tensor inventory.
    """
    roles = (TensorRole.LINEAR, TensorRole.EXPERT)
    return max((t.elements // t.copies for _, t in model.tensors() if t.role in roles), default=0)


def unpacked_bytes(setup: FinetuneSetup) -> float:
    """Bytes of quantized weights that are unpacked for the arithmetic.

    setup: its format. bitsandbytes: 2 B x largest matrix; GPTQ and AWQ: 10 B x largest matrix + 2 B x one layer,
    whose unpacked weights the backward pass keeps. Valid for bases trained on in 16-bit arithmetic.
    Reference: bitsandbytes autograd/_functions.py; AutoGPTQ nn_modules/qlinear_cuda.py.
    """
    if not setup.weights.is_quantized:
        return 0.0
    matrix = largest_matrix(setup.model)
    if setup.weights.trains_by_matrix:
        return float(HALF_BYTES * matrix)
    layer = max(layer_parameters(group) for group in setup.model.layers)
    return float(UNPACK_BYTES * matrix + HALF_BYTES * layer)


def gathered_bytes(setup: FinetuneSetup) -> float:
    """Bytes of weights gathered from other GPUs for the layer at work, and of gradients on their way.

    setup: its sharding. FSDP: one layer and the larger of embedding and head; ZeRO-3: two layers, embedding and head,
    and up to 1e9 live parameters; both: the gradients of one layer before they are reduced, `layer_gradient_bytes`.
    DDP: one bucket copy of the gradients; ZeRO-1/2 the same, but at most the 9 GB of its buckets. Valid for one shard
    per GPU. Reference: torch FSDP fully_shard; DeepSpeed zero/partitioned_param_coordinator.py defaults.
    """
    if setup.gpus == 1 or setup.sharding in ("none", "layers"):
        return 0.0
    if setup.sharding == "ddp":
        return gradient_bytes(setup)
    if setup.sharding in ("zero1", "zero2"):
        return min(gradient_bytes(setup), ZERO_BUCKETS_BYTES)
    model, zero3 = setup.model, setup.sharding == "zero3"
    width = setup.weights.bits / 8 if setup.weights.is_quantized else HALF_BYTES
    layer = max(layer_parameters(group) for group in model.layers) * width * (2 if zero3 else 1)
    ends = [t.elements for t in model.globals if t.role in (TensorRole.EMBED, TensorRole.HEAD)]
    live = min(ZERO3_LIVE_PARAMETERS, model.total_parameters) * HALF_BYTES if zero3 else 0
    gathered = layer + (sum(ends) if zero3 else max(ends, default=0)) * HALF_BYTES + live
    return gathered + layer_gradient_bytes(setup)


def layer_gradient_bytes(setup: FinetuneSetup) -> float:
    """Bytes of one layer's whole gradients, from its backward pass until they are reduced to a shard.

    setup: what it trains. 2 B x the largest layer under full fine-tuning; of adapters the layers' mean. Valid for
    gradients in the width of the arithmetic. Reference: torch FSDP fully_shard, post-backward; DeepSpeed stage3.py.
    """
    if setup.method == "full":
        return float(HALF_BYTES * max(layer_parameters(group) for group in setup.model.layers))
    return gradient_bytes(setup) / max(1, setup.model.layer_count)


def context_bytes(setup: FinetuneSetup) -> float:
    """Bytes outside PyTorch's allocator.

    setup: its number of GPUs. 0.5 GiB, and 1 GiB more from two GPUs on. Valid for CUDA 11.8 to 13.
    Reference: nvidia-smi against max_memory_reserved in the sources of docs/how-it-works/finetuning.md.
    """
    shared = setup.gpus > 1 and setup.sharding != "layers"
    return CONTEXT_BYTES + (COMMUNICATION_BYTES if shared else 0.0)


def unpacking_cache_bytes(setup: FinetuneSetup) -> float:
    """Bytes that the allocator holds for unpacked weights beyond what they need at once.

    setup: its format. 14 B x one layer's weights where unpacking is written in PyTorch: its copies have other shapes
    for every matrix, and none fits the next. 0 for bitsandbytes. Valid on a GPU with room. Reference: Qwen-72B
    GPTQ-int4, 17 GiB above weights at 256 tokens on an 80 GB GPU, 4 GiB for int8, which leaves no room (ms-swift).
    """
    if not setup.weights.is_quantized or setup.weights.trains_by_matrix:
        return 0.0
    return float(UNPACK_CACHE_BYTES * max(layer_parameters(group) for group in setup.model.layers))


def cast_copies_bytes(setup: FinetuneSetup, *, backward: bool = False) -> float:
    """Bytes of 16-bit copies that torch.autocast makes of 32-bit weights.

    setup: method, precision, stack and sharding; backward: at a layer's recomputation, after the forward pass.
    2 B x the weights that are multiplied (embeddings are looked up, unless tied to the head). They live until the
    forward pass ends, and until the backward pass where layers are kept; a recomputed layer casts its own again.
    0 under FSDP and DeepSpeed, which compute on 16-bit shards. Valid for full fine-tuning with 32-bit weights.
    Reference: PyTorch aten/src/ATen/autocast_mode.cpp, cached_cast; Hugging Face's model_memory_anatomy.md: 6 B per
    weight, 18 B with gradients and AdamW.
    """
    casts = setup.method == "full" and setup.precision == "mixed" and setup.stack.autocasts
    if not casts or setup.sharding not in UNSHARDED:
        return 0.0
    if backward and setup.checkpointing in ("on", "offloaded"):
        return float(HALF_BYTES * max(layer_parameters(group) for group in setup.model.layers))
    model = setup.model
    looked_up = () if model.tied_embeddings else (TensorRole.EMBED,)
    return float(
        HALF_BYTES
        * sum(
            count * tensor.elements
            for count, tensor in model.tensors()
            if len(tensor.shape) >= 2 and not tensor.buffer and tensor.role not in looked_up
        )
    )
