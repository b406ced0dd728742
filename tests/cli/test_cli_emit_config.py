"""`llmplan emit-config` end to end: stdout, folders, messages and exit codes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

import plan_samples as sample
from llmplan import emit
from llmplan.cli import emit_config, main
from llmplan.planfile import write_plan


@pytest.fixture
def plan_path(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    write_plan(sample.plan(sample.token_option(), sample.option()), path)
    return path


def test_files_go_to_stdout_with_their_names(plan_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emit-config", str(plan_path), "--target", "vllm"]) == 0
    captured = capsys.readouterr()
    names = [line for line in captured.out.splitlines() if line.startswith("# --- ")]
    assert names == ["# --- serve.sh ---", "# --- vllm.yaml ---", "# --- compose.yaml ---"]
    assert captured.err == ""


def test_a_folder_gets_all_of_them(plan_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    command = ["emit-config", str(plan_path), "--target", "vllm", "-o", str(out)]
    assert main(command) == 0
    assert {path.name for path in out.iterdir()} == {"serve.sh", "vllm.yaml", "compose.yaml"}
    assert yaml.safe_load((out / "vllm.yaml").read_text(encoding="utf-8"))["max-num-seqs"] == 64
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main(command) == 1
    assert "is there already" in (captured := capsys.readouterr()).err or "are there already" in captured.err
    assert main([*command, "--force"]) == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first
    assert captured.out == ""


def test_markdown_fences_each_file(plan_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emit-config", str(plan_path), "--target", "vllm", "--format", "markdown"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("### serve.sh\n\n```bash\n#!/usr/bin/env bash\n")
    assert out.count("\n```\n") == 3


def test_json_carries_the_texts(plan_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emit-config", str(plan_path), "--target", "tensorrt-llm", "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["schema"] == "llmplan.emit-config/v1"
    assert (document["strategy"], document["target"]) == ("dedicated", "tensorrt-llm")
    assert [file["path"] for file in document["files"]] == ["serve.sh", "trtllm.yaml", "compose.yaml"]
    assert "predicted for vllm@0.33.0" in captured.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--target", "nomad"], 2, "there are vllm"),
        (["--target", "vllm", "--strategy", "serverless"], 2, "hosted token API"),
        (["--target", "vllm", "--strategy", "dedicate"], 2, "did you mean dedicated"),
        (["--target", "vllm", "--strategy", "hybrid-offload"], 2, "hybrid_offload was rejected"),
        (["--target", "vllm", "-o", "no/such/folder"], 1, "there is no folder"),
        ([], 2, "--target"),
    ],
)
def test_mistakes_have_one_message_and_an_exit_code(
    plan_path: Path, arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["emit-config", str(plan_path), *arguments]) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err


def test_an_edited_plan_needs_force(plan_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = plan_path.read_text(encoding="utf-8").replace("max_num_seqs: 64", "max_num_seqs: 32")
    plan_path.write_text(text, encoding="utf-8")
    assert main(["emit-config", str(plan_path), "--target", "vllm"]) == 1
    assert "changed by hand" in capsys.readouterr().err
    assert main(["emit-config", str(plan_path), "--target", "vllm", "--force"]) == 0
    assert "--max-num-seqs 32" in capsys.readouterr().out


def test_it_needs_no_catalogue_and_no_numpy(plan_path: Path) -> None:
    import subprocess

    probe = (
        "import sys; from llmplan.cli import main; code = main(['emit-config', sys.argv[1], '-t', 'vllm']); "
        "heavy = {'numpy', 'pynvml', 'rich', 'llmplan.catalogs.library', 'llmplan.planner'} & set(sys.modules); "
        "print(heavy or 'light', file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", probe, str(plan_path)], check=True, capture_output=True, text=True)
    assert done.stderr.strip().splitlines()[-1] == "light"


def test_help_names_every_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert tuple(target.id for target in emit.TARGETS) == emit_config.TARGETS
    assert main(["emit-config", "--help"]) == 0
    assert "leaderworkerset" in capsys.readouterr().out
