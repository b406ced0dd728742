"""`calibrate` as it is typed: what it prints, what it writes, and that predictions then use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmplan.cli import main

MODEL, GPU = "Qwen/Qwen3-0.6B", "l4-24gb"
ID = "vllm-l4-24gb-qwen-qwen3-0.6b"
LOADS = ((1, 200, 200), (8, 1000, 300), (64, 500, 200))
LOAD_FLAGS = ("--isl", "800", "--osl", "250", "--concurrency", "16")
SLOWER = 1.6
"""our machine's times over the shipped predictions"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without profiles."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("LLMPLAN_CATALOG", "LLMPLAN_GPU", "LLMPLAN_ENGINE", "LLMPLAN_FORMAT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "config" / "llmplan" / "profiles" / "calibration"


def ask(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    assert main([*argv, "--json"]) == code, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def error(capsys: pytest.CaptureFixture[str], *argv: str, code: int) -> str:
    assert main(["calibrate", *argv]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def predicted(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    return ask(capsys, "predict", MODEL, "--gpu", GPU, *argv)


@pytest.fixture
def rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Three loads that our machine serves SLOWER than predicted."""
    lines = []
    for users, isl, osl in LOADS:
        found = predicted(capsys, "--isl", str(isl), "--osl", str(osl), "--concurrency", str(users))
        row = {"isl": isl, "osl": osl, "concurrency": users}
        row |= {name: found[name]["mid"] * SLOWER for name in ("tpot_ms", "ttft_ms")}
        lines.append(json.dumps(row))
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_profile_is_written_and_used_from_then_on(
    rows: Path, own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = predicted(capsys, *LOAD_FLAGS)
    assert before["calibration"]["id"] == "vllm-ada"
    found = ask(capsys, "calibrate", str(rows), "--model", MODEL, "--gpu", "l4")
    assert found["schema"] == "llmplan.calibrate/v1"
    assert found["written"] == str(own_folder / f"{ID}.yaml")
    assert {key: found["calibration"][key] for key in ("id", "gpu", "model", "prior", "points")} == {
        "id": ID, "gpu": GPU, "model": MODEL, "prior": "vllm-ada", "points": 3,
    }  # fmt: skip
    errors = found["errors"]
    assert errors["before"]["tpot_ms"]["median_relative"] == pytest.approx(1 - 1 / SLOWER)
    assert errors["after"]["tpot_ms"]["median_relative"] < 0.1
    assert errors["left_out"]["tpot_ms"]["median_relative"] < 0.2
    after = predicted(capsys, *LOAD_FLAGS)
    assert after["calibration"] == {"id": ID, "extrapolated": False}
    assert after["tpot_ms"]["mid"] == pytest.approx(SLOWER * before["tpot_ms"]["mid"], rel=0.12)
    plan = ask(capsys, "recommend", MODEL, "--gpu", GPU, "--requests-per-second", "1", "--isl", "800", "--osl", "250")
    dedicated = next(row for row in plan["strategies"] if row["strategy"] == "dedicated")
    assert dedicated["estimate"]["calibration_id"] == ID
    assert main(["catalog", "check"]) == 0
    assert main(["predict", MODEL, "--gpu", GPU, *LOAD_FLAGS]) == 0
    assert f"calibration    {ID}" in capsys.readouterr().out


def test_another_gpu_and_another_model_are_left_alone(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask(capsys, "calibrate", str(rows), "--model", MODEL, "--gpu", "l4")
    other_gpu = ask(capsys, "predict", MODEL, "--gpu", "l40s", *LOAD_FLAGS)
    other_model = ask(capsys, "predict", "Qwen/Qwen2.5-0.5B", "--gpu", "l4", *LOAD_FLAGS)
    assert {found["calibration"]["id"] for found in (other_gpu, other_model)} == {"vllm-ada"}
    found = ask(capsys, "calibrate", str(rows), "--model", MODEL, "--gpu", "l4", "--any-model")
    assert found["calibration"]["model"] is None
    assert (
        ask(capsys, "predict", "Qwen/Qwen2.5-0.5B", "--gpu", "l4", *LOAD_FLAGS)["calibration"]["id"] == "vllm-l4-24gb"
    )


def test_a_second_calibration_starts_from_the_shipped_one_again(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("calibrate", str(rows), "--model", MODEL, "--gpu", "l4")
    first = ask(capsys, *argv)
    assert "is there already" in error(capsys, *argv[1:], code=1)
    again = ask(capsys, *argv, "--force")
    assert again["calibration"] == first["calibration"]


def test_a_file_of_ones_own_counts_in_a_catalog_folder(
    rows: Path, tmp_path: Path, own_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "team" / "calibration" / f"{ID}.yaml"
    target.parent.mkdir(parents=True)
    ask(capsys, "calibrate", str(rows), "--model", MODEL, "--gpu", "l4", "-o", str(target))
    assert not own_folder.exists()
    assert predicted(capsys, *LOAD_FLAGS)["calibration"]["id"] == "vllm-ada"
    assert predicted(capsys, *LOAD_FLAGS, "--catalog", str(tmp_path / "team"))["calibration"]["id"] == ID
    monkeypatch.setenv("LLMPLAN_CATALOG", str(tmp_path / "team"))
    assert predicted(capsys, *LOAD_FLAGS)["calibration"]["id"] == ID


def test_a_dry_run_shows_the_error_and_writes_nothing(
    rows: Path, own_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for columns in (80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert main(["calibrate", str(rows), "--model", MODEL, "--gpu", "l4", "--dry-run", "--explain"]) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        assert max(map(len, captured.out.splitlines())) <= columns
        for part in (
            f"Calibration {ID}",
            "before",
            "left out",
            "Coefficients that moved",
            "Every point",
            "80 % interval",
        ):
            assert part in " ".join(captured.out.split())
    assert not own_folder.exists()


def test_a_log_beside_the_results_sets_the_replica(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "server.log"
    log.write_text(
        "Initializing a V1 LLM engine (v0.30.0) with config: max_seq_len=4096, tensor_parallel_size=2\n"
        "Available KV cache memory: 4.00 GiB\n",
        encoding="utf-8",
    )
    found = ask(capsys, "calibrate", str(rows), str(log), "--model", MODEL, "--gpu", "l4", "--dry-run")
    assert found["calibration"]["validity"].endswith("bf16 TP2; vllm@0.30.0")
    said = ask(capsys, "calibrate", str(rows), str(log), "--model", MODEL, "--gpu", "l4", "--tp", "1", "--dry-run")
    assert said["calibration"]["validity"].endswith("bf16 TP1; vllm@0.30.0")
    assert said["notes"] == ["server.log says tp 2; --tp 1 counts"]


def test_metrics_need_a_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, labels = tmp_path / "metrics.txt", 'model_name="m"'
    sums = {
        "request_prompt_tokens": 400.0, "request_generation_tokens": 200.0, "time_to_first_token_seconds": 0.2,
        "request_time_per_output_token_seconds": 0.02,
    }  # fmt: skip
    text = "".join(
        f"vllm:{key}_sum{{{labels}}} {each}\nvllm:{key}_count{{{labels}}} 2.0\n" for key, each in sums.items()
    )
    name.write_text(text, encoding="utf-8")
    argv = (str(name), "--model", MODEL, "--gpu", "l4", "--dry-run")
    assert "--concurrency N" in error(capsys, *argv, code=2)
    found = ask(capsys, "calibrate", *argv, "--concurrency", "4")
    loads = {json.dumps(point["load"]) for point in found["points"]}
    assert loads == {'{"kind": "concurrency", "value": 4.0}'}
    assert {point["quantity"]: point["measured"] for point in found["points"]} == pytest.approx(
        {"ttft_ms": 100.0, "tpot_ms": 10.0}
    )


def test_impossible_and_broken_points_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "odd.jsonl"
    rows = (
        {"id": "good", "isl": 100, "osl": 100, "concurrency": 1, "tpot_ms": 9.0},
        {"id": "fast", "isl": 100, "osl": 100, "concurrency": 1, "tpot_ms": 0.1},
        {"id": "bad", "isl": 100, "osl": 100, "concurrency": -1, "tpot_ms": 9.0},
        {"id": "long", "isl": 10_000_000, "osl": 100, "concurrency": 1, "tpot_ms": 9.0},
        {"id": "flag", "isl": 100, "osl": 100, "concurrency": 1, "tpot_ms": 9.0, "tpp": 2},
    )
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = ask(capsys, "calibrate", str(path), "--model", MODEL, "--gpu", "l4", "--dry-run")
    assert {point["point"] for point in found["points"]} == {"odd.jsonl good"}
    reasons = {text.split(":")[0].removeprefix("odd.jsonl "): text for text in found["skipped"]}
    assert set(reasons) == {"fast", "bad", "long", "flag"}
    assert "speculative decoding" in reasons["fast"]
    assert "context of" in reasons["long"]
    assert "unknown key 'tpp'" in reasons["flag"]


@pytest.mark.parametrize(
    ("row", "argv", "message", "code"),
    [
        ({}, (), "which model? --model is missing", 2),
        ({}, ("--model", MODEL), "which GPU? --gpu is missing", 2),
        ({}, ("--model", "nobody/nothing", "--gpu", "l4"), "unknown model", 2),
        ({"isl": 0}, ("--model", MODEL, "--gpu", "l4"), "isl and osl are tokens", 1),
        ({"tpot_ms": 0.01}, ("--model", MODEL, "--gpu", "l4"), "faster than l4-24gb can serve", 1),
        ({}, ("--model", "deepseek-ai/DeepSeek-R1", "--gpu", "l4"), "do not fit", 3),
        ({}, ("--model", MODEL, "--gpu", "l4", "--rate", "1", "--concurrency", "1"), "not both", 2),
        ({}, ("--model", MODEL, "--gpu", "l4", "-o", "absent/x.yaml"), "there is no folder absent", 1),
        ({}, ("--model", MODEL, "--gpu", "l4", "-o", "-"), "--output needs the name of a file", 2),
    ],
)
def test_what_stops_it(
    row: dict[str, Any], argv: tuple[str, ...], message: str, code: int, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = tmp_path / "row.jsonl"
    path.write_text(json.dumps({"isl": 100, "osl": 100, "concurrency": 1, "tpot_ms": 9.0} | row), encoding="utf-8")
    assert message in error(capsys, str(path), *argv, code=code)


def test_several_machines_at_once_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "two.jsonl"
    row = {"isl": 100, "osl": 100, "concurrency": 1, "tpot_ms": 9.0}
    path.write_text("\n".join(json.dumps(row | {"gpu": gpu}) for gpu in ("l4", "t4")), encoding="utf-8")
    message = error(capsys, str(path), "--model", MODEL, code=2)
    assert "several GPUs: l4-24gb, t4-16gb" in message


def test_an_unknown_file_is_refused_with_what_was_expected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("nothing here", encoding="utf-8")
    message = error(capsys, str(path), "--model", MODEL, "--gpu", "l4", code=1)
    assert message.startswith("error: notes.txt: text, and no benchmark result that is known here")
    assert "hint: expected guidellm report (JSON)" in message
