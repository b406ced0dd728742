"""`recommend` on the requests of a trace, and on requests made like a workload's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmplan.cli import main

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
FEW = ("--gpu", "l4", "--privacy", "private", "--weights", "fp8", "--as-of", "2026-11-22", "--ttft-p95-ms", "2000")


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes with a request each two seconds, alternating between two tenants."""
    path = tmp_path_factory.mktemp("trace") / "chat.csv"
    rows = [f"{2.0 * row},{500 + row},{100 + row % 7},team-{row % 2}" for row in range(300)]
    path.write_text("\n".join(["arrival_s,input_tokens,output_tokens,tenant", *rows]) + "\n")
    return path


def ask(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    assert main(["recommend", LLAMA, *argv, "--json"]) == code, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def fails(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["recommend", LLAMA, *argv]) in (1, 2)
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err


def test_every_row_is_judged_on_the_requests_of_the_trace(capsys: pytest.CaptureFixture[str], trace: Path) -> None:
    found = ask(capsys, *FEW, "--trace", str(trace))
    seen = found["over_time"]
    assert (seen["trace"], seen["requests"], seen["duration_s"]) == ("chat.csv", 300, 598.0)
    assert seen["requests_per_s"] == pytest.approx(300 / 598.0)
    assert [strategy for strategy, _ in seen["replays"]] == [row["strategy"] for row in found["strategies"]]
    workload = found["question"]["workload"]
    assert workload["requests_per_s"] == pytest.approx(300 / 598.0)
    assert workload["input_tokens"]["mean"] == pytest.approx(500 + 299 / 2)
    assert workload["tenants"] == 2
    dedicated = dict(seen["replays"])["dedicated"]["taken"]
    assert dedicated["keeps"]
    assert dedicated["ttft_s"]["p95"] <= 2.0
    assert dedicated["ttft_s"]["p95_low"] <= dedicated["ttft_s"]["p95"] <= dedicated["ttft_s"]["p95_high"]


def test_the_table_names_fleets_and_crossings(capsys: pytest.CaptureFixture[str], trace: Path) -> None:
    assert main(["recommend", LLAMA, *FEW, "--trace", str(trace)]) == 0
    said = capsys.readouterr().out
    for words in ("On the trace", "chat.csv: 300 requests", "within all", "Where they cross", "costs less than"):
        assert words in said


def test_the_plan_file_keeps_what_was_seen(capsys: pytest.CaptureFixture[str], trace: Path, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    assert main(["recommend", LLAMA, *FEW, "--trace", str(trace), "-o", str(path)]) == 0
    stored = yaml.safe_load(path.read_text())
    assert stored["over_time"]["trace"] == "chat.csv"
    capsys.readouterr()
    assert main(["cost", str(path), "--as-of", "2026-11-22"]) in (0, 2)


def test_traffic_is_made_where_there_is_no_trace(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--requests-per-second", "0.5", "--isl", "600", "--osl", "100", "--over", "20m")
    found = ask(capsys, *FEW, *flags)
    again = ask(capsys, *FEW, *flags)
    other = ask(capsys, *FEW, *flags, "--seed", "7")
    assert found["over_time"] == again["over_time"] != other["over_time"]
    assert found["over_time"]["duration_s"] == 1200.0
    assert found["over_time"]["requests"] == pytest.approx(600, abs=100)
    assert found["question"]["workload"]["requests_per_s"] == pytest.approx(found["over_time"]["requests"] / 1200)


def test_several_traces_are_one_tenant_each(capsys: pytest.CaptureFixture[str], trace: Path, tmp_path: Path) -> None:
    other = tmp_path / "batch.csv"
    other.write_text("arrival_s,input_tokens,output_tokens\n" + "".join(f"{row * 10},900,50\n" for row in range(60)))
    found = ask(capsys, *FEW, "--trace", str(trace), "--trace", str(other))
    seen = found["over_time"]
    assert seen["trace"] == "chat.csv + batch.csv"
    assert seen["requests"] == 360
    assert found["question"]["workload"]["tenants"] == 2
    shared = dict(seen["replays"])["multi_tenant"]
    fleets = [run["fleet"] for run in shared["others"]]
    assert any("tenants taking turns" in fleet for fleet in fleets)
    assert any("one deployment for each of 2 tenants" in fleet for fleet in fleets)
    assert shared["taken"]["worst_tenant_ttft_p95_s"] > 0


def test_flags_that_a_trace_answers_are_refused(capsys: pytest.CaptureFixture[str], trace: Path) -> None:
    said = fails(capsys, "--trace", str(trace), "--isl", "100", "--workload", "azure-code")
    assert "--isl, --workload cannot change them" in said or "--workload, --isl cannot change them" in said
    assert "--over makes some" in fails(capsys, "--trace", str(trace), "--over", "1h")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "chat.csv"),
        ("arrival_s,input_tokens,output_tokens\n", "holds no requests"),
        ("arrival_s,input_tokens,output_tokens\n0,10,10\n", "two requests or more"),
        ("arrival_s,input_tokens,output_tokens\n0,10,10\n5,10,0\n1,10,5\n", "--bad-rows"),
        ("arrival_s,input_tokens,output_tokens\n0,10,10\n1,900000,5\n", "--bad-rows"),
        ("a,b\n1,2\n", "--column"),
    ],
)
def test_a_bad_trace_is_one_clear_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str, words: str
) -> None:
    path = tmp_path / "chat.csv"
    path.write_text(content)
    assert words in fails(capsys, "--trace", str(path))


def test_too_much_made_traffic_is_refused_before_it_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    said = fails(capsys, "--requests-per-second", "5000", "--isl", "10", "--osl", "10", "--over", "7d")
    assert "too many" in said
    assert "--over 0.28h" in said
    assert "closed loop" in fails(capsys, "--concurrency", "4", "--isl", "10", "--osl", "10", "--over", "7d")
