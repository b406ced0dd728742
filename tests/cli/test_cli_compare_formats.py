"""`llmplan predict --compare-weights` and `--compare-kv-cache` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmplan.cli import main
from tests_support import DEEPSEEK_R1, LLAMA_8B

FALCON_MAMBA = {
    "architectures": ["FalconMambaForCausalLM"], "model_type": "falcon_mamba", "conv_kernel": 4, "hidden_size": 4096,
    "intermediate_size": 8192, "num_hidden_layers": 64, "state_size": 16, "time_step_rank": 256, "vocab_size": 65024,
    "torch_dtype": "bfloat16", "tie_word_embeddings": False,
}  # fmt: skip
"""tiiuae/falcon-mamba-7b: every layer is a recurrence"""
ASK = ["predict", LLAMA_8B, "--gpu", "h100", "--isl", "1024", "--osl", "256", "--concurrency", "8"]


def test_all_are_those_of_the_engine_and_none_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--compare-weights", "all", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == "llmplan.predict-formats/v1"
    assert answer["load"] == {"kind": "concurrency", "value": 8, "isl": 1024, "osl": 256, "prefix_share": 0}
    names = [each["format"] for each in answer["weights"]["formats"]]
    assert names[0] == answer["weights"]["baseline"] == "bf16"
    assert len(names) == len(set(names))
    assert {"fp8", "int8", "awq-int4", "w4a16", "w8a16"} <= set(names)
    assert not {"fp32", "fp16", "mxfp4"} & set(names)  # wider or as wide, and of experts alone
    assert "weights" not in answer["assumed"]
    assert answer["assumed"]["kv_cache"] == "bf16"


def test_the_same_speed_as_when_asked_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--compare-weights", "fp8,awq", "--json"]) == 0
    rows = {each["format"]: each for each in json.loads(capsys.readouterr().out)["weights"]["formats"]}
    assert set(rows) == {"bf16", "fp8", "awq-int4"}
    for name, row in rows.items():
        assert main([*ASK, "--weights", name, "--json"]) == 0
        alone = json.loads(capsys.readouterr().out)
        assert row["estimate"]["tpot_ms"] == alone["tpot_ms"]
        assert row["kv_capacity_tokens"] == alone["kv"]["capacity_tokens"]


def test_both_aspects_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--compare-weights", "fp8", "--compare-kv-cache", "all"]) == 0
    out = capsys.readouterr().out
    assert "Measured quality" in out
    assert "fp8, int8: no figures known" in out
    assert "1.15–1.51×" in out  # TensorRT-LLM blog, 7B at batch 1; GPUStack, FP8 dynamic at 1,000 prompts


def test_a_format_that_does_not_run_is_a_row_and_not_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--compare-weights", "nf4"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "nf4: Invalid quantization method: nf4 needs vllm-bnb-plugin" in out
    assert "nf4: no figures known" in out


def test_the_format_of_the_replica_itself_is_one_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--compare-weights", "fp8", "--weights", "nvfp4", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [each["format"] for each in answer["weights"]["formats"]] == ["bf16", "fp8", "nvfp4"]


def test_a_cache_that_keeps_nothing_for_a_token(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(FALCON_MAMBA), encoding="utf-8")
    assert main(["predict", str(config), *ASK[2:], "--compare-kv-cache", "fp8"]) == 0
    assert "the format of the cache changes nothing" in " ".join(capsys.readouterr().out.split())


def test_nothing_that_runs_is_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["predict", DEEPSEEK_R1, "--gpu", "l4", "--isl", "100", "--osl", "10", "--saturation"]
    assert main([*argv, "--compare-weights", "awq", "--json"]) == 3
    answer = json.loads(capsys.readouterr().out)
    assert answer["weights"]["baseline"] is None
    assert all(each["reason"] for each in answer["weights"]["formats"])


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--compare-weights", "fp9"], "unknown weight format 'fp9'"),
        (["--compare-weights", ","], "names no format"),
        (["--compare-weights", "all", "--weights", "fp9"], "unknown weight format 'fp9'"),
        (["--compare-kv-cache", "fp9"], "unknown KV format 'fp9'"),
        (["--compare-weights", "all", "--cases", "x.jsonl"], "leave --cases out"),
    ],
)
def test_what_contradicts_itself_is_said(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, *argv]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("width", ["80", "120"])
def test_it_fits_the_terminal_without_colour(
    width: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("NO_COLOR", "1")
    assert main([*ASK, "--compare-weights", "all", "--compare-kv-cache", "all", "--explain"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= int(width)
    assert "\x1b" not in out


def test_markdown_has_the_same_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--compare-weights", "fp8", "--format", "markdown"]) == 0
    out = capsys.readouterr().out
    assert "| weight format | per GPU | at this load | speed over bf16 |" in out
    assert "computed in fp8" in out
