"""What llmplan emits passes its own review, and is read as what was planned."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

import plan_samples as sample
from llmplan.catalogs import load_catalog, packaged_profiles
from llmplan.cli import main
from llmplan.planfile import write_plan

ENGINES = load_catalog([packaged_profiles()], price_date=date(2026, 11, 22)).engines


@pytest.mark.parametrize(
    ("engine", "file", "how"),
    [
        ("vllm", "serve.sh", "--script"), ("vllm", "vllm.yaml", "--config"), ("vllm", "compose.yaml", "--compose"),
        ("tensorrt-llm", "serve.sh", "--script"), ("llama-cpp", "serve.sh", "--script"),
        ("sglang", "serve.sh", "--script"),
    ],
)  # fmt: skip
def test_emitted_files_pass_the_review(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], engine: str, file: str, how: str
) -> None:
    settings = sample.settings(max_num_seqs=8, max_num_batched_tokens=4096)
    replica = sample.replica(engine=ENGINES[engine], settings=settings)
    write_plan(sample.plan(sample.option(of=replica)), tmp_path / "plan.yaml")
    assert main(["emit-config", str(tmp_path / "plan.yaml"), "--target", engine, "-o", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    words = [
        "check",
        "--json",
        "--gpu",
        "h100-sxm-80gb",
        how,
        str(tmp_path / "out" / file),
        "--model",
        replica.model.id,
    ]
    assert main(words) == 0
    (launch,) = json.loads(capsys.readouterr().out)["launches"]
    assert [each for each in launch["findings"] if each["severity"] == "error" or each["id"].startswith("F-")] == []
    assert launch["engine"].startswith(f"{engine}@")
    assert (launch["max_model_len"], launch["max_num_seqs"]) == (8192, 8)
    if engine in ("vllm", "sglang"):
        assert launch["max_num_batched_tokens"] == 4096
