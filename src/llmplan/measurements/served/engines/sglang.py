"""SGLang 0.4 to 0.5.23, with --enable-metrics: names as its metrics collector registers them.

Every rank of a group writes the same gauges (`tp_rank`, `pp_rank`); `dp_rank` shares the work; with priorities the
series without one has them all. Its gauge of the hit rate is set to 0 by every decode step, so that cached tokens are
counted instead. The time to the first token of a request that is not streamed is that of the whole answer.
"""

from llmplan.measurements.served.series import Series

SERIES = Series(
    engine="sglang",
    prefix="sglang:",
    totals={
        "requests": ("num_requests_total",),
        "failed": ("num_aborted_requests_total",),
        "prompt_tokens": ("prompt_tokens_total",),
        "output_tokens": ("generation_tokens_total",),
        "preemptions": ("num_retracted_requests_total",),
        "prefix_hits": ("cached_tokens_total",),
    },
    sums={
        "running": ("num_running_reqs",),
        "waiting": ("num_queue_reqs",),
        "kv_tokens": ("max_total_num_tokens",),
        "kv_blocks": ("num_pages",),
    },
    means={"kv_usage": ("full_token_usage", "token_usage")},
    settings={"block_size": ("page_size",), "max_model_len": ("context_len",)},
    histograms={
        "ttft": ("time_to_first_token_seconds",),
        "tpot": ("request_time_per_output_token_seconds",),
        "itl": ("inter_token_latency_seconds", "time_per_output_token_seconds"),
        "e2e": ("e2e_request_latency_seconds",),
        "input": ("prompt_tokens_histogram",),
        "output": ("generation_tokens_histogram",),
    },
    parts=("dp_rank",),
    copies=("tp_rank", "pp_rank", "moe_ep_rank", "pid"),
    shares=("priority",),
    without={"ttft": ("is_streaming", ("false",))},
)
