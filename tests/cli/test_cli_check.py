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
    named = ("--model", LLAMA, "--weights", "gguf-q4_k_m")
    record = answer(capsys, "--gpu", "rtx-4090-24gb", *named, "--", *llama, code=0)
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


QWEN, AWQ = "Qwen/Qwen2.5-72B-Instruct", "Qwen/Qwen2.5-72B-Instruct-AWQ"
A100 = ("--gpu", "a100-sxm-80gb")


def test_a_checkpoint_of_another_name_is_in_the_format_that_its_method_says(capsys: pytest.CaptureFixture[str]) -> None:
    line = ("vllm", "serve", AWQ, "--quantization", "awq_marlin")
    record = answer(capsys, *A100, "--model", QWEN, "--", *line, code=0)
    (launch,) = record["launches"]
    assert (launch["weights"], launch["assumed"]["weights"]) == (
        "awq-int4",
        "awq-int4, as --quantization awq_marlin says",
    )
    wrong = ("--weights", "gptq-int4", "--", *line)
    assert ("V-Q9", "error") in findings(answer(capsys, *A100, "--model", QWEN, *wrong, code=1))


def test_a_format_that_only_the_name_speaks_of_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    line = ("--", "vllm", "serve", AWQ)
    assert main(["check", *A100, "--model", QWEN, *line]) == 2
    said = capsys.readouterr().err
    assert f"the format of the checkpoint {AWQ} is not known: --weights says it" in said
    assert "hint: --weights awq-int4" in said
    assert answer(capsys, *A100, "--model", QWEN, "--weights", "awq-int4", *line, code=0)["launches"][0]["fits"]
    assert main(["check", *A100, *line]) == 2
    assert f"--model {QWEN} --weights awq-int4 says which model it is" in capsys.readouterr().err
    assert main(["memory", AWQ, *A100]) == 2
    assert f"name {QWEN} --weights awq-int4, if it is that model" in capsys.readouterr().err


def test_a_copy_without_a_format_in_its_name_is_taken_in_the_models_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = ("--", "vllm", "serve", "/srv/tuned", "--max-num-seqs", "8")
    (launch,) = answer(capsys, *GPU, "--model", LLAMA, *line, code=0)["launches"]
    assert launch["weights"] == "bf16"
    assert any("/srv/tuned is taken to be in bf16" in note for note in launch["notes"])
    line = ("--", "vllm", "serve", "/srv/Llama-3.1-8B-Instruct", "--max-num-seqs", "8")
    assert answer(capsys, *GPU, "--model", LLAMA, *line, code=0)["launches"][0]["notes"] == []


def test_without_chunked_prefill_the_default_step_holds_a_whole_prompt(capsys: pytest.CaptureFixture[str]) -> None:
    line = (*GOOD[:5], "--max-model-len", "16384", "--no-enable-chunked-prefill")
    (launch,) = answer(capsys, *GPU, "--", *line, code=0)["launches"]
    assert launch["max_num_batched_tokens"] == 16384
    stated = answer(capsys, *GPU, "--", *line, "--max-num-batched-tokens", "8192", code=1)
    assert ("V-S2", "error") in findings(stated)


def test_fixes_are_in_the_words_of_the_engine_that_is_started(capsys: pytest.CaptureFixture[str]) -> None:
    def fix(rule: str, *line: str, gpus: str = "8") -> str:
        main(["check", "--json", *GPU, "--gpus", gpus, "--", *line])
        (launch,) = json.loads(capsys.readouterr().out)["launches"]
        return next(str(each["fix"]) for each in launch["findings"] if each["id"] == rule)

    sglang = ("python3", "-m", "sglang.launch_server", "--model-path", "deepseek-ai/DeepSeek-V3", "--tp-size")
    assert fix("V-TP3", *sglang, "8").startswith("--tp-size 8 --dp-size 8 --enable-dp-attention")
    assert fix("V-P2", *sglang, "16") == "--tp-size 8, or --nnodes 2 with --node-rank and --dist-init-addr"
    trt = ("trtllm-serve", "deepseek-ai/DeepSeek-R1", "--tp_size")
    assert fix("V-TP3", *trt, "8").startswith("enable_attention_dp: true")
    llama = ("llama-server", "-hf", "meta-llama/Llama-3.3-70B-Instruct")
    assert fix("V-KV1", *llama, gpus="1").endswith(" GPUs")


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (("MiniMaxAI/MiniMax-M2.5", "--tensor-parallel-size", "8"), "V-Q3"),
        ((LLAMA, "--tensor-parallel-size", "3"), "V-TP2"),
    ],
)
def test_every_number_that_a_fix_offers_mends_it(
    capsys: pytest.CaptureFixture[str], line: tuple[str, ...], rule: str
) -> None:
    line = ("vllm", "serve", *line, "--max-num-seqs", "64", "--max-model-len", "8192")
    h200 = ("--gpu", "h200-sxm-141gb", "--gpus", "64")
    record = answer(capsys, *h200, "--", *line, code=1)
    (fix,) = [each["fix"] for each in record["launches"][0]["findings"] if each["id"] == rule]
    option, numbers = fix.replace("use ", "").rpartition("--")[2].split(" ", 1)
    for number in numbers.split(", "):
        left = findings(json.loads(_checked(capsys, *h200, "--", *line, f"--{option}", number)))
        assert not {found for found in left if found[0] in (rule, "V-TP1", "V-TP2", "V-L1", "V-Q3")} - {
            ("V-TP2", "advice")
        }, number


def test_more_ranks_are_so_many_that_they_divide_the_heads(capsys: pytest.CaptureFixture[str]) -> None:
    line = ("vllm", "serve", "Qwen/Qwen3-32B", "--max-num-seqs", "64", "--tensor-parallel-size", "3")
    record = answer(capsys, "--gpu", "l4-24gb", "--", *line, code=1)
    (fix,) = [each["fix"] for each in record["launches"][0]["findings"] if each["id"] == "V-KV1"]
    assert fix == "--tensor-parallel-size 4"
    assert answer(capsys, "--gpu", "l4-24gb", "--", *line[:-1], "4", code=0)["launches"][0]["fits"]


def _checked(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    main(["check", "--json", *words])
    return capsys.readouterr().out


def test_a_service_that_cannot_be_reviewed_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    compose = tmp_path / "compose.yaml"
    compose.write_text(
        "services:\n"
        f"  good: {{image: 'vllm/vllm-openai:v0.33.0', command: --model {LLAMA}}}\n"
        "  odd: {image: 'vllm/vllm-openai:v0.33.0', command: --model no/such-model}\n"
    )
    assert main(["check", *GPU, "--compose", str(compose)]) == 2
    assert "odd: unknown model 'no/such-model'" in capsys.readouterr().err


def test_a_terminal_sees_findings_fixes_and_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *GPU, "--explain", "--", *GOOD, "--tensor-parallel-size", "3"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "Total number of attention heads (32) must be divisible by tensor parallel size (3). (V-TP1)" in shown
    assert "fix: use --tensor-parallel-size" in shown
    assert "source: vLLM 0.33.0 vllm/config/model.py:1559" in shown
    assert "KV pool" in shown
