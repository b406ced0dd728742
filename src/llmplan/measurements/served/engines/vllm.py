"""vLLM 0.5 to 0.33: names as `vllm/v1/metrics/loggers.py` registers them, older ones after them. `engine` is the
data-parallel rank; ranks of tensor parallelism are not told apart."""

from llmplan.measurements.served.series import Series

SERIES = Series(
    engine="vllm",
    prefix="vllm:",
    totals={
        "requests": ("request_success_total",),
        "failed": ("request_success_total",),
        "prompt_tokens": ("prompt_tokens_total",),
        "output_tokens": ("generation_tokens_total",),
        "preemptions": ("num_preemptions_total",),
        "prefix_hits": ("prefix_cache_hits_total", "gpu_prefix_cache_hits_total"),
        "prefix_queries": ("prefix_cache_queries_total", "gpu_prefix_cache_queries_total"),
    },
    sums={"running": ("num_requests_running",), "waiting": ("num_requests_waiting",)},
    means={"kv_usage": ("kv_cache_usage_perc", "gpu_cache_usage_perc")},
    histograms={
        "ttft": ("time_to_first_token_seconds",),
        "tpot": ("request_time_per_output_token_seconds",),
        "itl": ("inter_token_latency_seconds", "time_per_output_token_seconds"),
        "e2e": ("e2e_request_latency_seconds",),
        "input": ("request_prompt_tokens",),
        "output": ("request_generation_tokens",),
    },
    info_series="cache_config_info",
    info={
        "kv_tokens": "kv_cache_size_tokens",
        "kv_blocks": "num_gpu_blocks",
        "max_concurrency": "kv_cache_max_concurrency",
        "block_size": "block_size",
        "gpu_memory_utilization": "gpu_memory_utilization",
        "kv_cache_memory_bytes": "kv_cache_memory_bytes",
        "blocks_override": "num_gpu_blocks_override",
        "kv_cache": "cache_dtype",
        "prefix_caching": "enable_prefix_caching",
    },
    parts=("engine",),
    without={
        "requests": ("finished_reason", ("abort", "error")),
        "failed": ("finished_reason", ("stop", "length", "repetition")),
    },
)
