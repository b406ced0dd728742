"""Where the rules and the measured constants of fine-tuning memory come from."""

from __future__ import annotations

from datetime import date
from typing import Final

from llmplan.spec.provenance import FigureKind, Provenance, Source

READ: Final = date(2026, 11, 25)
_TORCH = Source(
    id="pytorch", title="PyTorch autograd and CUDA caching allocator", url="https://github.com/pytorch/pytorch"
)
_PEFT = Source(id="peft", title="PEFT source", url="https://github.com/huggingface/peft")
_BNB = Source(
    id="bitsandbytes", title="bitsandbytes source", url="https://github.com/bitsandbytes-foundation/bitsandbytes"
)
_LITGPT = Source(
    id="litgpt", title="LitGPT resource tables and config hub", url="https://github.com/Lightning-AI/litgpt",
    locator="tutorials/resource-tables.md, config_hub/finetune/README.md",
)  # fmt: skip
_SWIFT = Source(
    id="ms-swift", title="ms-swift benchmark", url="https://github.com/modelscope/ms-swift",
    locator="docs/source_en/LLM/Benchmark.md",
)  # fmt: skip
_FACTORY = Source(
    id="llama-factory", title="LLaMA-Factory performance comparison",
    url="https://github.com/hiyouga/LLaMA-Factory/wiki/Performance-comparison",
)  # fmt: skip
_QWEN = Source(id="qwen", title="Profiling of memory and speed of Qwen", url="https://github.com/QwenLM/Qwen")
_ANATOMY = Source(
    id="hf-memory-anatomy", title="Hugging Face, Model training anatomy", url="https://github.com/huggingface/transformers",
    locator="docs/source/en/model_memory_anatomy.md",
)  # fmt: skip
_DEEPSPEED = Source(id="deepspeed", title="DeepSpeed ZeRO source", url="https://github.com/deepspeedai/DeepSpeed")


def _figure(source: Source, kind: FigureKind, note: str) -> Provenance:
    return Provenance(source=source, as_of=READ, kind=kind, note=note)


INVENTORY: Final = (_figure(_PEFT, "derived", "tensor inventory"),)
OPTIMIZER: Final = (_figure(_BNB, "derived", "states per trained number"),)
SAVED: Final = (
    _figure(_TORCH, "derived", "tensors that autograd saves, from the layer shapes"),
    _figure(_LITGPT, "measured", "kept activations"),
    _figure(_FACTORY, "measured", "logits and layer at work, 1k to 100k tokens"),
)
UNPACK: Final = (_figure(_BNB, "derived", "dequantized for the matrix product"), _figure(_QWEN, "measured", "GPTQ"))
CASTS: Final = (
    _figure(_TORCH, "derived", "autocast_mode.cpp, cached_cast"),
    _figure(_ANATOMY, "derived", "6 B per weight in mixed precision"),
)
GATHER: Final = (_figure(_DEEPSPEED, "derived", "defaults of stage 3"), _figure(_QWEN, "measured", "ZeRO-3 on 4 GPUs"))
CONTEXT: Final = (_figure(_TORCH, "assumed", "context, cuBLAS, cuDNN"),)
ALLOCATOR: Final = (_figure(_SWIFT, "measured", "reserved over needed"), _figure(_FACTORY, "measured", "the same"))
