"""`workload describe` and `workload generate`."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path

import pytest

from llmplan.catalogs.workloads import read_workload_file
from llmplan.cli import main
from llmplan.cli._parse import duration
from llmplan.errors import UsageError

HEADER = "arrival_s,input_tokens,output_tokens\n"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "code.csv"
    assert main(["workload", "generate", "azure-code", "--duration", "2h", "--seed", "3", "-o", str(path)]) == 0
    return path


def out(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["workload", *argv]) == code
    return capsys.readouterr().out


def err(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 1) -> str:
    capsys.readouterr()
    assert main(["workload", *argv]) == code
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert captured.out == ""
    return captured.err


@pytest.mark.parametrize("width", ["80", "120"])
def test_describe_prints_every_figure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, trace: Path, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    text = out(capsys, "describe", str(trace))
    assert max(map(len, text.splitlines())) <= int(width)
    for word in (
        "requests per second",
        "coefficient of variation",
        "busiest minute",
        "minutes without a request",
        "p99",
    ):
        assert word in text
    assert "| tokens |" in out(capsys, "describe", str(trace), "--format", "markdown")


def test_describe_as_json(capsys: pytest.CaptureFixture[str], trace: Path) -> None:
    found = json.loads(out(capsys, "describe", str(trace), "--json"))
    assert found["schema"] == "llmplan.workload.describe/v1"
    rows = trace.read_text().splitlines()[1:]
    assert found["requests"] == len(rows)
    assert found["input_tokens"]["max"] == max(int(row.split(",")[1]) for row in rows)
    assert [each["bin_s"] for each in found["bins"]] == [1, 10, 60, 600, 3600]
    assert found["bad_rows"] == {"rows": len(rows), "used": len(rows), "problems": []}


def test_a_workload_file_is_written_taken_by_recommend_and_generates(
    capsys: pytest.CaptureFixture[str], trace: Path, tmp_path: Path
) -> None:
    path = tmp_path / "code.yaml"
    out(capsys, "describe", str(trace), "-o", str(path))
    workload = read_workload_file(path)
    assert workload.traffic is not None
    assert workload.requests_per_s == pytest.approx(len(trace.read_text().splitlines()) / 7200, rel=0.02)
    assert "exists" in err(capsys, "describe", str(trace), "-o", str(path))
    out(capsys, "describe", str(trace), "-o", str(path), "--force")
    made = out(capsys, "generate", str(path), "--requests", "100")
    assert len(made.splitlines()) == 101
    argv = ["recommend", "meta-llama/Llama-3.1-8B-Instruct", "--workload", str(path), "--gpu", "l4", "--json"]
    assert main(argv) == 0
    asked = json.loads(capsys.readouterr().out)["question"]
    assert json.dumps(asked).count("idle_share")


def test_the_same_seed_gives_the_same_bytes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def made(name: str, seed: int, workload: str = "azure-code") -> bytes:
        path = tmp_path / name
        out(capsys, "generate", workload, "--requests", "500", "--seed", str(seed), "-o", str(path), "--force")
        return path.read_bytes()

    assert made("a.csv", 1) == made("b.csv", 1) != made("c.csv", 2)
    assert made("a.csv.gz", 1) == made("b.csv.gz", 1)
    assert (
        gzip.decompress(made("a.csv.gz", 1))
        == made("a.csv", 1)
        == out(capsys, "generate", "azure-code", "--requests", "500", "--seed", "1").encode()
    )
    lines = made("m.jsonl", 1, "mooncake").decode().splitlines()
    assert len(lines) == 500
    assert set(json.loads(lines[0])) == {"arrival_s", "input_tokens", "output_tokens", "block_tokens", "block_ids"}
    found = json.loads(out(capsys, "describe", str(tmp_path / "m.jsonl"), "--json"))
    assert found["prefixes"]["hit_share"] > 0
    assert not list(tmp_path.glob(".*.part"))


def test_csv_says_that_it_leaves_shared_prefixes_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["workload", "generate", "mooncake", "--requests", "3"]) == 0
    assert "-o FILE.jsonl" in capsys.readouterr().err


def test_rates_become_traffic(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_text("ts,requests_per_second\n0,1\n600,0\n1200,2\n")
    assert json.loads(out(capsys, "describe", str(path), "--json"))["bins"][0] == {
        "bin_s": 600, "bins": 3, "peak_to_mean": 2, "idle_share": pytest.approx(1 / 3)
    }  # fmt: skip
    assert "--isl" in err(capsys, "generate", str(path), code=2)
    rows = out(capsys, "generate", str(path), "--isl", "10", "--osl", "5", "--duration", "30min").splitlines()[1:]
    times = [float(row.split(",")[0]) for row in rows]
    assert not [time for time in times if 600 <= time < 1200]
    assert len(times) == pytest.approx(1800, rel=0.1)
    out(capsys, "describe", str(path), "--isl", "10", "--osl", "5", "-o", str(tmp_path / "r.yaml"))
    again = out(capsys, "generate", str(tmp_path / "r.yaml"), "--duration", "30min")
    assert len(again.splitlines()) == len(rows) + 1


def test_bad_rows_are_one_error_or_one_warning(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(f"{HEADER}0,1,0\n1,x,4\n2,4,4\n3,5,4\n")
    message = err(capsys, "describe", str(path))
    assert message.count("error:") == 1
    assert "2 of 4 rows" in message
    assert "--bad-rows skip" in message
    found = json.loads(out(capsys, "describe", str(path), "--bad-rows", "clip", "--json"))
    assert found["bad_rows"]["problems"] == [
        {"kind": "not a number", "rows": 1, "mended": 0, "first_line": 3},
        {"kind": "no output tokens", "rows": 1, "mended": 1, "first_line": 2},
    ]
    assert main(["workload", "describe", str(path), "--bad-rows", "skip"]) == 0
    captured = capsys.readouterr()
    assert "warning: of 4 rows, 2 left out" in captured.err
    assert "could not be used" in captured.out
    found = json.loads(out(capsys, "describe", str(path), "--bad-rows", "skip", "--max-request-tokens", "8", "--json"))
    assert found["requests"] == 1


def test_stdin_and_named_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO(b"when,p,g,who\n10,5,6,a\n20,7,8,b\n40,7,8,b\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(raw)))  # type: ignore[type-var]
    columns = [f"--column={each}" for each in ("arrival=when", "input=p", "output=g", "tenant=who")]
    found = json.loads(out(capsys, "describe", "-", *columns, "--time-unit", "ms", "--json"))
    assert found["duration_s"] == pytest.approx(0.03)
    assert [(each["tenant"], each["request_share"]) for each in found["tenants"]] == [
        ("b", pytest.approx(2 / 3)),
        ("a", pytest.approx(1 / 3)),
    ]


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("describe", "/nowhere/at/all.csv"), 1, "No such file"),
        (("describe", "/"), 1, "directory"),
        (("generate", "azure-cod"), 2, "did you mean azure-code"),
        (("generate", "/nowhere.yaml"), 2, "no such file"),
        (("generate", "/nowhere.csv"), 1, "no such file"),
        (("generate", "sharegpt-chat"), 2, "--requests-per-second"),
        (("generate", "azure-code", "--requests", "0"), 2, "--requests must be"),
        (("generate", "azure-code", "--duration", "soon"), 2, "30min"),
        (("generate", "azure-code", "--seed", "-1"), 2, "--seed must be"),
        (("generate", "azure-code", "--rate-scale", "0"), 2, "--rate-scale must be"),
        (("generate", "azure-code", "-o", "/nowhere/x.csv"), 1, "/nowhere"),
        (("describe", "-", "--column", "inptu=x"), 2, "did you mean --column input=x"),
        (("describe", "-", "--bad-rows", "ignore"), 2, "refuse, skip, clip"),
    ],
)
def test_mistakes_are_one_clear_error(
    capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], code: int, words: str
) -> None:
    message = err(capsys, *argv, code=code)
    assert message.startswith("error:")
    assert words in message


def test_lengths_and_rate_may_be_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    rows = out(capsys, "generate", "mooncake", "--isl", "3000", "--requests-per-second", "50", "--requests", "2000")
    cells = [row.split(",") for row in rows.splitlines()[1:]]
    assert sum(int(each[1]) for each in cells) / len(cells) == pytest.approx(3000, rel=0.05)
    assert float(cells[-1][0]) == pytest.approx(40, rel=0.15)


def test_durations() -> None:
    parse = duration("--x")
    assert [parse(text) for text in ("3s", "1.5h", "2 d", "250ms", "90")] == [3, 5400, 172_800, 0.25, 90]
    for text in ("", "h", "-3s", "0", "1y", "nan", "1e99d", "3 s s"):
        with pytest.raises(UsageError):
            parse(text)
