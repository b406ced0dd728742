"""What each tool's result is read as, and what is passed over."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmark_samples import AIPERF, LOG, METRICS, VLLM, guidellm, result

from llmplan.errors import DataError
from llmplan.measurements.benchmark import READERS, read, read_result
from llmplan.measurements.benchmark.result import MAX_RESULT_BYTES, result_of
from llmplan.plan.observation import BenchmarkReading, SpeedObservation
from llmplan.spec.workload import Lengths


def only(reading: BenchmarkReading) -> SpeedObservation:
    assert not reading.skipped
    (found,) = reading.observations
    return found


def vllm(**changes: Any) -> BenchmarkReading:
    record = {key: value for key, value in (VLLM | changes).items() if value is not None}
    return read(result("bench.json", record))


def test_vllm_bench_serve() -> None:
    found = only(vllm())
    assert (found.kind, found.value) == ("concurrency", 8.0)
    assert found.input_tokens == Lengths.fixed(51_200 / 100)
    assert found.output_tokens == Lengths.fixed(12_800 / 100)
    assert found.measured == {"tpot": 0.012, "ttft": 0.095, "throughput": 640.0}
    assert (found.definition, found.requests, found.model) == ("mean", 100, "my-model")


@pytest.mark.parametrize(
    ("changes", "load"),
    [
        ({"max_concurrency": None}, ("burst", 100.0)),
        ({"max_concurrency": 100}, ("burst", 100.0)),
        ({"max_concurrency": None, "request_rate": 2.5}, ("rate", 2.5)),
        ({"request_rate": 2.5, "max_concurrent_requests": 5}, ("rate", 2.5)),
        ({"request_rate": 2.5, "max_concurrent_requests": 8}, ("concurrency", 8.0)),
        ({"max_concurrency": None, "request_rate": float("inf")}, ("burst", 100.0)),
    ],
)
def test_vllm_loads(changes: dict[str, Any], load: tuple[str, float]) -> None:
    found = only(vllm(**changes))
    assert (found.kind, found.value) == load


def test_vllm_burstiness_is_the_shape_of_a_gamma_distribution() -> None:
    assert only(vllm(max_concurrency=None, request_rate=2.0, burstiness=4.0)).cv_interarrival == 0.5


def test_vllm_medians_where_there_are_no_means() -> None:
    found = only(vllm(mean_ttft_ms=None, mean_tpot_ms=None, mean_itl_ms=None))
    assert found.measured == {"tpot": 0.0115, "ttft": 0.09, "throughput": 640.0}
    assert found.definition == "p50"


def test_vllm_detailed_lengths_have_their_percentiles() -> None:
    found = only(vllm(input_lens=[*range(1, 101)], output_lens=[128] * 100))
    assert found.input_tokens == Lengths(mean=50.5, p50=51.0, p90=91.0, p99=100.0)


def test_sglang_writes_the_same_keys_one_run_a_line() -> None:
    reading = read(result("sweep.jsonl", VLLM | {"backend": "sglang"}, VLLM | {"backend": "sglang", "completed": 0}))
    assert reading.server == {"engine": "sglang"}
    assert [found.origin for found in reading.observations] == ["sweep.jsonl run 1"]
    assert reading.skipped == ("sweep.jsonl run 2: no completed requests with their tokens (completed is 0)",)


def test_a_number_that_cannot_be_is_named_and_the_others_count() -> None:
    reading = vllm(mean_tpot_ms=-1.0, mean_itl_ms=None, failed=50)
    assert only(reading).measured == {"ttft": 0.095, "throughput": 640.0}
    assert reading.notes == (
        "bench.json: mean_tpot_ms is -1.0, not used",
        "bench.json: 50 of 150 requests failed",
    )


def test_guidellm_sweep() -> None:
    reading = read(
        guidellm(
            {"type_": "synchronous"},
            {"type_": "concurrent", "streams": 16},
            {"type_": "constant", "rate": 3.5},
            {"type_": "poisson", "rate": 2.0},
            {"type_": "throughput"},
            {"type_": "trace"},
        )
    )
    loads = [(found.kind, found.value, found.cv_interarrival) for found in reading.observations]
    assert loads == [
        ("concurrency", 1.0, 1.0), ("concurrency", 16.0, 1.0), ("rate", 3.5, 0.0), ("rate", 2.0, 1.0),
        ("saturation", 0.0, 1.0),
    ]  # fmt: skip
    assert reading.observations[0].measured == {"tpot": 0.009, "ttft": 0.05, "throughput": 400.0}
    assert reading.observations[0].input_tokens.mean == 256.0
    assert reading.skipped == ("report.json benchmark 6: its load is a 'trace'",)


def test_guidellm_time_per_output_token_counts_the_first_and_is_not_taken() -> None:
    assert "tpot" not in only(read(guidellm({"type_": "synchronous"}, inter_token_latency_ms=0.0))).measured


def test_aiperf_takes_the_measured_phase_and_the_units_that_it_states() -> None:
    found = only(read(result("profile.json", AIPERF)))
    assert (found.kind, found.value) == ("concurrency", 4.0)
    assert found.measured == pytest.approx({"tpot": 0.011, "ttft": 0.08, "throughput": 350.0})
    assert (found.input_tokens.mean, found.output_tokens.mean, found.requests) == (550.0, 75.5, 64)
    odd = read(result("profile.json", AIPERF | {"time_to_first_token": {"unit": "furlongs", "avg": 3.0}}))
    assert "ttft" not in only(odd).measured
    assert odd.notes == ("profile.json: time_to_first_token is in furlongs, not used",)


def test_aiperf_with_a_request_rate() -> None:
    config = {"loadgen": {"request_rate": 5.0, "concurrency": 100}}
    found = only(read(result("profile.json", AIPERF | {"input_config": config})))
    assert (found.kind, found.value) == ("rate", 5.0)


def test_llama_bench() -> None:
    tests = [
        {"n_prompt": 512, "n_gen": 0, "n_depth": 0, "avg_ts": 1000.0},
        {"n_prompt": 0, "n_gen": 128, "n_depth": 0, "avg_ts": 50.0},
        {"n_prompt": 512, "n_gen": 128, "n_depth": 0, "avg_ts": 320.0},
        {"n_prompt": 512, "n_gen": 0, "n_depth": 1536, "avg_ts": 800.0},
        {"n_prompt": 0, "n_gen": 128, "n_depth": 0, "avg_ts": 9.0, "n_gpu_layers": 0},
    ]
    common = {"model_filename": "models/My-Q4_K_M.gguf", "n_gpu_layers": 99, "backends": "CUDA"}
    reading = read(result("lb.json", [common | test for test in tests]))
    prompt, answer, both, deep = reading.observations
    assert prompt.measured == {"ttft": 512 / 1000.0}
    assert answer.measured == {"tpot": 1 / 50.0}
    assert both.measured == {"throughput": 128 / (640 / 320.0)}
    assert (deep.input_tokens.mean, deep.prefix_share) == (2048.0, 0.75)
    assert {(each.kind, each.value, each.model) for each in reading.observations} == {
        ("concurrency", 1.0, "My-Q4_K_M.gguf")
    }
    assert not any(each.client for each in reading.observations)
    assert reading.server == {"engine": "llama-cpp"}
    assert reading.skipped == ("lb.json test 5: no layer on the GPU",)
    assert not reading.notes


def test_llama_bench_says_when_it_ran_on_a_cpu() -> None:
    reading = read(result("lb.json", [{"n_prompt": 512, "n_gen": 0, "avg_ts": 20.0, "backends": "CPU"}]))
    assert reading.notes == ("lb.json: 1 of its tests ran on a CPU, which says nothing about a GPU",)


def test_metrics_have_means_and_a_pool_but_no_load() -> None:
    reading = read(result_of("metrics.txt", METRICS))
    found = only(reading)
    assert found.kind is None
    assert (found.input_tokens.mean, found.output_tokens.mean, found.prefix_share) == (500.0, 100.0, 0.25)
    assert found.measured == pytest.approx({"ttft": 0.05, "tpot": 0.011})
    assert reading.server == {
        "engine": "vllm", "block_size": 16, "gpu_memory_utilization": 0.92, "kv_cache_memory_gib": 4.0,
    }  # fmt: skip
    assert "does not say under which load" in reading.notes[0]


def test_metrics_of_a_single_request_ran_alone() -> None:
    lines = [line for line in METRICS.splitlines() if "request_time" not in line and "inter_token" not in line]
    single = "\n".join(lines).replace("_count{engine", "_count{engine").replace("} 4.0", "} 1.0")
    found = only(read(result_of("metrics.txt", single)))
    assert (found.kind, found.value, found.requests) == ("concurrency", 1.0, 1)
    assert found.measured == {"ttft": 0.2}


def test_metrics_before_any_request() -> None:
    empty = METRICS.replace("_count{", "_nothing{")
    assert read(result_of("metrics.txt", empty)).skipped == ("metrics.txt: no answered request in its histograms",)


def test_a_start_up_log_tells_settings_and_pool() -> None:
    reading = read(result_of("server.log", LOG))
    assert reading.observations == ()
    assert reading.server == {
        "engine": "vllm", "engine_version": "0.30.1", "tp": 2, "pp": 1, "max_model_len": 8192, "max_num_seqs": 64,
        "gpu_memory_utilization": 0.85, "kv_cache_memory_gib": pytest.approx(36.36),
    }  # fmt: skip


def test_rows_of_ones_own() -> None:
    rows = [
        {"id": "a", "isl": 1000, "osl": 300, "concurrency": 8, "tpot_ms": 12.5, "ttft_ms": 95, "tp": 2, "model": "m"},
        {"isl": 1000, "osl": 300, "rate": 2.5, "output_tokens_per_s": 640.0, "requests": 100},
        {"isl": 1000, "osl": 300, "saturation": True, "itl_ms": 40},
        {"isl": 1000, "osl": 300, "tpot_ms": 12},
    ]
    first, second, third, fourth = read(result("rows.jsonl", *rows)).observations
    assert (first.origin, first.kind, first.value) == ("rows.jsonl a", "concurrency", 8.0)
    assert first.measured == {"tpot": 0.0125, "ttft": 0.095}
    assert first.flags == {"tp": 2, "model": "m"}
    assert (second.origin, second.kind, second.value, second.requests) == ("rows.jsonl row 2", "rate", 2.5, 100)
    assert (third.kind, third.measured) == ("saturation", {"tpot": 0.04})
    assert fourth.kind is None


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{"isl": 10, "osl": 10, "rate": 1, "tpot_ms": NaN}', "(tpot_ms is nan)"),
        ('{"isl": 10, "osl": 10, "rate": 1, "tpot_ms": -2, "ttft_ms": 3}', "(tpot_ms is -2)"),
        ('{"isl": 10, "osl": 10, "rate": Infinity, "tpot_ms": 2}', "(rate is inf)"),
        ('{"isl": 10, "osl": 10, "rate": true, "tpot_ms": 2}', "(rate is true)"),
        ('{"isl": 0, "osl": 10, "rate": 1, "tpot_ms": 2}', "(isl is 0)"),
        ('{"isl": 1e400, "osl": 10, "rate": 1, "tpot_ms": 2}', "(isl is inf)"),
        ('{"isl": 10, "osl": 10, "rate": 1, "tpot_ms": "2"}', '(tpot_ms is "2")'),
        ('{"isl": 10, "osl": 10, "rate": 1, "burst": 2, "tpot_ms": 2}', "not rate and burst"),
        ('{"isl": 10, "osl": 10, "rate": 1}', "no tpot_ms, ttft_ms or output_tokens_per_s"),
        ('{"isl": 10, "osl": 10, "rate": 1, "tpot_ms": 2, "prefix_share": 1.5}', "(prefix_share is 1.5)"),
    ],
)
def test_rows_that_cannot_be(row: str, reason: str) -> None:
    reading = read(result_of("rows.jsonl", row))
    assert reading.observations == ()
    (skipped,) = reading.skipped
    assert skipped.startswith("rows.jsonl row 1: ")
    assert reason in skipped


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty, and no benchmark result"),
        ("hello", "text, and no benchmark result"),
        ("[1, 2, 3]", "JSON, and no benchmark result"),
        ('{"a": 1}', "JSON, and no benchmark result"),
        ('{"a": ', "not JSON"),
        ("[" * 100_000, "nested far too deeply"),
        ("vllm tensor_parallel_size=what", "text, and no benchmark result"),
    ],
)
def test_what_is_no_result_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(result_of("odd", text))


def test_the_refusal_lists_every_format_and_knows_aiperf_inputs() -> None:
    with pytest.raises(DataError) as refused:
        read(result("inputs.json", {"data": [{"session_id": "x", "payloads": []}]}))
    assert "profile_export_aiperf.json" in refused.value.hints[0]
    assert refused.value.hints[1:] == tuple(f"expected {reader.FORMAT}" for reader in READERS)


@pytest.mark.parametrize(
    "value",
    [
        {"benchmarks": [{"metrics": {"time_to_first_token_ms": {}}}, 3, None]},
        {"completed": 3, "mean_ttft_ms": "x", "total_input_tokens": [], "total_output_tokens": {}},
        [{"n_prompt": "a", "n_gen": None, "avg_ts": 0}],
        {"input_config": [], "request_latency": {}},
        {"isl": [], "osl": {}},
    ],
)
def test_broken_values_of_a_known_shape_are_passed_over(value: Any) -> None:
    reading = read(result("broken.json", value))
    assert reading.observations == ()
    assert reading.skipped


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    path.write_text("\ufeff" + json.dumps(VLLM), encoding="utf-8")
    assert replace(only(read_result(path)), origin="") == replace(only(vllm()), origin="")
    with pytest.raises(DataError, match="a folder"):
        read_result(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read_result(tmp_path / "absent")
    with path.open("r+b") as file:
        file.truncate(MAX_RESULT_BYTES + 1)
    with pytest.raises(DataError, match="too long"):
        read_result(path)
