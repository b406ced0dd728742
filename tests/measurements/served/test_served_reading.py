"""Texts of four engines as one kind of look."""

from __future__ import annotations

from typing import Any

import pytest

import served_samples as samples
from llmplan.errors import DataError, UsageError
from llmplan.measurements.served import engines, stated
from llmplan.measurements.served.reading import read_look
from llmplan.plan.served.snapshot import GAUGES, HISTOGRAMS, TOTALS
from served_samples import LLAMA_PROPS, SGLANG_INFO, Served
from tests_support import DATA

BUSY = Served(requests=100.0, failed=3.0, hits=0.4, preemptions=2.0, running=12.0, waiting=1.0)


RECORDED = DATA / "benchmark_results" / "vllm-metrics.txt"


@pytest.mark.skipif(not RECORDED.is_file(), reason=f"{RECORDED} is not there")
def test_the_recorded_text_of_a_real_server() -> None:
    """vLLM 0.32 on a CPU that had answered one request of 15 + 16 tokens, with a pool of 1 GiB in blocks of 128."""
    look = read_look(RECORDED.read_text(encoding="utf-8"), {"/version": {"version": "0.32.0+cpu"}})
    assert (look.engine, look.version, look.served_name) == ("vllm", "0.32.0", "tiny")
    assert look.totals == {
        "requests": 1.0, "failed": 0.0, "prompt_tokens": 15.0, "output_tokens": 16.0, "preemptions": 0.0,
        "prefix_hits": 0.0, "prefix_queries": 15.0,
    }  # fmt: skip
    assert look.gauges["kv_tokens"] == 4096 * 128
    assert look.gauges["max_concurrency"] == 256.0
    assert look.settings["block_size"] == 128
    assert look.settings["kv_cache_memory_bytes"] == 2**30
    ttft = look.histograms["ttft"]
    assert (ttft.count, ttft.mean) == (1.0, 0.021129131317138672)
    at = ttft.quantile(0.95)
    assert at is not None
    assert (at.low, at.high) == (0.02, 0.04)
    assert look.notes == ()


def test_vllm() -> None:
    look = read_look(samples.vllm(BUSY), {"/v1/models": samples.models("tiny", root="org/Tiny-1B")}, at_s=5.0)
    assert (look.model, look.served_name, look.at_s) == ("org/Tiny-1B", "tiny", 5.0)
    assert look.settings["max_model_len"] == 8192
    assert "kv_cache_memory_bytes" not in look.settings
    assert look.totals["requests"] == 100.0
    assert look.totals["failed"] == 3.0
    assert (look.gauges["running"], look.gauges["waiting"], look.gauges["kv_usage"]) == (12.0, 1.0, 0.25)
    assert look.histograms["input"].mean == 1000.0
    assert look.process == "process_start_time_seconds=1795355015.82;vllm:prompt_tokens_created=1795355016.82"


def test_data_parallel_engines_add_up_and_shares_do_not() -> None:
    look = read_look(samples.vllm(BUSY, BUSY.after(20.0), BUSY), {})
    assert look.gauges["parts"] == 3.0
    assert look.totals["requests"] == 320.0
    assert look.gauges["kv_tokens"] == 3 * 400_000
    assert look.gauges["kv_usage"] == 0.25
    assert look.histograms["ttft"].count == 320.0
    assert look.settings["gpu_memory_utilization"] == 0.92


