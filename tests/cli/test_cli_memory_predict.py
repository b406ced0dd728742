"""`memory` and `predict`: JSON shapes, defaults, refusals, and lines of cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmplan.cli import main
from llmplan.units import GIB
from tests_support import write_uncounted

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
GROUPED = 2 * 32 * 8 * 128 * 2
"""K and V x 32 layers x 8 KV heads x 128 x 2 bytes: bytes per token of the 8B model"""


def ask(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    assert main([*argv, "--json"]) == code, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def test_memory_has_the_documented_shape(capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(capsys, "memory", LLAMA, "--gpu", "h100", "--max-model-len", "8192")
    assert found["schema"] == "llmplan.memory/v1"
    assert found["model"] == LLAMA
    assert found["parameters"] == {
        "total": 8030261248, "active": 8030261248, "embedding": 128256 * 4096, "encoders": 0, "draft": 0,
    }  # fmt: skip
    assert found["checkpoint_bytes"] == 2 * 8030261248
    assert found["fits"] is True
    assert found["rejection"] is None
    per_gpu, kv = found["per_gpu"], found["kv"]
    assert set(per_gpu) >= {
        "total_bytes", "budget_bytes", "weights_bytes", "activation_bytes", "cuda_graph_bytes", "non_torch_bytes",
        "kv_cache_bytes",
    }  # fmt: skip
    assert per_gpu["kv_cache_bytes"]["low"] <= per_gpu["kv_cache_bytes"]["mid"] <= per_gpu["kv_cache_bytes"]["high"]
    assert kv["bytes_per_token_per_gpu"] == GROUPED
    assert kv["capacity_tokens"] / 8192 == pytest.approx(kv["max_concurrency"], rel=0.01)
    assert found["assumed"]["engine"].startswith("vllm@")
    assert "max_model_len" not in found["assumed"]


def test_a_known_pool_is_taken_exactly(capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(capsys, "memory", LLAMA, "--gpu", "h100", "--max-model-len", "8192", "--kv-cache-memory-gib", "4")
    assert found["per_gpu"]["kv_cache_bytes"] == {"low": 4 * GIB, "mid": 4 * GIB, "high": 4 * GIB}
    assert found["kv"]["blocks"] == 4 * GIB // (16 * GROUPED)


def test_a_known_pool_too_small_for_one_request_still_says_what_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("--gpu", "h100", "--tp", "2", "--weights", "fp8", "--kv-cache-memory-gib", "10")
    found = ask(capsys, "memory", "meta-llama/Llama-3.3-70B-Instruct", *argv, code=3)
    per_token = 80 * 4 * 2 * 128 * 2  # layers x KV heads of a rank x (K, V) x head x bf16
    assert found["rejection"]["code"] == "no_room_for_one_request"
    assert found["kv"] == {
        "bytes_per_token_per_gpu": per_token,
        "unbounded_bytes_per_token_per_gpu": per_token,
        "bytes_per_sequence_per_gpu": 0,
        "block_tokens": 16,
        "blocks": 10 * GIB // (16 * per_token),
        "capacity_tokens": 10 * GIB // (16 * per_token) * 16,
        "max_concurrency": 10 * GIB / per_token / 131072,
    }
    assert found["kv"]["blocks"] == 4096


def test_an_estimated_pool_too_small_for_one_request_does_too(capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(capsys, "memory", LLAMA, "--gpu", "a10", code=3)
    pool = found["per_gpu"]["kv_cache_bytes"]["mid"]
    assert found["kv"]["blocks"] == pool // (16 * GROUPED)
    assert found["kv"]["capacity_tokens"] == 16 * found["kv"]["blocks"]
    assert found["kv"]["max_concurrency"] == pytest.approx((found["kv"]["blocks"] - 1) / (131072 // 16))


def test_memory_that_does_not_fit_exits_3_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(capsys, "memory", "meta-llama/Llama-3.3-70B-Instruct", "--gpu", "a10", code=3)
    assert found["fits"] is False
    assert found["rejection"]["fix"]
    assert found["per_gpu"]["weights_bytes"] > 130 * GIB
    assert found["kv"]["blocks"] is None


def test_the_whole_context_on_a_small_gpu_offers_a_shorter_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", LLAMA, "--gpu", "a10"]) == 3
    out = capsys.readouterr().out
    assert "Not feasible" in out
    shorter = int(out.split("--max-model-len ")[1].split()[0])
    assert main(["memory", LLAMA, "--gpu", "a10", "--max-model-len", str(shorter)]) == 0
    assert "Defaults used" in capsys.readouterr().out


def test_an_old_gpu_without_bf16_gets_fp16(capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(capsys, "memory", LLAMA, "--gpu", "t4", "--tp", "2", "--max-model-len", "2048")
    assert found["deployment"]["weights"] == "fp16"
    assert found["assumed"]["weights"] == "fp16"


def test_a_version_without_a_profile_says_whose_defaults_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("memory", LLAMA, "--gpu", "h100", "--max-model-len", "8192", "--engine-version", "0.999.1")
    found = ask(capsys, *argv)
    assert found["deployment"]["engine_version"] == "0.999.1"
    assert "which has no profile: defaults of vllm@" in found["assumed"]["engine"]
    assert main([*argv[:-1], "newest"]) == 2
    assert "unknown engine 'vllm@newest'" in capsys.readouterr().err


def test_explain_numbers_its_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", LLAMA, "--gpu", "h100", "--max-model-len", "4096", "--explain"]) == 0
    out = capsys.readouterr().out
    assert "How each line is computed" in out
    assert "[1]" in out.split("Sources")[1]


def test_predict_has_the_documented_shape(capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(capsys, "predict", LLAMA, "--gpu", "h100", "--isl", "1000", "--osl", "300", "--concurrency", "16")
    assert found["schema"] == "llmplan.predict/v1"
    for key in ("ttft_ms", "tpot_ms", "output_tokens_per_s", "total_tokens_per_s", "requests_per_s", "e2e_ms"):
        assert 0 < found[key]["low"] <= found[key]["mid"] <= found[key]["high"], key
    assert found["ttft_ms_p95"] >= found["ttft_ms"]["mid"]
    assert found["e2e_ms"]["mid"] == pytest.approx(found["ttft_ms"]["mid"] + 299 * found["tpot_ms"]["mid"], rel=0.1)
    assert {"batch_size", "kv_limited", "saturated", "bottleneck", "tpot_ms_p95", "checks"} <= set(found)
    assert set(found["calibration"]) == {"id", "extrapolated"}
    assert found["deployment"]["max_model_len"] == 2048


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--gpu", "h100", "--isl", "9", "--osl", "9"], "exactly one of --concurrency"),
        (["--gpu", "h100", "--isl", "9", "--osl", "9", "--rate", "1", "--saturation"], "--rate, --saturation"),
        (["--gpu", "h100", "--osl", "9", "--rate", "1"], "--isl missing"),
        (["--isl", "9", "--osl", "9", "--rate", "1"], "--gpu is missing"),
        (["--gpu", "h100", "--isl", "200000", "--osl", "9", "--rate", "1"], "131,072-token context"),
        (
            ["--gpu", "h100", "--isl", "900", "--osl", "900", "--rate", "1", "--max-model-len", "1024"],
            "exceed --max-model-len",
        ),
        (["--gpu", "h100", "--isl", "9", "--osl", "9", "--rate", "1", "--tp", "2", "--gpus", "3"], "not --gpus 3"),
        (["--gpu", "h100", "--isl", "9", "--osl", "9", "--rate", "1", "--tp", "4", "--ep", "3"], "--ep is 1 or"),
        (["--gpu", "h100", "--isl", "9", "--osl", "9", "--rate", "1", "--engine", "vlm"], "unknown engine 'vlm'"),
        (["--gpu", "h100", "--isl", "9", "--osl", "9", "--rate", "1", "--weights", "fp9"], "unknown weight format"),
        (["--gpu", "h100-smx", "--isl", "9", "--osl", "9", "--rate", "1"], "did you mean h100-sxm"),
    ],
)
def test_predict_refuses(capsys: pytest.CaptureFixture[str], argv: list[str], message: str) -> None:
    assert main(["predict", LLAMA, *argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err


def test_predict_on_too_small_a_gpu_shows_the_ledger_that_failed(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["predict", "meta-llama/Llama-3.3-70B-Instruct", "--gpu", "a10", "--isl", "9", "--osl", "9", "--rate", "1"]
    assert main(argv) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert "weights" in captured.err
    assert "hint: " in captured.err


@pytest.mark.parametrize("model", ["no/such-model", "./nowhere/config.json"])
def test_unknown_models(capsys: pytest.CaptureFixture[str], model: str) -> None:
    assert main(["memory", model, "--gpu", "a10"]) == 2
    assert "llmplan catalog list models" in capsys.readouterr().err


def test_a_model_id_in_any_case_and_nearly_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", LLAMA.lower(), "--gpu", "h100", "--max-model-len", "4096"]) == 0
    capsys.readouterr()
    assert main(["memory", "meta-llama/Llama-3.1-8B-Instrct", "--gpu", "h100"]) == 2
    assert f"did you mean {LLAMA}" in capsys.readouterr().err


def write_config(folder: Path, **changes: Any) -> Path:
    config = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 2048, "intermediate_size": 5632,
        "num_hidden_layers": 22, "num_attention_heads": 32, "num_key_value_heads": 4, "vocab_size": 32000,
        "max_position_embeddings": 2048, "torch_dtype": "bfloat16", "tie_word_embeddings": False,
    } | changes  # fmt: skip
    path = folder / "config.json"
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    return path


def test_a_config_on_disk(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write_config(tmp_path)
    by_file = ask(capsys, "memory", str(path), "--gpu", "h100")
    by_folder = ask(capsys, "memory", str(tmp_path), "--gpu", "h100")
    assert by_file == by_folder
    assert by_file["parameters"]["embedding"] == 32000 * 2048
    assert by_file["kv"]["bytes_per_token_per_gpu"] == 2 * 22 * 4 * 64 * 2


@pytest.mark.parametrize("changes", [{"model_type": "unheard-of", "architectures": ["X"]}, {"hidden_size": None}])
def test_a_config_that_cannot_be_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, changes: dict[str, Any]
) -> None:
    path = write_config(tmp_path, **changes)
    assert main(["memory", str(path), "--gpu", "h100"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "Traceback" not in error


CASES = [
    {"id": "good", "model": LLAMA, "gpu": "h100", "isl": 1000, "osl": 300, "concurrency": 4, "tp": None},
    {"id": "misspelt", "model": LLAMA, "gpu": "h100", "isl": 1000, "osl": 300, "concurency": 4},
    {"id": "typed", "model": LLAMA, "gpu": "h100", "isl": "1000", "osl": 300, "concurrency": 4},
    {"id": "negative", "model": LLAMA, "gpu": "h100", "isl": -1, "osl": 300, "concurrency": 4},
    {"id": "unknown", "model": "no/such", "gpu": "h100", "isl": 1000, "osl": 300, "concurrency": 4},
    {"id": "too big", "model": "meta-llama/Llama-3.3-70B-Instruct", "gpu": "t4", "isl": 9, "osl": 9, "rate": 1},
    {"model": LLAMA, "gpu": "a10", "isl": 1000, "osl": 300, "saturation": True},
]


@pytest.mark.parametrize(
    ("weights", "stored"), [("bf16", "bf16"), ("bfloat16", "bf16"), ("half", "fp16"), ("fp32", "fp32")]
)
def test_a_named_float_format_is_the_type_of_a_config_that_states_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, weights: str, stored: str
) -> None:
    write_config(tmp_path, torch_dtype=None)
    found = ask(capsys, "memory", str(tmp_path), "--gpu", "l4", "--weights", weights)
    assert found["deployment"]["weights"] == stored
    bytes_each = 4 if stored == "fp32" else 2
    assert found["checkpoint_bytes"] == bytes_each * found["parameters"]["total"]
    load = ("--isl", "100", "--osl", "20")
    ask(capsys, "predict", str(tmp_path), "--gpu", "l4", "--weights", "bf16", *load, "--concurrency", "2")
    ask(capsys, "recommend", str(tmp_path), "--weights", "bf16", *load, "--requests-per-second", "1")


@pytest.mark.parametrize("weights", ["auto", "fp8", "awq-int4", "q4_k_m"])
def test_no_type_is_guessed_from_a_quantized_format(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, weights: str
) -> None:
    write_config(tmp_path, torch_dtype=None)
    assert main(["memory", str(tmp_path), "--gpu", "l4", "--weights", weights]) == 1
    err = capsys.readouterr().err
    assert "torch_dtype" in err
    assert "--weights bf16" in err


def test_each_case_states_the_type_of_its_own_config(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = str(write_config(tmp_path, torch_dtype=None))
    path = tmp_path / "cases.jsonl"
    lines = [{"model": model, "gpu": "l4"}, {"model": model, "gpu": "l4", "weights": "bf16"}]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    refused, answered = run_cases(capsys, path, "memory")
    assert "torch_dtype" in refused["error"]["message"]
    assert answered["deployment"]["weights"] == "bf16"


MULTIMODAL = ("Qwen/Qwen2.5-VL-7B-Instruct", "qwen3-vl-8b", "llama-4-scout", "gemma-3-12b", "kimi-k2.5")


@pytest.mark.parametrize("model", MULTIMODAL)
def test_an_encoder_that_is_counted_needs_no_warning(capsys: pytest.CaptureFixture[str], model: str) -> None:
    where = ("--gpu", "h200", "--max-model-len", "4096", *(() if "7B" in model or "12b" in model else ("--tp", "8")))
    found = ask(capsys, "memory", model, *where)
    assert found["parameters"]["total"] > found["parameters"]["active"]
    assert not [check for check in found["checks"] if check["id"] == "model-note" and "tower" in check["message"]]


def test_a_tower_that_is_not_counted_is_warned_of(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_uncounted(tmp_path)
    where = ("--gpu", "h200", "--max-model-len", "4096", "--catalog", str(tmp_path))
    load = ("--isl", "1000", "--osl", "100", "--concurrency", "2")
    for argv in (("memory", "acme/sees", *where), ("predict", "acme/sees", *where, *load)):
        notes = [check for check in ask(capsys, *argv)["checks"] if check["id"] == "model-note"]
        assert [note["severity"] for note in notes] == ["warning"]
        assert "parameters of the vision or audio tower" in notes[0]["message"]
        assert main([*argv]) == 0
        assert "are not counted" in " ".join(capsys.readouterr().out.split())


def test_draft_layers_are_counted_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """The Hub counts 684,531,386,000 for DeepSeek-V3: the model, its draft layer, and 41,540,496 scales."""
    argv = ("memory", "deepseek-r1", "--gpu", "h200", "--tp", "8", "--max-model-len", "4096")
    found = ask(capsys, *argv)
    # the Hub also counts the score bias of 256 experts in each of 58 + 1 layers
    assert found["parameters"]["total"] + 58 * 256 == 671_026_419_200
    assert found["parameters"]["draft"] + 256 == 13_463_426_304
    assert not [check for check in found["checks"] if check["id"] == "model-note"]
    assert main([*argv]) == 0
    assert "13.5B that only draft tokens" in " ".join(capsys.readouterr().out.split())


def test_draft_layers_of_an_unknown_layout_are_warned_of(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = {
        "model_type": "llama", "hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 512, "vocab_size": 1000, "max_position_embeddings": 2048, "torch_dtype": "bfloat16",
        "num_nextn_predict_layers": 1,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    found = ask(capsys, "memory", str(tmp_path), "--gpu", "h100")
    (note,) = (check for check in found["checks"] if check["id"] == "model-note")
    assert "multi-token-prediction" in note["message"]


def test_a_multimodal_config_on_disk_says_that_the_size_is_unknown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model = str(write_config(tmp_path, vision_config={"hidden_size": 32}))
    (note,) = ask(capsys, "memory", model, "--gpu", "l4")["checks"]
    assert note["id"] == "model-note"
    assert "its size is unknown" in note["message"]


def run_cases(capsys: pytest.CaptureFixture[str], path: Path, command: str, *argv: str) -> list[dict[str, Any]]:
    assert main([command, *argv, "--cases", str(path)]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_cases_answer_in_order_and_a_bad_line_stops_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    lines = [json.dumps(case) for case in CASES]
    lines += ["", '{"id": "nan", "isl": NaN}', "{", "[1]"]
    path.write_text("\n".join(lines))
    found = run_cases(capsys, path, "predict")
    assert [row["id"] for row in found] == [
        "good",
        "misspelt",
        "typed",
        "negative",
        "unknown",
        "too big",
        7,
        "nan",
        10,
        11,
    ]
    assert [row["ok"] for row in found] == [True, False, False, False, False, False, True, False, False, False]
    codes = [row["error"]["code"] for row in found if not row["ok"]]
    assert codes == ["usage", "usage", "usage", "unknown_id", "no_feasible_plan", "data", "data", "data"]
    assert "NaN" in found[7]["error"]["message"]
    assert "did you mean concurrency" in found[1]["error"]["hints"][0]


def test_a_case_equals_the_same_question_on_the_command_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps({"id": 1, "model": LLAMA, "gpu": "l4", "isl": 500, "osl": 100, "rate": 0.5}) + "\n")
    (row,) = run_cases(capsys, path, "predict")
    alone = ask(capsys, "predict", LLAMA, "--gpu", "l4", "--isl", "500", "--osl", "100", "--rate", "0.5")
    assert {key: value for key, value in row.items() if key not in ("id", "ok")} == alone


def test_flags_beside_cases_are_defaults_of_every_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text('{"id": "a"}\n{"id": "b", "gpu": "l4"}\n')
    found = run_cases(capsys, path, "memory", LLAMA, "--gpu", "h100", "--max-model-len", "4096")
    assert [row["deployment"]["gpu"] for row in found] == ["h100-sxm-80gb", "l4-24gb"]


def test_a_case_whose_model_is_a_path(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = write_config(tmp_path)
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps({"id": 1, "model": str(config), "gpu": "a10"}) + "\n")
    (row,) = run_cases(capsys, path, "memory")
    assert row["ok"] is True


def test_cases_that_do_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "--cases", "nowhere.jsonl"]) == 2
    assert "cannot read nowhere.jsonl" in capsys.readouterr().err


def test_cases_and_a_log_do_not_go_together(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["memory", "--cases", str(tmp_path / "c.jsonl"), "--against-log", str(tmp_path / "log")]) == 2
    assert "--against-log is the log of one replica" in capsys.readouterr().err
