"""`llmplan memory --fit` as a user types it."""

from __future__ import annotations

import json

import pytest

from llmplan.cli import main
from tests_support import LLAMA_8B, LLAMA_70B


def test_json_answers_every_inverse_question(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", LLAMA_8B, "--gpu", "l4", "--fit", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == "llmplan.memory-fit/v1"
    assert answer["longest"]["fits"]
    assert 8192 < answer["longest"]["max_model_len"] < 131_072
    assert {each["setting"] for each in answer["tensor_parallel"]} >= {"--tp 1", "--tp 2"}
    formats = {each["setting"]: each for each in answer["weights"]}
    assert formats["--weights fp8"]["weights_bytes"] < formats["--weights auto"]["weights_bytes"]
    assert not formats["--weights fp32"]["fits"]
    assert formats["--weights fp32"]["reason"]
    assert "--weights mxfp4" not in formats  # of experts alone, and this model has none
    gpus = {each["gpu"]: each for each in answer["gpus"]}
    assert gpus["h100-sxm-80gb"]["gpus"] == 1
    assert gpus["t4-16gb"]["gpus"] == 2
    assert all(each["fits"] or each["reason"] for each in answer["gpus"])


def test_without_a_gpu_the_catalogue_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", LLAMA_70B, "--fit"]) == 0
    text = capsys.readouterr().out
    assert "Smallest replica by GPU" in text
    assert "--gpu h100-sxm-80gb --tp 2" in text
    assert "Too small or refused" in text
    assert "max_model_len 8192, the least that counts as fitting" in " ".join(text.split())


def test_a_length_that_is_asked_for_counts(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["memory", LLAMA_70B, "--gpu", "h100", "--tp", "2", "--max-model-len", "131072", "--fit", "--json"]
    assert main(argv) == 0
    answer = json.loads(capsys.readouterr().out)
    assert not answer["longest"]["fits"]
    assert "no room in the KV cache" in answer["longest"]["reason"]
    assert "max_model_len" not in answer["assumed"]


def test_nothing_that_fits_is_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", LLAMA_8B, "--gpu", "h100", "--fit", "--kv-cache-memory-gib", "100000"]) == 3
    assert "does not start" in capsys.readouterr().out


@pytest.mark.parametrize("other", [["--cases", "x.jsonl"], ["--against-log", "x.log"]])
def test_fit_stands_alone(other: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", LLAMA_8B, "--fit", *other]) == 2
    assert "--fit tries many replicas" in capsys.readouterr().err
