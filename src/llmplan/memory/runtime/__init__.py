"""What an engine needs besides weights and cache: the activation peak, non-torch memory and CUDA graphs.

None of the three can be computed exactly, so each is a band: an 80 % interval read off start-up logs.
"""

from llmplan.memory.runtime.compute_buffer import MICRO_BATCH_TOKENS, compute_buffer, micro_batch_tokens
from llmplan.memory.runtime.context import non_torch
from llmplan.memory.runtime.forward import forward_peak_bytes
from llmplan.memory.runtime.graphs import captured_sizes
from llmplan.memory.runtime.parts import RuntimeMemory, runtime_memory
from llmplan.memory.runtime.setting import Part, RuntimeSetting, version_of

__all__ = [
    "MICRO_BATCH_TOKENS",
    "Part",
    "RuntimeMemory",
    "RuntimeSetting",
    "captured_sizes",
    "compute_buffer",
    "forward_peak_bytes",
    "micro_batch_tokens",
    "non_torch",
    "runtime_memory",
    "version_of",
]