def test_sglang_ranks_that_say_the_same_count_once() -> None:
    look = read_look(
        samples.sglang(BUSY, tp=4), {"/get_server_info": SGLANG_INFO, "/v1/models": samples.models("tiny")}
    )
    assert look.gauges["kv_tokens"] == 400_000
    assert look.gauges["running"] == 12.0
    assert look.totals["preemptions"] == 2.0
    assert look.totals["prefix_hits"] == pytest.approx(0.4 * 100_000)
    # what is not streamed has the time of the whole answer there
    assert look.histograms["ttft"].count == 100.0
    assert look.histograms["ttft"].mean == pytest.approx(0.15)
    assert look.histograms["itl"].mean == pytest.approx(0.012)
    assert (look.version, look.model) == ("0.5.23", "org/Tiny-1B")
    assert {key: look.settings[key] for key in ("tp", "max_num_seqs", "gpu_memory_utilization", "enforce_eager")} == {
        "tp": 2, "max_num_seqs": 512, "gpu_memory_utilization": 0.85, "enforce_eager": False,
    }  # fmt: skip
    assert look.gauges["weights_bytes"] == 2.5 * 2**30
    assert "sk-planted-secret" not in repr(look)


def test_tensorrt_llm_at_prometheus_metrics() -> None:
    look = read_look(samples.trtllm(BUSY), {"/version": {"version": "1.2.1"}})
    assert (look.engine, look.version) == ("tensorrt-llm", "1.2.1")
    assert look.gauges["kv_tokens"] == 400_000
    assert look.settings["block_size"] == 16
    assert look.settings["max_num_seqs"] == 256
    assert look.totals["prompt_tokens"] == 100_000.0
    assert look.histograms["tpot"].mean == pytest.approx(0.012)


def test_tensorrt_llm_json_of_iterations() -> None:
    look = read_look(samples.trtllm_iterations(BUSY), {"/v1/models": samples.models("tiny", owner="tensorrt_llm")})
    assert (look.engine, look.served_name) == ("tensorrt-llm", "tiny")
    assert look.gauges == {
        "running": 12.0,
        "waiting": 1.0,
        "kv_blocks": 25_000.0,
        "kv_usage": 0.5,
        "kv_tokens": 400_000.0,
    }
    assert (look.settings["block_size"], look.settings["max_num_seqs"]) == (16, 256)
    assert not look.totals
    assert "return_perf_metrics" in look.notes[0]
    assert read_look("[]", {}).notes[1] == "no iteration since somebody last read them"


def test_llama_cpp_counts_tokens_and_no_requests() -> None:
    look = read_look(samples.llama_cpp(BUSY), {"/props": LLAMA_PROPS})
    assert (look.engine, look.version, look.model) == ("llama-cpp", "b11434", "Tiny-1B-Q4_K_M.gguf")
    assert look.totals == {
        "prompt_tokens": 100_000.0, "output_tokens": 30_000.0, "prefix_hits": 40_000.0, "prefix_misses": 100_000.0,
        "prefill_s": 10.0,
    }  # fmt: skip
    assert look.histograms["per_token"].mean == pytest.approx(0.012)
    assert look.gauges["kv_tokens"] == 4 * 4096
    assert (look.settings["max_num_seqs"], look.settings["max_model_len"]) == (4, 4096)


