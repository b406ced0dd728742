"""Extras of `memory` and `predict`: only what is asked for, and what is asked for is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmplan.cli import main

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
SHAPE = ("--gpu", "h100", "--isl", "1000", "--osl", "300")
SPECULATE = ("--speculative-tokens", "3", "--acceptance-rate", "0.5")


def ask(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    assert main([*argv, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def fail(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 2) -> str:
    assert main([*argv]) == code
    return capsys.readouterr().err


def test_nothing_is_assumed(capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(capsys, "predict", LLAMA, *SHAPE, "--concurrency", "4")
    assert not {"offload", "adapters", "speculation"} & set(found["deployment"])
    assert "disaggregation" not in found


def test_speculation_is_named_with_its_tokens_per_step(capsys: pytest.CaptureFixture[str]) -> None:
    plain = ask(capsys, "predict", LLAMA, *SHAPE, "--concurrency", "1")
    fast = ask(capsys, "predict", LLAMA, *SHAPE, "--concurrency", "1", *SPECULATE, "--draft-model", "eagle")
    assert fast["deployment"]["speculation"] == {
        "tokens": 3, "acceptance_rate": 0.5, "drafter": "eagle", "draft_model": None, "tokens_per_step": 1.875,
    }  # fmt: skip
    assert fast["tpot_ms"]["mid"] < plain["tpot_ms"]["mid"]
    assert main(["predict", LLAMA, *SHAPE, "--concurrency", "1", *SPECULATE, "--draft-model", "ngram"]) == 0
    assert "3 tokens drafted by ngram, 50 % accepted, 1.88 tokens a step" in " ".join(capsys.readouterr().out.split())


def test_a_small_model_drafts_for_a_large_one_of_the_same_vocabulary(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("predict", "Qwen/Qwen3-32B", *SHAPE, "--concurrency", "1", *SPECULATE, "--draft-model")
    found = ask(capsys, *argv, "Qwen/Qwen3-0.6B")
    assert found["deployment"]["speculation"]["draft_model"] == "Qwen/Qwen3-0.6B"
    assert "same vocabulary" in fail(capsys, *argv, "meta-llama/Llama-2-7b-hf")


def test_the_models_own_layers_draft_where_it_has_them(capsys: pytest.CaptureFixture[str]) -> None:
    shape = ("--gpu", "h200", "--tp", "8", "--isl", "100", "--osl", "100", "--concurrency", "1")
    found = ask(capsys, "predict", "deepseek-ai/DeepSeek-V3", *shape, *SPECULATE)
    assert found["deployment"]["speculation"]["drafter"] == "mtp"
    assert "has no layers of its own" in fail(capsys, "predict", LLAMA, *SHAPE, "--concurrency", "1", *SPECULATE)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--speculative-tokens", "3"), "--acceptance-rate"),
        (("--acceptance-rate", "0.5"), "--speculative-tokens"),
        (("--draft-model", "eagle"), "--speculative-tokens"),
        (("--speculative-tokens", "3", "--acceptance-rate", "1.2"), "from 0 to 1"),
        (("--lora-rank", "8"), "--adapters"),
        (("--host-layers", "3", "--cpu-offload-gb", "4"), "one of them"),
        (("--experts-on-cpu", "4"), "routes to no experts"),
        (("--disaggregate", "2"), "P:D"),
        (("--disaggregate", "0:1"), "P:D"),
        (("--disaggregate", "1:1:1"), "P:D"),
    ],
)
def test_what_makes_no_sense_is_refused(argv: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert words in fail(capsys, "predict", LLAMA, *SHAPE, "--concurrency", "1", *argv)


def test_adapters_slow_a_step_and_take_memory(capsys: pytest.CaptureFixture[str]) -> None:
    plain = ask(capsys, "predict", LLAMA, *SHAPE, "--concurrency", "32")
    shared = ask(capsys, "predict", LLAMA, *SHAPE, "--concurrency", "32", "--adapters", "20")
    assert shared["deployment"]["adapters"] == {"count": 20, "lora_rank": 16}
    assert 1.05 < shared["tpot_ms"]["mid"] / plain["tpot_ms"]["mid"] < 1.5
    assert shared["kv"]["blocks"] < plain["kv"]["blocks"]


def test_both_pools_are_shown_with_the_bottleneck(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("predict", LLAMA, "--gpu", "h100", "--isl", "4000", "--osl", "100", "--rate", "12")
    found = ask(capsys, *argv, "--disaggregate", "1:1")
    pools = found["disaggregation"]
    assert pools["bottleneck"] == "prefill"
    assert pools["prefill_utilization"] > pools["decode_utilization"] > 0
    assert pools["transfer_bytes_per_gpu"] == 4000 * 131072
    assert pools["link"] == "NVLink"
    assert found["requests_per_s"]["mid"] == 12
    assert main([*argv, "--disaggregate", "1:1"]) == 0
    shown = capsys.readouterr().out
    assert "both pools together" in shown
    assert "the prefill pool" in shown


def test_a_shared_prefix_leaves_room_for_more_requests(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("predict", LLAMA, "--gpu", "rtx-4090", "--isl", "4000", "--osl", "100", "--saturation")
    one = ask(capsys, *argv, "--prefix-share", "0.9")
    own = ask(capsys, *argv, "--prefix-share", "0.9", "--prefixes", "0")
    none = ask(capsys, *argv)
    assert one["batch_size"] > 2 * own["batch_size"]
    assert own["requests_per_s"]["mid"] > none["requests_per_s"]["mid"]


def test_experts_on_the_cpu_make_a_large_model_fit(capsys: pytest.CaptureFixture[str]) -> None:
    argv = (
        "openai/gpt-oss-120b", "--gpu", "rtx-4090", "--engine", "llama-cpp", "--host", "workstation-ddr5-2ch",
        "--max-num-seqs", "1", "--max-model-len", "8192",
    )  # fmt: skip
    assert main(["memory", *argv]) == 3
    capsys.readouterr()
    found = ask(capsys, "memory", *argv, "--experts-on-cpu", "30")
    assert found["fits"] is True
    assert found["per_gpu"]["host_bytes"] > 40e9
    assert found["deployment"]["offload"]["kind"] == "experts"
    speed = ask(
        capsys, "predict", *argv, "--experts-on-cpu", "30", "--isl", "500", "--osl", "200", "--concurrency", "1"
    )
    assert speed["bottleneck"] == "layers in host memory"


def test_lines_of_cases_take_the_same_keys(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    path = tmp_path / "cases.jsonl"
    lines = [
        {"id": "plain", "concurrency": 1},
        {"id": "drafted", "concurrency": 1, "speculative_tokens": 3, "acceptance_rate": 0.6, "draft_model": "eagle"},
        {"id": "apart", "rate": 3, "disaggregate": "1:2"},
        {"id": "bad", "rate": 3, "disaggregate": "1-2"},
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    assert main(["predict", LLAMA, *SHAPE, "--cases", str(path)]) == 0
    found = {each["id"]: each for each in map(json.loads, capsys.readouterr().out.splitlines())}
    assert [found[name]["ok"] for name in ("plain", "drafted", "apart", "bad")] == [True, True, True, False]
    assert found["drafted"]["tpot_ms"]["mid"] < found["plain"]["tpot_ms"]["mid"]
    assert found["apart"]["disaggregation"]["decode_replicas"] == 2
