"""Before launch files are written for another engine, that engine's rules are asked, from what the plan carries."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

import plan_samples as sample
from llmplan.catalogs import load_catalog, packaged_profiles
from llmplan.cli import main
from llmplan.planfile import write_plan

ENGINES = load_catalog([packaged_profiles()], price_date=date(2026, 11, 22)).engines
NAMES = ("vllm", "sglang", "tensorrt-llm", "llama-cpp")


def emitted(tmp_path: Path, target: str, **replica: object) -> int:
    plan = sample.plan(
        sample.option(of=sample.replica(**replica)),  # type: ignore[arg-type]
        engines=tuple(ENGINES[name] for name in NAMES),
    )
    write_plan(plan, tmp_path / "plan.yaml")
    return main(["emit-config", str(tmp_path / "plan.yaml"), "--target", target])


@pytest.mark.parametrize(
    ("target", "capability", "weights", "kv", "message"),
    [
        ("tensorrt-llm", (8, 0), "fp8", "bf16", "quantization method fp8 is not supported for the current GPU"),
        ("tensorrt-llm", (7, 5), "fp16", "fp16", "no kernel image is available"),
        ("tensorrt-llm", (10, 0), "awq-int4", "bf16", "Minimum capability: 80, maximum: 90. Current capability: 100"),
        ("tensorrt-llm", (9, 0), "int8", "bf16", "does not run weights in int8"),
        ("tensorrt-llm", (9, 0), "gguf-q4_k_m", "bf16", "gguf"),
        ("llama-cpp", (9, 0), "awq-int4", "fp16", "does not run weights in awq-int4"),
        ("llama-cpp", (9, 0), "bf16", "fp8", "has no KV cache in fp8"),
        ("tensorrt-llm", None, "bf16", "bf16", "TensorRT-LLM is built on CUDA and TensorRT"),
    ],
)
def test_what_the_other_engine_cannot_run_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    target: str,
    capability: tuple[int, int] | None,
    weights: str,
    kv: str,
    message: str,
) -> None:
    assert emitted(tmp_path, target, gpu=sample.gpu(capability), weights=weights, kv=kv) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert not shown.out


def test_what_it_can_run_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for target in ("vllm", "tensorrt-llm"):
        assert emitted(tmp_path, target) == 0
        (tmp_path / "plan.yaml").unlink()
    assert "measure before you rely on them" in capsys.readouterr().err


def test_the_planned_engine_hints_at_its_own_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert emitted(tmp_path, "tensorrt-llm", weights="int8") == 2
    assert "hint: llmplan emit-config PLAN --target vllm" in capsys.readouterr().err