def test_every_table_names_quantities_that_exist() -> None:
    known = {"totals": TOTALS, "sums": GAUGES, "means": GAUGES, "histograms": HISTOGRAMS, "pairs": HISTOGRAMS}
    assert [series.engine for series in engines.ALL] == ["vllm", "sglang", "tensorrt-llm", "llama-cpp"]
    for series in engines.ALL:
        for group, quantities in known.items():
            assert set(getattr(series, group)) <= set(quantities), (series.engine, group)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no sample"),
        ("<html><body>hello</body></html>", "no sample"),
        (
            "node_cpu_seconds_total 5\nnode_load1 2\n",
            "of no inference server that is known here: node_cpu_seconds_total",
        ),
        ('{"error": "no"}', "no sample"),
        ('[{"a": 1}]', "no sample"),
    ],
)
def test_what_is_no_inference_server(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_look(text, {})


def test_one_of_several_models() -> None:
    text = samples.vllm(BUSY) + samples.vllm(Served(requests=7.0, model="other"))
    with pytest.raises(UsageError, match="several models are served there: other, tiny"):
        read_look(text, {})
    assert read_look(text, {}, served_name="other").totals["requests"] == 7.0
    assert read_look(text, {}, served_name="tiny").totals["requests"] == 100.0
    with pytest.raises(UsageError, match="'huge' is not served there: other, tiny"):
        read_look(text, {}, served_name="huge")


def test_adapters_and_aliases_are_no_other_models() -> None:
    listed = samples.models("tiny", "alias")
    listed["data"].append({"id": "lora-1", "parent": "tiny", "root": "/adapters/1"})
    look = read_look(samples.vllm(BUSY), {"/v1/models": listed})
    assert look.served_name == "tiny"
    assert look.totals["requests"] == 100.0


@pytest.mark.parametrize(
    "documents",
    [
        {"/v1/models": [1, 2]}, {"/v1/models": {"data": 5}}, {"/v1/models": {"data": [None, {"id": 5}]}},
        {"/v1/models": {"data": [{"id": "x", "max_model_len": float("nan")}]}}, {"/version": []},
        {"/version": {"version": {"a": 1}}}, {"/server_info": [], "/get_server_info": 5, "/props": 3},
    ],
)  # fmt: skip
def test_documents_of_any_shape(documents: dict[str, Any]) -> None:
    for text in (samples.vllm(BUSY), samples.sglang(BUSY), samples.llama_cpp(BUSY)):
        assert read_look(text, documents).version is None


def test_hostile_values_never_count() -> None:
    text = samples.vllm(BUSY)
    bucket = 'vllm:time_to_first_token_seconds_bucket{engine="0",model_name="tiny",le="0.25"}'
    broken = text.replace(f"{bucket} 100.0", f"{bucket} 9e9")
    assert broken != text
    look = read_look(broken.replace("vllm:num_requests_running", "vllm:num_requests_running{x} 1\nvllm:y"), {})
    # buckets that fall are no histogram: its sum and its count still give a mean
    assert look.histograms["ttft"].quantile(0.5) is None
    assert look.histograms["ttft"].mean == pytest.approx(0.15)
    assert "running" not in look.gauges
    assert look.notes == ("1 lines of its metrics are no samples, and left out",)
    huge = text.replace('kv_cache_size_tokens="400000"', 'kv_cache_size_tokens="1e400"')
    assert read_look(huge, {}).gauges["kv_tokens"] == 400_000  # from its blocks


def test_settings_that_cannot_be_are_not_there() -> None:
    text = samples.vllm(BUSY).replace('block_size="16"', 'block_size="abc"')
    text = text.replace('gpu_memory_utilization="0.92"', 'gpu_memory_utilization="9"')
    look = read_look(text.replace('kv_cache_size_tokens="400000"', 'kv_cache_size_tokens="many"'), {})
    assert not {"block_size", "gpu_memory_utilization"} & set(look.settings)
    assert "kv_tokens" not in look.gauges


def test_json_nested_without_end_is_no_list_of_iterations() -> None:
    with pytest.raises(DataError):
        read_look("[" * 100_000, {})


@pytest.mark.parametrize("kind", ["fp8; rm -rf ~", "$(id)", "\x1b[2Jfp8", "a" * 41, ""])
def test_words_of_a_server_that_would_stand_in_a_command_are_words(kind: str) -> None:
    assert "kv_cache" not in stated.whole({"kv_cache": kind})
    assert stated.whole({"kv_cache": "fp8_e4m3"}) == {"kv_cache": "fp8_e4m3"}


def test_llama_cpp_says_what_it_has_loaded_in_its_list_of_models() -> None:
    meta = {"n_params": 8_030_261_312, "size": 8_532_934_912, "ftype": "Q8_0", "n_ctx": 1024}
    look = read_look(samples.llama_cpp(BUSY), {"/v1/models": {"data": [{"id": "x", "meta": meta}]}})
    assert look.gauges["parameters"] == 8_030_261_312
    assert (look.settings["weights"], look.settings["max_model_len"]) == ("gguf-q8_0", 1024)
