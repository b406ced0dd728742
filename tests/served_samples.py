"""Servers of four engines as their metrics show them: texts shaped like recorded ones, from a few figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

VLLM_TTFT = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0,
    640.0, 2560.0,
)  # fmt: skip
VLLM_TPOT = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip
VLLM_E2E = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0)
VLLM_TOKENS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0)
SGLANG_TTFT = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 200.0, 400.0)
SGLANG_ITL = (0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.06, 0.08, 0.1, 0.2, 0.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """`requests` alike ones, answered after those of the `past`, and what holds at the moment."""

    requests: float = 0.0
    input_tokens: float = 1000.0
    output_tokens: float = 300.0
    ttft_s: float = 0.15
    tpot_s: float = 0.012
    e2e_s: float = 4.0
    hits: float = 0.0
    past: tuple[Served, ...] = ()
    failed: float = 0.0
    """since the start, as what follows"""
    preemptions: float = 0.0
    running: float = 0.0
    waiting: float = 0.0
    kv_tokens: int = 400_000
    block: int = 16
    context: int = 8192
    fraction: float = 0.92
    started: float = 1795355015.82
    model: str = "tiny"
    labels: str = ""
    """more labels of cache_config_info, as they are written"""

    def after(self, requests: float, **change: Any) -> Served:
        """The same server, so many requests later."""
        return replace(self, requests=requests, past=(*self.past, replace(self, past=())), **change)

    def total(self, of: Callable[[Served], float] = lambda batch: 1.0) -> float:
        """A sum over all requests."""
        return sum(batch.requests * of(batch) for batch in (*self.past, self))

    def observed(self, name: str) -> list[tuple[float, float]]:
        """What a histogram saw: values, and how often."""
        return [(getattr(batch, name), batch.requests) for batch in (*self.past, self)]


def histogram(
    name: str, labels: str, bounds: Sequence[float], observations: Sequence[tuple[float, float]]
) -> Iterator[str]:
    """A histogram of (value, how often) in the order in which the Python client writes it."""
    yield f"# HELP {name} Histogram."
    yield f"# TYPE {name} histogram"
    inside = f"{labels}," if labels else ""
    for bound in (*bounds, float("inf")):
        le = "+Inf" if bound == float("inf") else repr(float(bound))
        yield f'{name}_bucket{{{inside}le="{le}"}} {sum(count for value, count in observations if value <= bound)!r}'
    yield f"{name}_count{{{labels}}} {sum(count for _, count in observations)!r}"
    yield f"{name}_sum{{{labels}}} {sum(value * count for value, count in observations)!r}"


def vllm(*engines: Served) -> str:
    """vLLM 0.33, each of `engines` a data-parallel rank."""
    first = engines[0]
    lines = [
        "# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.",
        "# TYPE process_start_time_seconds gauge",
        f"process_start_time_seconds {first.started!r}",
    ]
    for rank, each in enumerate(engines):
        who = f'engine="{rank}",model_name="{each.model}"'
        for name, value in (
            ("num_requests_running", each.running), ("num_requests_waiting", each.waiting),
            ("kv_cache_usage_perc", 0.25), ("num_preemptions_total", each.preemptions),
            ("prompt_tokens_total", each.total(lambda b: b.input_tokens)), ("prompt_tokens_created", each.started + 1),
            ("generation_tokens_total", each.total(lambda b: b.output_tokens)),
            ("prefix_cache_queries_total", each.total(lambda b: b.input_tokens)),
            ("prefix_cache_hits_total", each.total(lambda b: b.input_tokens * b.hits)),
        ):  # fmt: skip
            lines.append(f"vllm:{name}{{{who}}} {value!r}")
        for reason, value in (("stop", each.total()), ("length", 0.0), ("abort", each.failed), ("error", 0.0)):
            lines.append(f'vllm:request_success_total{{{who},finished_reason="{reason}"}} {value!r}')
        for name, bounds, quantity in (
            ("time_to_first_token_seconds", VLLM_TTFT, "ttft_s"),
            ("request_time_per_output_token_seconds", VLLM_TPOT, "tpot_s"),
            ("e2e_request_latency_seconds", VLLM_E2E, "e2e_s"),
            ("request_prompt_tokens", VLLM_TOKENS, "input_tokens"),
            ("request_generation_tokens", VLLM_TOKENS, "output_tokens"),
        ):
            lines += histogram(f"vllm:{name}", who, bounds, each.observed(quantity))
        lines.append(
            f'vllm:cache_config_info{{block_size="{each.block}",cache_dtype="auto",enable_prefix_caching="True",'
            f'engine="{rank}",gpu_memory_utilization="{each.fraction}",'
            f'kv_cache_max_concurrency="{each.kv_tokens / each.context}",kv_cache_memory_bytes="None",'
            f'kv_cache_size_tokens="{each.kv_tokens}",num_gpu_blocks="{each.kv_tokens // each.block}",'
            f'num_gpu_blocks_override="None"{each.labels}}} 1.0'
        )
    return "\n".join(lines) + "\n"


def sglang(served: Served, tp: int = 2) -> str:
    """SGLang 0.5.23: every tensor-parallel rank writes the gauges, the tokenizer the counters."""
    lines = []
    for rank in range(tp):
        who = f'engine_type="unified",model_name="{served.model}",moe_ep_rank="0",pp_rank="0",tp_rank="{rank}"'
        for name, value in (
            ("num_running_reqs", served.running), ("num_queue_reqs", served.waiting), ("token_usage", 0.4),
            ("cache_hit_rate", 0.0), ("max_total_num_tokens", served.kv_tokens), ("page_size", served.block),
            ("context_len", served.context), ("num_retracted_requests_total", served.preemptions),
        ):  # fmt: skip
            lines.append(f'sglang:{name}{{{who},priority=""}} {float(value)!r}')
            if name == "num_running_reqs":  # those of each priority besides
                lines.append(f'sglang:{name}{{{who},priority="1"}} {float(value)!r}')
    who = f'model_name="{served.model}"'
    prompts, hits = served.total(lambda b: b.input_tokens), served.total(lambda b: b.input_tokens * b.hits)
    for name, more, value in (
        ("num_requests_total", ',is_streaming="true"', served.total()),
        ("prompt_tokens_total", ',is_streaming="true"', prompts),
        ("generation_tokens_total", ',is_streaming="true"', served.total(lambda b: b.output_tokens)),
        ("cached_tokens_total", ',cache_source="device"', hits * 0.75),
        ("cached_tokens_total", ',cache_source="host"', hits * 0.25),
        ("num_aborted_requests_total", "", served.failed),
    ):
        lines.append(f"sglang:{name}{{{who}{more}}} {value!r}")
    streamed = f'{who},is_streaming="true"'
    lines += histogram("sglang:time_to_first_token_seconds", streamed, SGLANG_TTFT, served.observed("ttft_s"))
    whole = f'{who},is_streaming="false"'
    lines += histogram("sglang:time_to_first_token_seconds", whole, SGLANG_TTFT, [(served.e2e_s, 7.0)])
    gaps = [(batch.tpot_s, batch.requests * (batch.output_tokens - 1.0)) for batch in (*served.past, served)]
    lines += histogram("sglang:inter_token_latency_seconds", who, SGLANG_ITL, gaps)
    lines += histogram("sglang:e2e_request_latency_seconds", streamed, SGLANG_TTFT, served.observed("e2e_s"))
    return "\n".join(lines) + "\n"


def trtllm(served: Served) -> str:
    """TensorRT-LLM at /prometheus/metrics."""
    who = f'engine_type="trtllm",model_name="{served.model}"'
    lines = [f'trtllm_request_success_total{{{who},finished_reason="stop"}} {served.total()!r}']
    for name, value in (
        ("prompt_tokens_total", served.total(lambda b: b.input_tokens)),
        ("generation_tokens_total", served.total(lambda b: b.output_tokens)),
        ("prompt_cached_tokens_total", served.total(lambda b: b.input_tokens * b.hits)),
        ("num_requests_running", served.running), ("num_requests_waiting", served.waiting),
        ("kv_cache_utilization", 0.5), ("kv_cache_max_blocks", served.kv_tokens // served.block),
        ("kv_cache_tokens_per_block", served.block), ("max_batch_size_static", 256), ("max_num_tokens_runtime", 8192),
    ):  # fmt: skip
        lines.append(f"trtllm_{name}{{{who}}} {float(value)!r}")
    for name, bounds, quantity in (
        ("time_to_first_token_seconds", VLLM_TTFT, "ttft_s"),
        ("time_per_output_token_seconds", VLLM_TPOT, "tpot_s"),
        ("e2e_request_latency_seconds", VLLM_E2E, "e2e_s"),
    ):
        lines += histogram(f"trtllm_{name}", who, bounds, served.observed(quantity))
    return "\n".join(lines) + "\n"


def trtllm_iterations(served: Served) -> str:
    """TensorRT-LLM's JSON at /metrics."""
    blocks = served.kv_tokens // served.block
    record = {
        "cpuMemUsage": 0, "gpuMemUsage": 56401920000, "iter": 1, "iterLatencyMS": 16.505143404006958,
        "numActiveRequests": served.running, "numQueuedRequests": served.waiting, "maxBatchSizeStatic": 256,
        "inflightBatchingStats": {"numContextRequests": 0, "numGenRequests": 0},
        "kvCacheStats": {"allocNewBlocks": 1, "allocTotalBlocks": 1, "cacheHitRate": 0.0, "freeNumBlocks": blocks // 2,
                         "maxNumBlocks": blocks, "missedBlocks": 1, "reusedBlocks": 0, "tokensPerBlock": served.block,
                         "usedNumBlocks": blocks - blocks // 2},
    }  # fmt: skip
    return json.dumps([record])


def llama_cpp(served: Served) -> str:
    """llama-server --metrics."""
    prompt, answer = served.total(lambda b: b.input_tokens), served.total(lambda b: b.output_tokens)
    answer_s = served.total(lambda b: b.output_tokens * b.tpot_s)
    lines = []
    for name, kind, value in (
        ("prompt_tokens_total", "counter", prompt), ("prompt_seconds_total", "counter", prompt * 1e-4),
        ("tokens_predicted_total", "counter", answer),
        ("tokens_predicted_seconds_total", "counter", answer_s), ("n_decode_total", "counter", answer),
        ("prompt_tokens_cached_total", "counter", served.total(lambda b: b.input_tokens * b.hits)),
        ("n_busy_slots_per_decode", "gauge", 1.5), ("prompt_tokens_seconds", "gauge", 0.0),
        ("predicted_tokens_seconds", "gauge", 0.0), ("requests_processing", "gauge", served.running),
        ("requests_deferred", "gauge", served.waiting),
    ):  # fmt: skip
        lines += [f"# HELP llamacpp:{name} Text.", f"# TYPE llamacpp:{name} {kind}", f"llamacpp:{name} {value:g}"]
    return "\n".join(lines) + "\n"


def models(*names: str, owner: str = "vllm", context: int | None = 8192, root: str | None = None) -> dict[str, Any]:
    """`/v1/models`."""
    return {
        "object": "list",
        "data": [
            {"id": name, "object": "model", "created": 1795355000, "owned_by": owner, "root": root or name,
             "parent": None, "max_model_len": context, "permission": [{"id": "modelperm-1"}]}
            for name in names
        ],
    }  # fmt: skip


SGLANG_INFO: dict[str, Any] = {
    "model_path": "org/Tiny-1B", "served_model_name": "tiny", "api_key": "sk-planted-secret", "context_length": 8192,
    "page_size": 16, "mem_fraction_static": 0.85, "tp_size": 2, "pp_size": 1, "dp_size": 1,
    "max_running_requests": 512, "chunked_prefill_size": 8192, "kv_cache_dtype": "auto", "disable_cuda_graph": False,
    "version": "0.5.23", "internal_states": [{"memory_usage": {"weight": 2.5, "kvcache": 10.0, "graph": 0.5}}],
}  # fmt: skip
LLAMA_PROPS: dict[str, Any] = {
    "default_generation_settings": {"id": 0, "n_ctx": 4096, "params": {"seed": 1}}, "total_slots": 4,
    "model_path": "/models/Tiny-1B-Q4_K_M.gguf", "chat_template": "{{ x }}", "build_info": "b11434-5d2c83e6",
}  # fmt: skip
