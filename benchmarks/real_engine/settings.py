"""What is fixed in the measurement: how the engine is started, and which loads it gets."""

from __future__ import annotations

from loads import Lengths, Load

PORT = 8000
SERVED_NAME = "smollm2"
MAX_NUM_SEQS = 8
MAX_NUM_BATCHED_TOKENS = 256
MAX_MODEL_LEN = 2048
BLOCK_TOKENS = 128
KV_GIB = 1

ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": str(KV_GIB),
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "INFO",
}
ARGUMENTS = (
    "--host", "127.0.0.1",
    "--dtype", "bfloat16",
    "--max-num-seqs", str(MAX_NUM_SEQS),
    "--max-num-batched-tokens", str(MAX_NUM_BATCHED_TOKENS),
    "--max-model-len", str(MAX_MODEL_LEN),
    "--block-size", str(BLOCK_TOKENS),
    "--enable-chunked-prefill",
    "--no-enable-prefix-caching",
)  # fmt: skip

SHORT = Lengths(input_tokens=(32, 384), output_tokens=(16, 128))
LONG = Lengths(input_tokens=(256, 1536), output_tokens=(32, 256))
LOADS = {
    load.name: load
    for load in (
        Load(name="closed-4", clients=4, requests=140, seed=4, lengths=SHORT),
        Load(name="closed-1", clients=1, requests=45, seed=1, lengths=SHORT),
        Load(name="closed-16", clients=16, requests=170, seed=16, lengths=SHORT),
        Load(name="poisson-0.9", requests_per_s=0.9, requests=90, seed=9, lengths=SHORT),
        Load(name="poisson-1.5", requests_per_s=1.5, requests=150, seed=15, lengths=SHORT),
        Load(name="burst-100", all_at_once=True, requests=100, seed=100, lengths=SHORT),
        Load(name="closed-6-long", clients=6, requests=45, seed=6, lengths=LONG),
        Load(name="tight-8", clients=8, requests=45, seed=8, lengths=LONG),
    )
}
"""The Poisson ones at about 0.5 and 0.8 of what the engine can do. `tight-8` is for an engine started with a pool of
`TIGHT_KV_BLOCKS`, which is too small for it: requests are preempted. All others fit the pool."""
TIGHT = "tight-8"
TIGHT_KV_BLOCKS = 32
