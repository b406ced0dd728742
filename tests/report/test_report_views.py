"""The memory, predict and catalogue views, numbers, and the JSON records."""

from __future__ import annotations

import json as stdlib_json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import API, BUDGET, DEDICATED, ESTIMATE, GPU, LOAD, MODEL, PLAN, REJECTION, REPLICA

from llmplan.plan.load import Load
from llmplan.report import entry, json, json_money, markdown, memory, numbers, predict, problems
from llmplan.report.blocks import Column, Row, Table
from llmplan.report.cost_answer import CostAnswer
from llmplan.spec.band import Band
from llmplan.units import GIB, format_bytes, format_seconds


def test_memory_view() -> None:
    text = markdown.render(memory.document(REPLICA, BUDGET, (24 * GIB, "bf16"), DEDICATED.checks, {"weights": "bf16"}))
    for part in (
        "2 × example-24gb · vllm 0.33.0 · TP2 · bf16 weights · bf16 KV",
        "22.00 GiB budget = 92 % of 24.00 GiB",
        "10.00 GiB (9.00–11.00) per GPU",
        "163,840 tokens",
        "80.00 requests of 2,048 tokens at once",
        "PCIe only Fix: prefer NVLink [engine docs]",
        "weights bf16",
    ):
        assert part in text, part


def test_memory_that_does_not_fit() -> None:
    text = markdown.render(memory.document(REPLICA, REJECTION, (24 * GIB, "bf16"), (), {}))
    for part in (
        "Not feasible: the weights do not fit",
        "needed: 30 GiB",
        "fix: --gpu h100-sxm-80gb",
        "The budget that failed",
    ):
        assert part in text, part


def test_predict_view() -> None:
    text = markdown.render(predict.document(REPLICA, LOAD, ESTIMATE, BUDGET, (), {}, explain=True))
    for part in ("200 ms (100–300)", "400 ms (200–600)", "1,000 (900–1,100)", "memory bandwidth", "12 GiB / 600 GB/s"):
        assert part in text, part


def test_an_extrapolation_warns() -> None:
    text = markdown.render(predict.document(REPLICA, LOAD, replace(ESTIMATE, extrapolated=True), BUDGET, (), {}))
    assert "was not fitted on this engine" in text


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("rate", 1.0, "1 request per second"),
        ("concurrency", 16.0, "16 requests always in flight"),
        ("burst", 2.0, "2 requests at once"),
        ("saturation", 0.0, "as many requests as the engine admits"),
    ],
)
def test_loads_in_words(kind: str, value: float, said: str) -> None:
    load = Load(kind=kind, value=value, input_tokens=LOAD.input_tokens, output_tokens=LOAD.output_tokens)  # type: ignore[arg-type]
    assert said in predict.load_line(load)


@given(st.floats(1e-4, 1e4), st.floats(0.1, 1.0), st.floats(1.0, 10.0))
def test_a_band_names_each_unit_it_needs(mid: float, low: float, high: float) -> None:
    value = Band.of(mid, low_ratio=low, high_ratio=high)
    text = numbers.band(value, format_seconds)
    assert text.startswith(format_seconds(mid))
    if not value.is_exact:
        assert text.endswith(")")
        assert "–" in text


def test_an_exact_band_is_one_number() -> None:
    assert numbers.band(Band.exact(2.0 * GIB), format_bytes) == "2.00 GiB"


def test_a_row_has_as_many_cells_as_there_are_columns() -> None:
    with pytest.raises(ValueError, match="1 cells under 2 columns"):
        Table(columns=(Column(title="a"), Column(title="b")), rows=(Row(cells=("1",)),))


def test_records_are_json() -> None:
    records = (
        json.memory(REPLICA, BUDGET, 24 * GIB, 65536.0, DEDICATED.checks, {}),
        json.memory(REPLICA, REJECTION, 24 * GIB, 65536.0, (), {}),
        json.predict(REPLICA, replace(ESTIMATE, ttft_p95_s=math.inf), BUDGET, (), {}),
        json_money.cost(
            CostAnswer(plan=PLAN, by_gpu={"example-24gb": API, "other": REJECTION}, max_usd_per_month=100.0)
        ),
        entry.record("gpu", GPU, None),
        entry.record("model", MODEL, None),
    )
    for record in records:
        stdlib_json.dumps(record, allow_nan=False)
    assert records[2]["ttft_ms_p95"] is None
    assert records[2]["ttft_ms"] == {"low": 100.0, "mid": 200.0, "high": pytest.approx(300.0)}
    assert records[1]["per_gpu"]["weights_bytes"] == 30 * GIB
    assert records[3]["limit"] == {"max_usd_per_month": 100.0, "exceeded": True}


def test_an_entry_shows_values_with_the_units_of_their_names() -> None:
    text = markdown.render(entry.document("gpu", GPU, "here.yaml"))
    for part in ("24.00 GiB", "600 GB/s", "bf16 125 TFLOP/s", "8.6", "here.yaml", "Example data sheet"):
        assert part in text, part


def test_a_model_shows_its_layers() -> None:
    text = markdown.render(entry.document("model", MODEL, None))
    assert "2 × 4 heads on 2 KV heads of 2, dense 16" in text


@dataclass
class Problem:
    severity: str
    path: Path | None
    message: str


def test_problems_lead_with_errors_and_their_file() -> None:
    found = [
        Problem("warning", None, "old"),
        Problem("error", Path("a.yaml"), "a.yaml:3: bad"),
        Problem("error", Path("b"), "worse"),
    ]
    text = markdown.render(problems.document(found))
    assert text.index("a.yaml:3: bad") < text.index("old")
    assert "b: worse" in text
    assert "a.yaml: a.yaml" not in text
    assert "2 errors, 1 warnings" in text
