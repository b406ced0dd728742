"""`llmplan check`: exit codes, what is read, what is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmplan.cli import main

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
GPU = ("--gpu", "h100-sxm-80gb")
GOOD = ("vllm", "serve", LLAMA, "--max-num-seqs", "64", "--max-model-len", "8192")


def answer(capsys: pytest.CaptureFixture[str], *words: str, code: int) -> dict[str, Any]:
    assert main(["check", "--json", *words]) == code
    record: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert record["schema"] == "llmplan.check/v1"
    return record


def findings(record: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each["id"], each["severity"]) for launch in record["launches"] for each in launch["findings"]}


def test_a_good_line_is_fine_and_its_memory_is_that_of_memory(capsys: pytest.CaptureFixture[str]) -> None:
    record = answer(capsys, *GPU, "--", *GOOD, code=0)
    (launch,) = record["launches"]
    assert (record["errors"], launch["fits"], launch["findings"]) == (0, True, [])
    code = main(["memory", LLAMA, *GPU, "--max-num-seqs", "64", "--max-model-len", "8192", "--json"])
    memory = json.loads(capsys.readouterr().out)
    assert code == 0
    assert launch["kv"]["capacity_tokens"] == memory["kv"]["capacity_tokens"]


def test_an_error_exits_with_1_and_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    record = answer(
        capsys, *GPU, "--gpus", "2", "--", *GOOD, "--tensor-parallel-size", "3", "--swap-space", "4", code=1
    )
    severities = [each["severity"] for each in record["launches"][0]["findings"]]
    assert severities == sorted(severities, key=("error", "warning", "advice").index)
    assert {("V-TP1", "error"), ("V-P2", "error"), ("F-3", "error")} <= findings(record)
    fixes = [each["fix"] for each in record["launches"][0]["findings"] if each["id"] == "V-TP1"]
    assert fixes == ["use --tensor-parallel-size 1, 2, 4, 8, 16, 32"]


def test_strict_exits_with_4_on_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    line = (*GOOD, "--tensor-par", "2")
    assert findings(answer(capsys, *GPU, "--", *line, code=0)) == {("F-2", "warning")}
    answer(capsys, *GPU, "--strict", "--", *line, code=4)


def test_what_does_not_fit_is_an_error_in_the_engines_words(capsys: pytest.CaptureFixture[str]) -> None:
    record = answer(capsys, "--gpu", "l4-24gb", "--", "vllm", "serve", LLAMA, "--max-num-seqs", "8", code=1)
    (launch,) = record["launches"]
    (found,) = [each for each in launch["findings"] if each["id"] == "V-KV1"]
    assert found["message"].startswith("To serve at least one request with the model's max seq len (131072), (")
    assert found["fix"].startswith("--max-model-len ")
    mended = found["fix"].split()
    answer(capsys, "--gpu", "l4-24gb", "--", "vllm", "serve", LLAMA, "--max-num-seqs", "8", *mended, code=0)


def test_free_memory_and_longer_contexts(capsys: pytest.CaptureFixture[str]) -> None:
    assert ("V-KV3", "error") in findings(answer(capsys, *GPU, "--free-gib", "40", "--", *GOOD, code=1))
    long = ("vllm", "serve", LLAMA, "--max-num-seqs", "64", "--max-model-len", "200000")
    assert ("V-S3", "error") in findings(answer(capsys, *GPU, "--", *long, code=1))


def test_scripts_compose_and_settings_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    script = tmp_path / "serve.sh"
    script.write_text(
        f'args=(\n  --max-num-seqs 64 # why\n  --max-model-len 8192\n)\nexec vllm serve {LLAMA} "${{args[@]}}"\n'
    )
    assert answer(capsys, *GPU, "--script", str(script), code=0)["launches"][0]["max_num_seqs"] == 64
    compose = tmp_path / "compose.yaml"
    compose.write_text(
        f"services:\n  llm: {{image: 'vllm/vllm-openai:latest', command: '--model {LLAMA} --config f.yaml'}}\n"
    )
    (tmp_path / "f.yaml").write_text("max-num-seqs: null\n")
    record = answer(capsys, *GPU, "--compose", str(compose), code=1)
    assert {("F-6", "error"), ("F-15", "advice")} <= findings(record)
    assert record["launches"][0]["where"] == "llm"
    config = tmp_path / "vllm.yaml"
    config.write_text(f"model: {LLAMA}\nmax-num-seqs: 32\nenable-prefix-caching: false\n")
    assert ("F-5", "error") in findings(answer(capsys, *GPU, "--config", str(config), code=1))


def test_other_engines(capsys: pytest.CaptureFixture[str]) -> None:
    sglang = ("python3", "-m", "sglang.launch_server", "--model-path", LLAMA, "--mem-fraction-static", "0.97")
    assert ("S-3", "warning") in findings(answer(capsys, *GPU, "--", *sglang, code=0))
    trt = ("trtllm-serve", LLAMA, "--free_gpu_memory_fraction", "0.98")
    assert ("T-6", "warning") in findings(answer(capsys, *GPU, "--", *trt, code=0))
    assert ("T-1", "warning") in findings(answer(capsys, *GPU, "--model", LLAMA, "--", "trtllm-build", code=0))
    llama = ("llama-server", "-m", "x.gguf", "-c", "16384", "-np", "4")
    record = answer(capsys, "--gpu", "rtx-4090-24gb", "--model", LLAMA, "--", *llama, code=0)
    assert ("L-1", "advice") in findings(record)
    assert record["launches"][0]["max_model_len"] == 4096


def test_adapters_are_read_from_their_own_files(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tuned").mkdir()
    (tmp_path / "tuned" / "adapter_config.json").write_text('{"r": 64, "use_dora": true}')
    line = (*GOOD, "--enable-lora", "--max-lora-rank", "16", "--lora-modules", "tuned=tuned")
    assert {("V-L1", "error"), ("V-L2", "error")} <= findings(answer(capsys, *GPU, "--", *line, code=1))


def test_memory_for_adapters_is_set_aside(capsys: pytest.CaptureFixture[str]) -> None:
    plain = answer(capsys, *GPU, "--", *GOOD, code=0)["launches"][0]["kv"]["capacity_tokens"]
    lora = (*GOOD, "--enable-lora", "--max-loras", "8", "--max-lora-rank", "64")
    code = main(["memory", LLAMA, *GPU, "--max-num-seqs", "64", "--max-model-len", "8192", "--adapters", "8",
                 "--lora-rank", "64", "--json"])  # fmt: skip
    memory = json.loads(capsys.readouterr().out)
    kept = answer(capsys, *GPU, "--", *lora, code=0)["launches"][0]["kv"]["capacity_tokens"]
    assert (code, kept) == (0, memory["kv"]["capacity_tokens"])
    assert kept < plain


def test_slices_of_gpus_are_seen_in_the_environment(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    script = tmp_path / "serve.sh"
    script.write_text(f"CUDA_VISIBLE_DEVICES=MIG-a,MIG-b vllm serve {LLAMA} -tp 2 --max-num-seqs 8\n")
    assert ("V-P7", "error") in findings(answer(capsys, *GPU, "--script", str(script), code=1))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*GPU,), "nothing to check"),
        ((*GPU, "--script", "a", "--", *GOOD), "one launch at a time"),
        (("--", *GOOD), "which GPU?"),
        ((*GPU, "--", "echo", "hi"), "no engine is started there"),
        ((*GPU, "--", "vllm", "serve"), "which model is served"),
        ((*GPU, "--", "vllm", "serve", "no/such-model"), "unknown model"),
        ((*GPU, "--script", "no-such-file"), "no such file"),
        ((*GPU, "--engine", "sglang", "--", *GOOD), "starts vllm, not sglang"),
        ((*GPU, "--engine", "llama-cpp", "--config", __file__), "reads no settings file"),
    ],
)
def test_usage(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str) -> None:
    assert main(["check", *words]) == 2
    assert message in capsys.readouterr().err


def test_the_list_of_rules(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--list", "--json"]) == 0
    rules = json.loads(capsys.readouterr().out)["rules"]
    assert len(rules) >= 50
    assert all(rule["title"] and rule["source"] and rule["severities"] and rule["basis"] for rule in rules)
    assert main(["check", "--list", "--engine", "llama-cpp"]) == 0
    shown = capsys.readouterr().out
    assert "L-1" in shown
    assert "V-TP1" not in shown


def test_a_terminal_sees_findings_fixes_and_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *GPU, "--explain", "--", *GOOD, "--tensor-parallel-size", "3"]) == 1
    shown = capsys.readouterr().out
    assert "Total number of attention heads (32) must be divisible by tensor parallel size (3). (V-TP1)" in shown
    assert "fix: use --tensor-parallel-size" in shown
    assert "source: vLLM 0.33.0 vllm/config/model.py:1559" in shown
    assert "KV pool" in shown
