"""Fixes of rules in the engines' own options: rules state them as flags of `llmplan memory`."""

from __future__ import annotations

import re
from collections.abc import Mapping

OWN_WORDS: Mapping[str, Mapping[str, str]] = {
    "vllm": {
        "--tp": "--tensor-parallel-size", "--pp": "--pipeline-parallel-size", "--dp": "--data-parallel-size",
        "--dcp": "--decode-context-parallel-size", "--kv-cache": "--kv-cache-dtype",
    },
    "sglang": {
        "--tp": "--tp-size", "--pp": "--pp-size", "--dp": "--dp-size", "--kv-cache": "--kv-cache-dtype",
        "--max-model-len": "--context-length", "--max-num-seqs": "--max-running-requests",
        "--max-num-batched-tokens": "--chunked-prefill-size", "--gpu-memory-utilization": "--mem-fraction-static",
    },
    "tensorrt-llm": {
        "--tp": "--tp_size", "--pp": "--pp_size", "--kv-cache": "--kv_cache_dtype", "--max-model-len": "--max_seq_len",
        "--max-num-seqs": "--max_batch_size", "--max-num-batched-tokens": "--max_num_tokens",
        "--gpu-memory-utilization": "--free_gpu_memory_fraction",
    },
    "llama-cpp": {"--max-model-len": "-c", "--max-num-seqs": "-np", "--kv-cache": "-ctk"},
}  # fmt: skip
"""the engines' names for flags of `memory`"""
OWN_PHRASES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "vllm": ((r"--ep \d+", "--enable-expert-parallel"),),
    "sglang": (
        (r"--tp 1 --dp (\d+) --ep (\d+)", r"--tp \1 --dp \1 --enable-dp-attention"), (r"--ep (\d+)", r"--ep-size \1"),
    ),
    "tensorrt-llm": (
        (r"--tp 1 --dp (\d+) --ep (\d+)", r"enable_attention_dp: true in the settings file"),
        (r"--ep (\d+)", r"--ep_size \1"),
    ),
    "llama-cpp": ((r"(?:--tp 1 )?--pp (\d+)", r"\1 GPUs"),),
}  # fmt: skip
"""what takes more than one name for another"""


def in_words_of(engine: str, fix: str) -> str:
    """A fix in the engine's own flags.

    >>> in_words_of("vllm", "use --tp 1, 2, 4"), in_words_of("sglang", "--max-model-len 8192")
    ('use --tensor-parallel-size 1, 2, 4', '--context-length 8192')
    """
    names = OWN_WORDS.get(engine, {})
    text = fix
    for pattern, instead in OWN_PHRASES.get(engine, ()):
        text = re.sub(pattern, instead, text)
    text = text.replace("--weights fp16 (--dtype half)", "--dtype half")
    text = re.sub(r"--weights ((?:\S+ or )*[^\s,()]+)", r"a checkpoint in \1", text)
    return re.sub(r"--[a-z-]+", lambda match: names.get(match[0], match[0]), text)
