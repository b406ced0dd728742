"""Results in the shapes that the tools write, with figures of our own."""

from __future__ import annotations

import json
from typing import Any

from llmplan.measurements.benchmark.result import Result, result_of

VLLM: dict[str, Any] = {
    "backend": "openai-chat", "model_id": "my-model", "num_prompts": 100, "request_rate": "inf", "burstiness": 1.0,
    "max_concurrency": 8, "duration": 20.0, "completed": 100, "failed": 0, "total_input_tokens": 51_200,
    "total_output_tokens": 12_800, "output_throughput": 640.0, "mean_ttft_ms": 95.0, "median_ttft_ms": 90.0,
    "mean_tpot_ms": 12.0, "median_tpot_ms": 11.5, "mean_itl_ms": 12.2,
}  # fmt: skip
AIPERF: dict[str, Any] = {
    "request_latency": {"unit": "ms", "avg": 900.0},
    "time_to_first_token": {"unit": "ms", "avg": 80.0},
    "inter_token_latency": {"unit": "us", "avg": 11_000.0},
    "output_token_throughput": {"unit": "tokens/sec", "avg": 350.0},
    "input_sequence_length": {"unit": "tokens", "avg": 550.0},
    "output_sequence_length": {"unit": "tokens", "avg": 75.5},
    "request_count": {"unit": "requests", "avg": 64.0},
    "input_config": {
        "models": {"items": [{"name": "my-model"}]},
        "phases": [
            {"name": "warm-up", "kind": "warmup", "concurrency": 1},
            {"name": "profiling", "kind": "profiling", "type": "concurrency", "concurrency": 4},
        ],
    },
}
METRICS = """# HELP vllm:prompt_tokens_total Number of prefill tokens processed.
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{engine="0",model_name="my-model"} 2000.0
vllm:prefix_cache_queries_total{engine="0",model_name="my-model"} 2000.0
vllm:prefix_cache_hits_total{engine="0",model_name="my-model"} 500.0
vllm:request_prompt_tokens_count{engine="0",model_name="my-model"} 4.0
vllm:request_prompt_tokens_sum{engine="0",model_name="my-model"} 2000.0
vllm:request_generation_tokens_count{engine="0",model_name="my-model"} 4.0
vllm:request_generation_tokens_sum{engine="0",model_name="my-model"} 400.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.04",model_name="my-model"} 4.0
vllm:time_to_first_token_seconds_count{engine="0",model_name="my-model"} 4.0
vllm:time_to_first_token_seconds_sum{engine="0",model_name="my-model"} 0.2
vllm:inter_token_latency_seconds_count{engine="0",model_name="my-model"} 396.0
vllm:inter_token_latency_seconds_sum{engine="0",model_name="my-model"} 4.0
vllm:request_time_per_output_token_seconds_count{engine="0",model_name="my-model"} 4.0
vllm:request_time_per_output_token_seconds_sum{engine="0",model_name="my-model"} 0.044
vllm:cache_config_info{block_size="16",gpu_memory_utilization="0.92",kv_cache_memory_bytes="4294967296"} 1.0
"""
LOG = """INFO 11-22 [core.py:133] Initializing a V1 LLM engine (v0.30.1) with config: model='m', max_seq_len=8192, \
tensor_parallel_size=2, pipeline_parallel_size=1, enforce_eager=False
INFO 11-22 [api_utils.py] vLLM non-default args: {'max_num_seqs': 64, 'gpu_memory_utilization': 0.85}
INFO 11-22 Available KV cache memory: 36.36 GiB
"""


def guidellm(*strategies: dict[str, Any], **metrics: float) -> Result:
    """A report with one benchmark for each strategy."""
    means = {
        "prompt_token_count": 256.0, "output_token_count": 64.0, "time_to_first_token_ms": 50.0,
        "inter_token_latency_ms": 9.0, "time_per_output_token_ms": 9.7, "output_tokens_per_second": 400.0,
    } | metrics  # fmt: skip
    body = {name: {"successful": {"mean": value}, "total": {"mean": 2 * value}} for name, value in means.items()}
    totals = {"request_totals": {"successful": 32, "errored": 0}}
    benchmarks = [
        {"config": {"strategy": strategy, "backend": {"model": "my-model"}}, "metrics": {**body, **totals}}
        for strategy in strategies
    ]
    return result("report.json", {"metadata": {"version": 2}, "benchmarks": benchmarks})


def result(name: str, *values: Any) -> Result:
    """A file with one JSON value, or with one a line."""
    return result_of(name, "\n".join(json.dumps(value) for value in values))
