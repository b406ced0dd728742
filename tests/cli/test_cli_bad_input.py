"""What people get wrong and what the world does to a command: one clear error, a hint, the right exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmplan.cli import main
from llmplan.cli._console import MAX_WIDTH, width

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
SMALL = ["--requests-per-second", "1", "--isl", "500", "--osl", "100", "--gpu", "l4", "--provider", "aws"]
LENGTHS = ["--isl", "500", "--osl", "100"]


@pytest.fixture(scope="module")
def plan_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "plan.yaml"
    assert main(["recommend", LLAMA, *SMALL, "-o", str(path)]) == 0
    return path


def only_error(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    captured = capsys.readouterr()
    assert captured.err.count("error:") == 1
    assert "Traceback" not in captured.err
    return captured.out, captured.err


@pytest.mark.parametrize(
    ("argv", "code", "message", "hint"),
    [
        (["recommend", "", *SMALL], 2, "the name is empty", "catalog list models"),
        (["memory", os.devnull, "--gpu", "h100"], 2, "not a regular file", "catalog list models"),
        (["recommend", LLAMA, *SMALL, "--engine", "vlm"], 2, "unknown engine 'vlm'", "did you mean vllm"),
        (["recommend", LLAMA, *SMALL, "-o", "-"], 2, "name of a file", "--json"),
        (["recommend", LLAMA, *SMALL, "-o", ""], 2, "name of a file", "-o plan.yaml"),
        (["recommend", LLAMA, *SMALL, "-o", "/nowhere/plan.yaml"], 1, "no folder /nowhere", "mkdir -p"),
        (["recommend", LLAMA, "--requests-per-second", "-1"], 2, "above 0", "llmplan recommend --help"),
        (["recommend", LLAMA, "--requests-per-second", "1e-300", *LENGTHS], 2, "three a year", "--requests-per-minute"),
        (["catalog", "show", "h101"], 2, "unknown entry 'h101'", "did you mean h100"),
        (["memory", LLAMA, "--gpu", "h100", "--tp", "3"], 3, "vllm@0.33.0 will refuse this", "use --tp 1, 2, 4"),
    ],
)
def test_one_error_with_a_hint(
    capsys: pytest.CaptureFixture[str], argv: list[str], code: int, message: str, hint: str
) -> None:
    assert main(argv) == code
    _, error = only_error(capsys)
    assert message in error.partition("hint:")[0]
    assert hint in error.partition("hint:")[2]


def test_a_config_that_cannot_be_read_says_where_a_good_one_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text("{")
    assert main(["memory", str(tmp_path), "--gpu", "h100"]) == 1
    assert "hint: download the file again" in only_error(capsys)[1]
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    assert main(["memory", str(tmp_path), "--gpu", "h100"]) == 1
    assert "hint: use the config.json of the model's own repository" in only_error(capsys)[1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_answer_that_cannot_be_saved_is_shown_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend", LLAMA, *SMALL, "-o", "/dev/full"]) == 1
    answer, error = only_error(capsys)
    assert "five ways to serve it" in answer
    assert "No space left on device" in error


def test_the_budget_that_is_hinted_at_is_enough(capsys: pytest.CaptureFixture[str], plan_path: Path) -> None:
    assert main(["cost", str(plan_path), "--max-usd-per-month", "1"]) == 4
    _, error = only_error(capsys)
    enough = error.partition("hint: --max-usd-per-month ")[2].split()[0]
    assert main(["cost", str(plan_path), "--max-usd-per-month", enough]) == 0


def test_a_plan_keeps_its_prices(capsys: pytest.CaptureFixture[str], plan_path: Path) -> None:
    assert main(["cost", str(plan_path), "--as-of", "2026-11-01"]) == 2
    assert "--as-of cannot change them" in only_error(capsys)[1]


def test_a_plan_edited_by_hand_is_priced_with_force(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, plan_path: Path
) -> None:
    edited = tmp_path / "plan.yaml"
    edited.write_text(plan_path.read_text(encoding="utf-8").replace("requests_per_s: 1.0", "requests_per_s: 1.5", 1))
    assert main(["cost", str(edited)]) == 1
    assert "hint: add --force" in only_error(capsys)[1]
    assert main(["cost", str(edited), "--force"]) == 0


def test_what_several_strategies_buy_is_listed_once(capsys: pytest.CaptureFixture[str], plan_path: Path) -> None:
    assert main(["cost", str(plan_path)]) == 0
    tables = [line for line in capsys.readouterr().out.splitlines() if line.startswith("line ")]
    assert 1 <= len(tables) < 5


@pytest.mark.parametrize(
    "argv", [["--help"], ["memory", LLAMA, "--gpu", "h100"], ["catalog", "list", "gpus", "--json"]]
)
def test_a_closed_stdout_is_not_a_bug(argv: list[str]) -> None:
    command = f"exec {sys.executable} -m llmplan {' '.join(argv)} >&-"
    found = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")


def test_an_absurd_width_is_cut() -> None:
    assert width({"COLUMNS": "100000000"}) == MAX_WIDTH


@pytest.mark.parametrize("listing", [["catalog", "list", "workloads"], ["prices", "show"]])
def test_narrow_tables_do_not_squeeze_a_column_to_letters(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, listing: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(listing) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(len(line.strip()) == 1 for line in lines) < len(lines) / 10


def test_large_loads_are_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", LLAMA, "--gpu", "h100", "--isl", "10", "--osl", "10", "--concurrency", "1000000"]) == 0
    assert "1,000,000 requests always in flight" in capsys.readouterr().out
