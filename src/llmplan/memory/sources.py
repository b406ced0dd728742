"""Where the rules and the measured constants of this package come from."""

from __future__ import annotations

from datetime import date
from typing import Final

from llmplan.spec.provenance import FigureKind, Provenance, Source

_VLLM = Source(
    id="vllm-0.33.0",
    title="vLLM 0.33.0 source",
    url="https://github.com/vllm-project/vllm",
    locator="v1/worker/gpu_worker.py, v1/kv_cache_interface.py, v1/core/kv_cache_planning.py",
)
_TRTLLM = Source(
    id="tensorrt-llm",
    title="TensorRT-LLM source",
    url="https://github.com/NVIDIA/TensorRT-LLM",
    locator="_torch/pyexecutor/_util.py",
)
_SGLANG = Source(
    id="sglang-0.5.23",
    title="SGLang 0.5.23 source",
    url="https://github.com/sgl-project/sglang",
    locator="mem_cache/kv_cache_configurator.py",
)
_LLAMA_CPP = Source(
    id="llama.cpp-11434",
    title="llama.cpp build 11434 source and logs",
    url="https://github.com/ggml-org/llama.cpp",
    locator="src/llama-quant.cpp, src/llama-kv-cache-iswa.cpp",
)
_LOGS = Source(
    id="engine-logs",
    title="125 start-up logs of serving engines, published 2024 to 2026",
    url="https://github.com/vllm-project/vllm/issues",
    locator="docs/how-it-works/memory.md",
)
READ: Final = date(2026, 11, 25)


def _figure(source: Source, kind: FigureKind, note: str) -> Provenance:
    return Provenance(source=source, as_of=READ, kind=kind, note=note)


CUT: Final = (_figure(_VLLM, "derived", "tensor inventory cut over ranks"),)
GGUF: Final = (_figure(_LLAMA_CPP, "derived", "block type per tensor"),)
ACTIVATION: Final = (_figure(_LOGS, "measured", "sampler law by version on 20 logs; the rest from the shapes"),)
COMPUTE_BUFFER: Final = (_figure(_LLAMA_CPP, "measured", "compute buffer sizes of 3 logs with flash attention"),)
NON_TORCH: Final = (_figure(_LOGS, "measured", "by number of ranks, link, maker and version"),)
GRAPHS: Final = (_figure(_LOGS, "measured", "15 logs, most within 0.3 to 2.5 times"),)
ADAPTERS: Final = (_figure(_VLLM, "derived", "16-bit A and B of every linear layer, lora/layers"),)
POOL: Final = {
    "fraction_of_total": (_figure(_VLLM, "derived", "determine_available_memory"),),
    "fraction_of_free": (_figure(_TRTLLM, "derived", "free memory times free_gpu_memory_fraction"),),
    "fraction_static": (_figure(_SGLANG, "derived", "mem_fraction_static holds weights and pool"),),
    "explicit_context": (_figure(_LLAMA_CPP, "derived", "context times layers, allocated at start"),),
}
