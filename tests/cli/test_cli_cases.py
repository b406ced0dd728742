"""`--cases`: whatever a line says, it gets an answer or an error of its own, and the others go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmplan.catalogs import layers
from llmplan.cli import main

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
GOOD = {"id": "good", "model": LLAMA, "gpu": "h100", "isl": 100, "osl": 10, "concurrency": 1}


def answers(capsys: pytest.CaptureFixture[str], path: Path, *lines: str | dict[str, Any]) -> list[dict[str, Any]]:
    """What `predict` says to each line; JSON without NaN or Infinity."""
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")
    assert main(["predict", "--cases", str(path)]) == 0
    found = capsys.readouterr().out.splitlines()
    return [json.loads(line, parse_constant=pytest.fail) for line in found]


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        # impossible parallelism: the engine's own words
        ({"tp": 3}, "no_feasible_plan", "attention heads (32) must be divisible by tensor parallel size (3)"),
        ({"tp": 1024}, "no_feasible_plan", "attention heads (32) must be divisible by tensor parallel size (1024)"),
        ({"pp": 64}, "no_feasible_plan", "Pipeline parallel size 64 exceeds the 32 layers"),
        ({"tp": 2, "ep": 2}, "no_feasible_plan", "Number of experts in the model must be greater than 0"),
        ({"tp": 2, "ep": 3}, "usage", "--ep is 1 or TP x DP = 2, not 3"),
        ({"tp": 2, "gpus": 5}, "usage", "TP 2 x PP 1 x DP 1 is 2 GPUs, not --gpus 5"),
        ({"dcp": 7}, "no_feasible_plan", "tp_size=1 must be divisible by dcp_size=7"),
        # formats that the engine or the GPU cannot run
        ({"weights": "mxfp4", "gpu": "t4"}, "no_feasible_plan", "mxfp4"),
        ({"weights": "fp8", "gpu": "v100-sxm-32gb"}, "no_feasible_plan", "no kernel image is available"),
        ({"weights": "nvfp4", "gpu": "a100-sxm-80gb", "engine": "tensorrt-llm"}, "no_feasible_plan", "nvfp4"),
        ({"weights": "gguf-q4_k_m", "engine": "tensorrt-llm"}, "no_feasible_plan", "does not run weights in gguf"),
        ({"weights": "awq-int4", "engine": "llama-cpp"}, "no_feasible_plan", "does not run weights in awq-int4"),
        ({"engine": "tensorrt-llm", "gpu": "mi300x"}, "no_feasible_plan", "it does not run on AMD"),
        ({"weights": "fp3"}, "unknown_id", "unknown weight format 'fp3'"),
        # context beyond limits
        ({"isl": 200_000}, "usage", "ISL + OSL = 200,010 tokens exceed the 131,072-token context"),
        ({"isl": 2000, "max_model_len": 1000}, "usage", "exceed --max-model-len 1,000"),
        ({"max_model_len": 10**6}, "usage", "exceeds the 131,072-token context"),
        # memory
        ({"gpu": "t4"}, "no_feasible_plan", "the weights do not fit"),
        ({"kv_cache_memory_gib": 1e-9}, "no_feasible_plan", "no room in the KV cache for one request"),
        # values that no flag takes
        ({"isl": "100"}, "usage", "isl must be a number, not '100'"),
        ({"isl": True}, "usage", "isl must be a number, not True"),
        ({"isl": [100]}, "usage", "isl must be a number, not [100]"),
        ({"isl": 0.5}, "usage", "--isl must be a whole number"),
        ({"isl": -1}, "usage", "--isl must be a whole number from 1"),
        ({"isl": 0}, "usage", "--isl must be a whole number from 1"),
        ({"isl": 10**17}, "usage", "--isl must be a whole number from 1 to 10,000,000"),
        ({"isl": 10**400}, "usage", "isl must be a number of at most 18 digits"),
        ({"concurrency": None, "rate": 1e308}, "usage", "--rate must be a number above 0 and at most 1,000,000"),
        ({"gpu": {"id": ["h100"]}}, "usage", "gpu must be a text, not {'id': ['h100']}"),
        ({"gpu": ["x" * 1000]}, "usage", "…"),
        ({"gpu": "h100\0"}, "unknown_id", "unknown GPU"),
        ({"gpu": "etched-sohu"}, "unknown_id", "unknown GPU 'etched-sohu'"),
        ({"enforce_eager": "yes"}, "usage", "enforce_eager must be true or false, not 'yes'"),
        ({"gpu_memory_utilization": 1.5}, "usage", "above 0 and at most 1"),
        ({"engine": "vllm@banana"}, "unknown_id", "unknown engine 'vllm@banana'"),
        ({"model": 7}, "usage", "a case needs a model"),
        ({"model": ""}, "usage", "a case needs a model"),
        ({"model": "x" * 5000}, "usage", "no such file"),
        ({"model": "~nobody-of-this-name/m"}, "usage", "no such file"),
        ({"model": "\ud800"}, "unknown_id", "unknown model"),
        ({"rate": 1}, "usage", "a load is exactly one of"),
        ({"concurrency": None}, "usage", "a load is exactly one of"),
        ({"isl": None}, "usage", "request lengths are needed: --isl missing"),
        ({"islx": 4}, "usage", "unknown key 'islx'"),
        ({"y" * 3000: 4}, "usage", "unknown key 'yyy"),
    ],
)
def test_a_bad_line_gets_its_reason_and_the_next_its_answer(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, change: dict[str, Any], code: str, said: str
) -> None:
    bad, good = answers(capsys, tmp_path / "cases.jsonl", GOOD | {"id": "bad"} | change, GOOD)
    assert bad["id"] == "bad"
    assert bad["ok"] is False
    assert bad["error"]["code"] == code
    assert said in bad["error"]["message"]
    assert len(bad["error"]["message"]) < 1200
    assert "tpot_ms" not in bad
    assert good["id"] == "good"
    assert good["tpot_ms"]["low"] <= good["tpot_ms"]["mid"] <= good["tpot_ms"]["high"]


@pytest.mark.parametrize(
    ("line", "case_id", "said"),
    [
        ('{"id": "a", "isl": NaN}', "a", "NaN is not a JSON number"),
        ('{"isl": -Infinity, "id": 7}', 7, "-Infinity is not a JSON number"),
        ('{"id": NaN}', 1, "NaN is not a JSON number"),
        ('{"id": [NaN]}', 1, "NaN is not a JSON number"),
        ('{"id": 1e999}', 1, "a case needs a model"),
        ('{"id": {"a": 1e999}}', 1, "a case needs a model"),
        ('{"id": true}', 1, "a case needs a model"),
        ('{"id": "\\ud800"}', "\ud800", "a case needs a model"),
        ("[" * 100_000, 1, "nested too deeply"),
        ('{"gpu": ' + "[" * 100_000, 1, "nested too deeply"),
        ("[1]", 1, "a case is a JSON object, not list"),
        ("null", 1, "a case is a JSON object, not NoneType"),
        ("{", 1, "not JSON"),
        ("\0", 1, "not JSON"),
        ('{"id": ' + "9" * 5000 + "}", 1, "not JSON"),
    ],
)
def test_a_line_that_is_no_question(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, line: str, case_id: Any, said: str
) -> None:
    bad, good = answers(capsys, tmp_path / "cases.jsonl", line, GOOD)
    assert bad["id"] == case_id
    assert said in bad["error"]["message"]
    assert bad["error"]["code"] != "internal"
    assert good["ok"] is True


def test_lines_about_one_replica_share_no_more_than_they_should(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What is remembered from line to line changes no answer: alone, each line is answered the same."""
    lines = [
        GOOD, GOOD | {"concurrency": 8}, GOOD | {"isl": 1000}, GOOD | {"isl": 5000}, GOOD | {"tp": 2},
        GOOD | {"concurrency": None, "rate": 2}, GOOD | {"concurrency": None, "burst": 5}, GOOD | {"prefix_share": 0.5},
        GOOD | {"concurrency": None, "saturation": True}, GOOD | {"enforce_eager": True}, GOOD | {"tp": True},
        GOOD | {"osl": 11}, GOOD | {"gpu": "h200"}, GOOD | {"gpu": "nothing"}, GOOD | {"gpu": "nothing"},
    ]  # fmt: skip
    together = answers(capsys, tmp_path / "all.jsonl", *lines, *reversed(lines))
    alone = [answers(capsys, tmp_path / "one.jsonl", line)[0] for line in lines]
    assert together == [*alone, *reversed(alone)]
    assert sum(each["ok"] for each in alone) == len(lines) - 3


def test_more_lines_read_no_more_files(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids, aliases and an engine's newest version are looked up once, and so are names that nothing has."""
    reads: list[Path] = []
    original = layers.read_yaml

    def counted(path: Path) -> Any:
        reads.append(path)
        return original(path)

    monkeypatch.setattr(layers, "read_yaml", counted)
    lines = [GOOD | {"gpu": gpu, "isl": isl} for isl in range(1, 4000, 200) for gpu in ("h100", "NVIDIA H200", "gone")]
    counts = []
    for chosen in (lines[:3], lines):
        reads.clear()
        found = answers(capsys, tmp_path / "cases.jsonl", *chosen)
        assert sum(each["ok"] for each in found) == len(chosen) * 2 // 3
        counts.append(len(reads))
    assert counts[0] == counts[1] > 0


def test_a_speed_is_not_given_for_what_the_engine_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    """One question is treated as one line is: the reason and a way out, not a number."""
    argv = [LLAMA, "--gpu", "h100", "--tp", "3", "--isl", "100", "--osl", "10", "--concurrency", "1"]
    assert main(["predict", *argv]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "must be divisible by tensor parallel size (3)" in err
    assert "use --tp 1, 2, 4" in err
