"""`llmplan finetune`: what it prints, what it refuses, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import pytest

from llmplan.cli import finetune as command
from llmplan.cli import main
from llmplan.memory.finetune import GROUPS
from llmplan.plan import finetune as plan

LLAMA = "meta-llama/Llama-2-7b-hf"


def answer(capsys: pytest.CaptureFixture[str], *flags: str, model: str = LLAMA, code: int = 0) -> dict[str, Any]:
    assert main(["finetune", model, "--json", *flags]) == code
    record: dict[str, Any] = json.loads(capsys.readouterr().out)
    return record


def test_json_has_the_documented_shape(capsys: pytest.CaptureFixture[str]) -> None:
    record = answer(capsys, "--method", "qlora", "--gpu", "rtx-4090-24gb")
    assert record["schema"] == "llmplan.finetune/v1"
    for key in ("peak_bytes", "needed_bytes", "allocated_bytes", "reserved_bytes", "device_bytes"):
        assert 0 < record[key]["low"] <= record[key]["mid"] <= record[key]["high"]
    assert record["peak_bytes"] == record["device_bytes"]
    assert record["ledger"]["total"] == pytest.approx(record["device_bytes"]["mid"], abs=2)
    assert record["fits"] is record["fit"]["fits"] is True
    assert record["fit"]["largest_batch"] >= 1
    assert record["parameters"]["trained"] == 39_976_960
    assert record["run"]["weights"] == record["assumed"]["weights"] == "nf4"
    assert record["rejection"] is None
    reference = (Path(__file__).parents[2] / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    assert [key for key in record if f'"{key}"' not in reference] == []


def test_the_peak_is_read_as_asked(capsys: pytest.CaptureFixture[str]) -> None:
    record = answer(capsys, "--scope", "allocated")
    assert record["peak_bytes"] == record["allocated_bytes"] != record["device_bytes"]


def test_defaults_are_those_of_the_field_and_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assumed = answer(capsys)["assumed"]
    wanted = {
        "method": "lora", "rank": "16", "targets": "all-linear", "batch": "1", "seq": "2048", "optimizer": "adamw",
        "grad_checkpointing": "on", "stack": "hf",
    }  # fmt: skip
    assert wanted.items() <= assumed.items()


def test_words_of_training_libraries_are_understood(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--grad-checkpointing", "False", "--targets", "DEFAULT", "--optimizer", "AdamW_8bit", "--method", "LoRA"]
    chosen = answer(capsys, *flags)["run"]
    assert (chosen["grad_checkpointing"], chosen["targets"]) == ("off", ["q,v"])
    assert (chosen["optimizer"], chosen["method"]) == ("adamw-8bit", "lora")


def test_what_does_not_fit_exits_3_and_says_what_would(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["finetune", LLAMA, "--method", "full", "--gpu", "rtx-4090-24gb"]) == 3
    captured = capsys.readouterr()
    assert "Does not fit" in captured.out
    assert "--method lora" in captured.err
    record = answer(capsys, "--method", "full", "--gpu", "rtx-4090-24gb", code=3)
    assert record["rejection"]["code"] == "does_not_fit"
    assert record["fit"]["largest_batch"] is None


@pytest.mark.parametrize(
    "asked",
    [
        ["--method", "full", "--precision", "mixed", "--grad-checkpointing", "off", "--attention", "eager",
         "--batch", "2"],
        ["--method", "full", "--gpus", "8"],
        ["--weights", "fp32", "--seq", "8192"],
        ["--stack", "litgpt", "--batch", "4"],
        ["--method", "qlora", "--gpus", "2", "--grad-checkpointing", "unknown"],
    ],
)  # fmt: skip
def test_every_remedy_is_what_its_flags_do(capsys: pytest.CaptureFixture[str], asked: list[str]) -> None:
    before = answer(capsys, *asked)
    assert before["remedies"]
    for remedy in before["remedies"]:
        after = answer(capsys, *asked, *remedy["flags"].split())
        assert after["needed_bytes"] == remedy["needed_bytes"], remedy["flags"]
        assert after["needed_bytes"]["mid"] < before["needed_bytes"]["mid"]


def test_a_refusal_names_all_gpus_of_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    record = answer(capsys, "--method", "full", "--gpus", "2", "--gpu", "rtx-4090-24gb", code=3)
    assert "does not fit 2 × rtx-4090-24gb" in record["rejection"]["reason"]
    assert record["fit"]["visible_bytes"] < record["fit"]["memory_bytes"]


def test_no_gpu_of_the_catalogue_holds_a_giant(capsys: pytest.CaptureFixture[str]) -> None:
    record = answer(capsys, "--method", "full", model="deepseek-ai/DeepSeek-R1", code=3)
    assert record["smallest_gpus"] == []
    assert "any GPU of the catalogue" in record["rejection"]["reason"]


def test_what_the_allocator_could_give_back_is_no_reason(capsys: pytest.CaptureFixture[str]) -> None:
    record = answer(capsys, "--batch", "4096", code=3)
    lines = record["lines"]
    assert max(lines, key=lambda key: lines[key]) == "allocator_cache_bytes"
    assert "allocator cache" not in record["rejection"]["reason"]


def test_both_quoted_numbers_stand_in_one_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """16 GB and 6 GB for a 7B, beside the weights alone and full fine-tuning."""
    record = answer(capsys, "--seq", "512")
    needed = {row["method"]: row["needed_bytes"]["mid"] / 1e9 for row in record["compared"]}
    assert needed["LoRA on 16-bit weights, adamw"] == pytest.approx(16, rel=0.1)
    assert needed["QLoRA on nf4, adamw"] == pytest.approx(6, rel=0.15)
    assert needed["full, 32-bit masters, adamw"] > 100
    assert main(["finetune", LLAMA, "--seq", "512", "--format", "markdown"]) == 0
    assert "the 16-bit weights alone, nothing trained | 12.55 GiB" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message", "hint"),
    [
        (["--rank", "0"], "--rank must be a whole number from 1", "llmplan finetune --help"),
        (["--batch", "-1"], "--batch must be a whole number from 1", ""),
        (["--seq", "abc"], "--seq must be a whole number", ""),
        (["--method", "qlroa"], "--method must be one of full, lora, qlora", "did you mean --method qlora?"),
        (["--optimizer", "adamw8bit"], "unknown optimizer", "did you mean adamw-8bit"),
        (["--stack", "unslot"], "unknown stack", "did you mean unsloth"),
        (["--method", "qlora", "--weights", "q4_k_m"], "nothing trains on it", "--weights nf4"),
        (["--method", "qlora", "--weights", "bf16"], "quantized base", "--weights nf4"),
        (["--method", "lora", "--weights", "nf4"], "needs a base in 16 or 32 bit", "--method qlora"),
        (["--method", "full", "--rank", "8"], "--rank is for adapters", "--method lora"),
        (["--no-double-quant"], "--no-double-quant is for", "--method qlora"),
        (["--targets", ","], "--targets names no module", "all-linear"),
        (["--targets", "q_prj"], "has no layer called q_prj", "did you mean q_proj"),
        (["--sharding", "fsdp"], "needs more than one GPU", "--gpus 8"),
        (["--gpus", "4", "--sharding", "none"], "separate trainings", "ddp"),
        (["--grad-checkpointing", "onn"], "--grad-checkpointing must be one of", "did you mean"),
        (["--gpu", "rtx-4090"], "", ""),
        (["--gpu", "rtx-4091-24gb"], "unknown gpu", "did you mean"),
        (["--attention", "none"], "--attention must be one of flash, eager", ""),
        (["--weights", "nf5", "--method", "qlora"], "unknown weight format", "nf4"),
    ],
)
def test_bad_input_is_one_error_with_a_hint(
    capsys: pytest.CaptureFixture[str], flags: list[str], message: str, hint: str
) -> None:
    code = main(["finetune", LLAMA, *flags])
    captured = capsys.readouterr()
    if not message:
        assert code == 0
        return
    assert code == 2
    assert captured.out == ""
    assert captured.err.count("error:") == 1
    assert message.casefold() in captured.err.casefold()
    assert hint in captured.err
    assert "hint:" in captured.err


def test_an_unknown_model_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["finetune", "meta-llama/Llama-2-7b-hff"]) == 2
    assert "did you mean" in capsys.readouterr().err


@pytest.mark.parametrize("output", ["table", "markdown", "json"])
def test_every_format_explains(capsys: pytest.CaptureFixture[str], output: str) -> None:
    assert main(["finetune", LLAMA, "--explain", "--format", output, "--gpu", "a100-sxm-80gb"]) == 0
    out = capsys.readouterr().out
    assert "base weights" in out
    assert "2 B × 32 layers × 4,096 × 2,048 tokens" in " ".join(out.split())


def test_words_of_the_flags_are_those_of_the_plan() -> None:
    pairs = {
        "METHODS": plan.Method, "CHECKPOINTING": plan.Checkpointing, "ATTENTION": plan.AttentionKernel,
        "PRECISION": plan.Precision, "LENGTHS": plan.Lengths, "SHARDING": plan.Sharding, "OFFLOAD": plan.Offload,
        "SCOPES": plan.Scope,
    }  # fmt: skip
    assert {name: getattr(command, name) for name in pairs} == {
        name: typing.get_args(alias) for name, alias in pairs.items()
    }
    assert command.TARGET_GROUPS == GROUPS


def test_defaults_of_the_flags_are_those_of_the_plan() -> None:
    assert command.request_of(command.FinetuneFlags()) == plan.FinetuneRequest()


def test_help_imports_nothing_heavy() -> None:
    heavy = ("numpy", "yaml", "rich", "llmplan.spec", "llmplan.memory", "llmplan.report")
    code = (
        "import sys; from llmplan.cli import main; code = main(['finetune', '--help']); "
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert found.returncode == 0
    assert found.stderr.strip() == "[]"
    assert "--grad-checkpointing" in found.stdout
