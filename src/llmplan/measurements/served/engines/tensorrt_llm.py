"""TensorRT-LLM 1.x at `/prometheus/metrics`, which it mounts with `return_perf_metrics: true`: names as
`tensorrt_llm/metrics/collector.py` registers them. What comes of iterations (blocks, queue) also needs
`enable_iter_perf_stats: true`. `ITERATION` are the same quantities in the JSON of its own `/metrics`."""

from llmplan.measurements.served.series import Series

SERIES = Series(
    engine="tensorrt-llm",
    prefix="trtllm_",
    totals={
        "requests": ("request_success_total",),
        "failed": ("request_error_total",),
        "prompt_tokens": ("prompt_tokens_total",),
        "output_tokens": ("generation_tokens_total",),
        "prefix_hits": ("prompt_cached_tokens_total",),
    },
    sums={
        "running": ("num_requests_running",),
        "waiting": ("num_requests_waiting",),
        "kv_blocks": ("kv_cache_max_blocks",),
    },
    means={"kv_usage": ("kv_cache_utilization",)},
    settings={
        "block_size": ("kv_cache_tokens_per_block",),
        "max_num_seqs": ("max_batch_size_static",),
        "max_num_batched_tokens": ("max_num_tokens_runtime",),
    },
    histograms={
        "ttft": ("time_to_first_token_seconds",),
        "tpot": ("time_per_output_token_seconds",),
        "e2e": ("e2e_request_latency_seconds",),
    },
    without={"requests": ("finished_reason", ("cancelled", "timeout", "error"))},
)

ITERATION: dict[str, tuple[str, ...]] = {
    "running": ("numActiveRequests",),
    "waiting": ("numQueuedRequests",),
    "kv_blocks": ("kvCacheStats", "maxNumBlocks"),
    "kv_used_blocks": ("kvCacheStats", "usedNumBlocks"),
    "block_size": ("kvCacheStats", "tokensPerBlock"),
    "max_num_seqs": ("maxBatchSizeStatic",),
    "max_num_batched_tokens": ("maxNumTokensRuntime",),
}
"""where each quantity stands in a record of an iteration"""
