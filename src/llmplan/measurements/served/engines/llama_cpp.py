"""llama.cpp's server with --metrics, build 11434: it counts tokens and the seconds that they took, and no requests.
Its averages (`prompt_tokens_seconds`, ...) start anew at each scrape and are left alone; prompt tokens that its cache
held are counted apart. A header of the answer says when the process started. Seconds of generation are summed over
requests as each one ends, from the end of its prompt to its last token; seconds of prompts are of batches."""

from llmplan.measurements.served.series import Series

SERIES = Series(
    engine="llama-cpp",
    prefix="llamacpp:",
    totals={
        "prompt_tokens": ("prompt_tokens_total",),
        "output_tokens": ("tokens_predicted_total",),
        "prefix_hits": ("prompt_tokens_cached_total",),
        "prefix_misses": ("prompt_tokens_total",),
        "prefill_s": ("prompt_seconds_total",),
    },
    sums={"running": ("requests_processing",), "waiting": ("requests_deferred",)},
    pairs={"per_token": ("tokens_predicted_seconds_total", "tokens_predicted_total")},
)
