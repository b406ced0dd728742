"""Start-up lines as vLLM prints them, across versions."""

import json
from pathlib import Path

import pytest

from llmplan.cli import main
from llmplan.errors import DataError
from llmplan.measurements import read_startup_log
from llmplan.measurements.startup_log import parse_startup_log
from llmplan.plan.observation import MemoryObservation, compare
from llmplan.units import GIB
from plan_samples import memory_budget


def test_current_lines() -> None:
    text = (
        "INFO Model loading took 14.9889 GiB memory and 3.2 seconds\n"
        "INFO Available KV cache memory: 36.36 GiB\n"
        "INFO GPU KV cache size: 297,856 tokens\n"
        "INFO Maximum concurrency for 131,072 tokens per request: 2.27x\n"
        "INFO Graph capturing finished in 21 secs, took 0.54 GiB\n"
    )
    seen = parse_startup_log(text, name="log")
    assert seen.weights_bytes == pytest.approx(14.9889 * GIB)
    assert seen.kv_cache_bytes == pytest.approx(36.36 * GIB)
    assert (seen.kv_tokens, seen.max_concurrency) == (297_856, 2.27)
    assert seen.cuda_graph_bytes == pytest.approx(0.54 * GIB)


def test_older_lines_and_restarts_take_the_last_value() -> None:
    text = (
        "Loading model weights took 14.2487 GB\n"
        "# GPU blocks: 4000, # CPU blocks: 4681\n"
        "# GPU blocks: 4025, # CPU blocks: 4681\n"
    )
    seen = parse_startup_log(text, name="log")
    assert seen.gpu_blocks == 4025
    assert seen.kv_tokens is None


def test_a_file_of_something_else_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    path = tmp_path / "other.log"
    path.write_bytes(b"\xff\xfe nothing here\n")
    with pytest.raises(DataError, match="no memory line") as caught:
        read_startup_log(path)
    assert "Available KV cache memory" in caught.value.hints[0]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_startup_log(tmp_path / "absent.log")


def test_the_memory_command_sets_a_log_beside_the_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log of Hermes-3-Llama-3.1-8B, the same architecture in BF16, says 14.9889 GiB; the pool is invented."""
    log = tmp_path / "start.log"
    log.write_text("Model loading took 14.9889 GiB memory and 3 seconds\nAvailable KV cache memory: 51.00 GiB\n")
    code = main(["memory", "meta-llama/Llama-3.1-8B-Instruct", "--gpu", "h100", "--against-log", str(log), "--json"])
    rows = {row["quantity"]: row for row in json.loads(capsys.readouterr().out)["observed"]}
    assert code == 0
    assert rows["weights"]["observed"] == pytest.approx(14.9889 * GIB)
    assert abs(rows["weights"]["relative_error"]) < 0.005
    pool = rows["KV pool"]
    assert pool["relative_error"] == pytest.approx(pool["planned"] / (51.0 * GIB) - 1)


def test_the_lines_of_the_first_engine_are_read() -> None:
    """vLLM 0.7.4 on an RX 7900 XTX (vllm-project/vllm#15018)."""
    text = (
        "INFO model weights take 18.91GiB; non_torch_memory takes 0.25GiB; PyTorch activation peak memory takes "
        "1.42GiB; the rest of the memory reserved for KV Cache is 2.44GiB.\nINFO # rocm blocks: 625\n"
        "INFO Maximum concurrency for 4096 tokens per request: 2.44x\n"
    )
    seen = parse_startup_log(text, name="log")
    assert seen.weights_bytes == 18.91 * GIB
    assert seen.non_torch_bytes == 0.25 * GIB
    assert seen.activation_bytes == 1.42 * GIB
    assert seen.kv_cache_bytes == 2.44 * GIB
    assert (seen.max_concurrency, seen.concurrency_at_tokens) == (2.44, 4096)


def test_the_lines_of_sglang_are_read() -> None:
    text = (
        "Load weight end. type=Qwen3ForCausalLM, dtype=torch.bfloat16, avail mem=74.28 GB, mem usage=0.74 GB.\n"
        "KV Cache is allocated. #tokens: 367404, K size: 8.23 GB, V size: 8.23 GB\n"
    )
    seen = parse_startup_log(text, name="log")
    assert seen.weights_bytes == 0.74 * GIB
    assert seen.kv_cache_bytes == 2 * 8.23 * GIB
    assert seen.kv_tokens == 367_404


def test_a_concurrency_of_other_lengths_is_not_compared() -> None:
    seen = MemoryObservation(max_concurrency=52.3, concurrency_at_tokens=8192, cuda_graph_bytes=1e9)
    names = [each.name for each in compare(memory_budget(), seen, 131_072)]
    assert "concurrency" not in names
    assert "concurrency" in [each.name for each in compare(memory_budget(), seen, 8192)]
    assert "CUDA graphs" in names
