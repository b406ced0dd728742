"""The accuracy page: errors as they are defined, rows sorted out and counted, guesses that follow from the row."""

from __future__ import annotations

import csv
import importlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.calibrations import load_calibrations
from llmplan.errors import LlmplanError
from llmplan.perf import estimate, select_calibration

SCRIPTS = Path(__file__).parents[2] / "scripts"
ROW = {
    "row_id": "a", "source_id": "somebody", "engine": "vLLM", "engine_version": "0.11.0", "quantization": "bf16",
    "gpus_total": "1", "tp": "1", "isl": "1000", "osl": "300", "load_kind": "concurrency", "load_value": "8",
    "ttft_ms_mean": "100", "tpot_ms_mean": "10", "output_tok_s_total": "700", "gpu_key": "H100-SXM",
    "model_key": "llama-3-8b",
}  # fmt: skip
ROWS: tuple[dict[str, str], ...] = (
    {},
    {"row_id": "b", "gpu_key": "Etched Sohu"},
    {"row_id": "c", "model_key": "a model nobody has seen"},
    {"row_id": "d", "notes": "wip=True"},
    {"row_id": "e", "quantization": "a format of its own"},
    {"row_id": "f", "ttft_ms_mean": "", "tpot_ms_mean": "nan", "output_tok_s_total": "-1"},
    {"row_id": "g", "gpu_key": "T4"},
    {"row_id": "h", "load_value": "1", "source_id": "other", "tpot_ms_mean": "2"},
)
"""16 GB of weights at 3.35 TB/s take 4.8 ms: 2 ms per token are impossible; a T4 has 16 GB for 16 GB of weights"""


