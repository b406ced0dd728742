"""`cost --chart`: in the terminal, in Markdown, in JSON and as files; what cannot be drawn is refused at once."""

from __future__ import annotations

import io
import json
import os
import sys
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest

import plan_samples
from llmplan.cli import _chart, main
from llmplan.cli._chart import ChartFlags, chart_of
from llmplan.plan.comparisons import Comparisons, Curve
from llmplan.report.cost_answer import CostAnswer
from llmplan.spec.catalog import Catalog

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
SMALL = (
    "cost", LLAMA, "--requests-per-second", "2", "--isl", "1000", "--osl", "300", "--as-of", "2026-11-22",
    "--gpu", "a10", "--gpu", "h100", "--ttft-p95-ms", "2000",
)  # fmt: skip


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")


def refused(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 2) -> str:
    assert main([*SMALL, *argv]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("error:") == 1
    return captured.err


def test_the_chart_is_drawn_after_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--chart", "pareto"]) == 0
    out = capsys.readouterr().out
    assert out.index("Side by side") < out.index(f"{LLAMA}: bill against latency")
    assert "TTFT p95 [ms]" in out
    assert "Prices of 2026-11-22" in out
    assert max(map(len, out.splitlines())) <= 100


def test_without_the_flag_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL]) == 0
    assert "bill against latency" not in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["breakeven", "sensitivity", "timeline"])
def test_what_is_compared_is_computed_and_drawn(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    assert main([*SMALL, "--chart", kind, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    chart = answer["chart"]
    assert chart["empty"] == ""
    assert chart["series"] or chart["bars"]
    if kind == "sensitivity":
        assert [rule["value"] for rule in chart["rules"]] == [answer["usd_per_month"]]
    if kind == "timeline":
        ends = [series["points"][-1]["y"] for series in chart["series"]]
        assert any(end == pytest.approx(36 * answer["usd_per_month"]) for end in ends)


def test_markdown_has_it_as_a_block_of_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--chart", "pareto", "--format", "markdown"]) == 0
    _, _, drawn = capsys.readouterr().out.partition("```text\n")
    block, fence, _ = drawn.partition("\n```\n")
    assert fence
    assert max(map(len, block.splitlines())) <= 80


def test_json_has_its_data_and_no_drawing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--chart", "pareto", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    chart = answer["chart"]
    assert chart["kind"] == "pareto"
    assert chart["x"].keys() == {"label", "unit", "scale", "low", "high"}
    bills = {point["y"] for series in chart["series"] if not series["joined"] for point in series["points"]}
    options = [row for row in (*answer["strategies"], *answer["by_gpu"]) if row["deployment"]]
    assert {row["quote"]["usd_per_month"] for row in options} <= bills


@pytest.mark.parametrize("term", ["dumb", "linux"])
def test_a_terminal_without_braille_gets_ascii(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    monkeypatch.setenv("TERM", term)
    assert main([*SMALL, "--chart", "timeline"]) == 0
    drawn = capsys.readouterr().out.partition("paid or owed over time")[2]
    assert drawn.isascii()


def test_an_encoding_without_braille_gets_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    assert _chart.ascii_only()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert not _chart.ascii_only()


@pytest.mark.parametrize("suffix", [".svg", ".png", ".SVG"])
def test_a_file_is_written_and_said(capsys: pytest.CaptureFixture[str], tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"chart{suffix}"
    assert main([*SMALL, "--chart", "pareto", "--chart-file", str(path)]) == 0
    captured = capsys.readouterr()
    assert captured.err == f"wrote {path}\n"
    assert "bill against latency" not in captured.out
    content = path.read_bytes()
    if suffix == ".png":
        assert content.startswith(b"\x89PNG")
    else:
        assert ElementTree.fromstring(content).tag.endswith("}svg")
    assert os.listdir(tmp_path) == [path.name]


def test_a_file_that_is_there_is_kept_unless_forced(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "chart.svg"
    path.write_text("mine")
    error = refused(capsys, "--chart", "pareto", "--chart-file", str(path), code=1)
    assert "is there already" in error
    assert "--force" in error
    assert path.read_text() == "mine"
    assert main([*SMALL, "--chart", "pareto", "--chart-file", str(path), "--force"]) == 0
    assert path.read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize("name", ["chart.pdf", "chart", "chart.svg.gz"])
def test_other_formats_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    error = refused(capsys, "--chart", "pareto", "--chart-file", str(tmp_path / name))
    assert "ends neither in .svg nor in .png" in error
    assert os.listdir(tmp_path) == []


def test_a_folder_a_missing_folder_and_a_closed_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "is a folder" in refused(capsys, "--chart", "pareto", "--chart-file", str(tmp_path))
    missing = tmp_path / "no" / "chart.svg"
    assert "there is no folder" in refused(capsys, "--chart", "pareto", "--chart-file", str(missing), code=1)


def test_a_write_that_fails_leaves_the_answer_and_nothing_half_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "chart.svg"
    monkeypatch.setattr(os, "fsync", full)
    assert main([*SMALL, "--chart", "pareto", "--chart-file", str(path)]) == 1
    captured = capsys.readouterr()
    assert "No space left" in captured.err
    assert "dedicated" in captured.out
    assert os.listdir(tmp_path) == []


def test_a_file_needs_a_kind_and_a_kind_that_exists(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "which chart?" in refused(capsys, "--chart-file", str(tmp_path / "chart.svg"))
    assert "breakeven" in refused(capsys, "--chart", "pie")


def test_without_matplotlib_the_extra_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    error = refused(capsys, "--chart", "pareto", "--chart-file", str(tmp_path / "chart.svg"))
    assert "pip install 'llmplan[plot]'" in error


def test_a_chart_in_the_terminal_needs_no_matplotlib(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main([*SMALL, "--chart", "pareto"]) == 0
    assert "bill against latency" in capsys.readouterr().out


def test_nothing_feasible_still_exits_3_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("cost", "meta-llama/Llama-3.3-70B-Instruct", "--requests-per-second", "2", "--isl", "1000", "--osl", "300")
    assert main([*argv, "--have", "1x1xt4", "--ttft-p95-ms", "100", "--chart", "pareto"]) == 3
    assert "nothing to draw: nothing here is feasible and priced" in capsys.readouterr().out


def test_what_was_compared_is_what_is_drawn() -> None:
    found = Comparisons(curves=(Curve(label="a", requests_per_s=(1.0, 9.0), usd_per_month=(5.0, 5.0)),))
    answer = CostAnswer(plan=plan_samples.plan(), comparisons=found)

    def never(day: date) -> Catalog:
        raise AssertionError(day)

    assert chart_of(ChartFlags(), answer, never).record() == {}
    drawn = chart_of(ChartFlags(chart="breakeven"), answer, never).record()["chart"]
    assert [series["label"] for series in drawn["series"]] == ["a"]


def test_csv_has_no_place_for_a_drawing_but_takes_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "CSV has no place for a chart" in refused(capsys, "--chart", "pareto", "--format", "csv")
    path = tmp_path / "chart.svg"
    assert main([*SMALL, "--chart", "pareto", "--chart-file", str(path), "--format", "csv"]) == 0
    assert path.stat().st_size > 1000