def script(name: str) -> ModuleType:
    if str(SCRIPTS) not in sys.path:
        sys.path.insert(0, str(SCRIPTS))
    return importlib.import_module(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One table, as the accuracy script expects it."""
    write(tmp_path / "throughput.csv", ROWS)
    return tmp_path


def write(path: Path, changes: tuple[dict[str, str], ...], *without: str) -> None:
    columns = [name for name in script("speed_accuracy.rows").COLUMNS if name not in without]
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns, extrasaction="ignore")
        table.writeheader()
        table.writerows([ROW | change for change in changes])


def shipped(folder: Path) -> list[Any]:
    found = script("speed_accuracy.rows").read_table(folder / "throughput.csv")
    scores, overrun = script("speed_accuracy.score").as_shipped(found.cases, load_calibrations((packaged_profiles(),)))
    assert overrun == []
    return list(scores)


def test_every_row_is_predicted_or_counted_with_its_reason(folder: Path) -> None:
    found = script("speed_accuracy.rows").read_table(folder / "throughput.csv")
    fates = {each.row_id: (each.fate, each.reason) for each in found.unused}
    assert found.rows == len(ROWS)
    assert sorted([*fates, *(case.row_id for case in found.cases)]) == sorted("abcdefgh")
    assert fates["b"][0] == fates["c"][0] == "outside"
    assert fates["d"] == ("excluded", "marked doubtful in the table")
    assert fates["e"] == ("declined", "weight format 'a format of its own'")
    assert fates["f"] == ("excluded", "nothing measured that is predicted")
    assert fates["g"] == ("declined", "the weights do not fit one NVIDIA T4")
    assert fates["h"][0] == "excluded"
    assert fates["h"][1] == "faster than its weights can be read"
    answered = len(found.cases)
    assert found.answered_share == answered / (answered + sum(fate == "declined" for fate, _ in fates.values()))


def test_a_row_is_scored_by_what_predict_says(folder: Path) -> None:
    scores = {score.quantity: score for score in shipped(folder) if score.case.row_id == "a"}
    case = scores["tpot"].case
    calibration = select_calibration(load_calibrations((packaged_profiles(),)), case.replica.engine, case.replica.gpu)
    said = estimate(case.replica, case.memory, case.load, calibration)
    assert scores["tpot"].predicted == said.tpot_s.mid
    assert scores["tpot"].signed == pytest.approx(said.tpot_s.mid / 0.010 - 1)
    assert scores["tpot"].is_covered == (said.tpot_s.low <= 0.010 <= said.tpot_s.high)
    assert scores["throughput"].predicted == said.output_tokens_per_s.mid
    assert scores["e2e"].measured == pytest.approx(0.100 + 299 * 0.010)
    assert scores["e2e"].predicted == pytest.approx(said.ttft_s.mid + 299 * said.tpot_s.mid)


def test_errors_are_shares_of_the_measurement(folder: Path) -> None:
    module = script("speed_accuracy.score")
    one = next(score for score in shipped(folder) if score.quantity == "tpot")
    scores = [
        replace(one, measured=1.0, predicted=predicted, low_ratio=0.8, high_ratio=1.1) for predicted in (0.5, 1.1, 1.2)
    ]
    errors = module.errors_of(scores)
    assert errors.median == pytest.approx(0.2)  # of 0.5, 0.1, 0.2
    assert errors.mean == pytest.approx(0.8 / 3)
    assert errors.bias == pytest.approx(0.1)  # of -0.5, 0.1, 0.2
    assert errors.p90 == pytest.approx(0.2 + 0.8 * 0.3)
    assert errors.covered == pytest.approx(2 / 3)  # 1 / 0.5 is above 1.1; 1 / 1.1 and 1 / 1.2 are above 0.8
    assert module.errors_of([]) is None


def test_left_out_middles_keep_the_printed_band(folder: Path) -> None:
    module = script("speed_accuracy.score")
    scores = [score for score in shipped(folder) if score.case.row_id == "a"]
    case = scores[0].case
    ratios = [(case, "tpot", 2.0), (case, "ttft", 0.5), (case, "tpot", 4.0)]
    first, second = module.by_turns(ratios)
    assert second == [(case, "tpot", 4.0)]
    found = {score.quantity: score for score in module.left_out(scores, first)}
    assert set(found) == {"tpot", "ttft", "e2e"}
    assert found["tpot"].predicted == pytest.approx(0.005)
    assert found["e2e"].predicted == pytest.approx(0.100 / 0.5 + 299 * 0.010 / 2.0)
    own = next(score for score in scores if score.quantity == "tpot")
    assert found["tpot"].high_ratio == own.high_ratio
    assert found["tpot"].is_covered == (own.high_ratio >= 2.0)


def test_deciles_keep_equal_loads_together(folder: Path) -> None:
    case = next(score.case for score in shipped(folder) if score.case.row_id == "a")
    cases = [replace(case, load=replace(case.load, value=float(users))) for users in [1] * 50 + [2] * 30 + [64] * 20]
    label = script("speed_accuracy.groups").decile_of(cases)
    assert [label(cases[index]) for index in (0, 49, 50, 99)] == ["1", "1", "2", "64"]
    assert label(replace(case, load=replace(case.load, kind="rate"))) is None
    assert script("speed_accuracy.groups").decile_of([])(case) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"load_kind": "qps", "load_value": "20"}, "of the predicted capacity"),
        ({"load_value": "64", "ttft_ms_mean": "8000"}, "decoded"),
        ({"tpot_ms_mean": "5"}, "speculative decoding"),
        ({"load_value": "500", "isl": "8000", "osl": "1", "tpot_ms_mean": ""}, "KV cache for"),
        ({"engine_version": "0.6.4", "tpot_ms_mean": "50"}, "before today's scheduler"),
        ({"tpot_ms_mean": "9"}, "no rule applies"),
    ],
)
def test_a_guess_follows_from_the_row(folder: Path, change: dict[str, str], said: str) -> None:
    write(folder / "throughput.csv", (change,))
    score = shipped(folder)[0]
    assert said in script("speed_accuracy.guesses").guess(score)


def test_bars_are_judged_by_the_first_view(folder: Path) -> None:
    module = script("speed_accuracy.bars")
    found = script("speed_accuracy.rows").read_table(folder / "throughput.csv")
    one = next(score for score in shipped(folder) if score.quantity == "tpot")
    good, bad = replace(one, predicted=1.10 * one.measured), replace(one, predicted=1.30 * one.measured)
    (met,) = [line for line in module.table({"x": [good], "y": [bad]}, found) if line.startswith("| TPOT |")]
    (missed,) = [line for line in module.table({"y": [bad], "x": [good]}, found) if line.startswith("| TPOT |")]
    assert met.endswith("| median 10 %, mean 10 % (1) | median 30 %, mean 30 % (1) | yes |")
    assert missed.endswith("| **no** |")


def test_any_table_is_scored_without_a_fit(folder: Path) -> None:
    """As users run it: unknown columns, a missing one, and the tables on stdout."""
    write(folder / "mine.csv", (*ROWS, {"row_id": "z", "load_value": "16"}), "repeat_no", "trust")
    run = run_script(folder, folder / "mine.csv")
    assert run.returncode == 0, run.stderr
    assert f"Of {len(ROWS) + 1} rows 2 are predicted, 2 are declined, 3 are excluded by a written rule" in run.stdout
    assert "| a model nobody has seen on H100-SXM | 1 | c |" in run.stdout
    assert "Columns that the table lacks are taken as empty: trust, repeat_no." in run.stdout
    assert "model left out" not in run.stdout


def test_a_file_that_is_no_such_table_is_refused(folder: Path) -> None:
    (folder / "other.csv").write_text("name,value\nx,1\n", encoding="utf-8")
    run = run_script(folder, folder / "other.csv")
    assert run.returncode == 1
    assert "no column gpu_key, model_key" in run.stderr
    with pytest.raises(LlmplanError, match="no column"):
        script("speed_accuracy.rows").read_table(folder / "other.csv")


def run_script(folder: Path, table: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"LLMPLAN_DATA": str(folder)}
    command = [sys.executable, str(SCRIPTS / "accuracy.py"), "--rows", str(table)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
