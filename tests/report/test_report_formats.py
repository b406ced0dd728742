"""Formats side by side, as a table, as Markdown and as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date

import pytest
from report_samples import BUDGET, DEDICATED, ESTIMATE, LOAD, REPLICA

from llmplan.plan.format_rows import FormatComparison, FormatRow, FormatSpeed, Stretch
from llmplan.report import formats, json_formats, markdown
from llmplan.spec.formats import FormatQuality, QualityFigure, QualityStatement, SpeedFigure
from llmplan.spec.provenance import Provenance, Source

CARD = Source(id="card", title="Model card", url="https://example.org/card", retrieved=date(2026, 11, 20))
BLOG = Source(id="blog", title="Blog", url="https://example.org/blog", retrieved=date(2026, 11, 20))
QUALITY = FormatQuality(
    relative_change=-0.011,
    worst_change=-0.0566,
    measurements=2,
    provenance=(Provenance(source=BLOG, as_of=date(2026, 11, 20), kind="measured"),),
    figures=(
        QualityFigure(change=-0.011, model="Big-70B", metric="MMLU", source=BLOG),
        QualityFigure(change=-0.0566, model="Small-8B", metric="MMLU", source=BLOG),
    ),
    speeds=(
        SpeedFigure(
            ratio=0.75, gpu="Example card", gpu_id="example-24gb", model="Small-8B", engine="vllm 0.9", requests=64,
            input_tokens=2048, output_tokens=128, source=BLOG,
        ),
        SpeedFigure(
            ratio=1.46, gpu="Other card", model="Small-8B", engine="vllm 0.9", requests=1000, input_tokens=217,
            output_tokens=201, source=BLOG,
        ),
    ),
)  # fmt: skip
STATED = FormatQuality(
    relative_change=None,
    provenance=(Provenance(source=CARD, as_of=date(2026, 11, 20), kind="published"),),
    statements=(QualityStatement(text="within 3.2%", model="Big-70B", source=CARD),),
)
BASE = FormatSpeed(replica=REPLICA, budget=BUDGET, estimate=ESTIMATE, pool_requests=80.0, native=True)
SMALL = replace(
    BASE,
    ratio_alone=1.93,
    ratio_load=1.2,
    ratio_saturated=0.8,
    stretches=(Stretch(requests=1, faster=True), Stretch(requests=60, faster=False)),
    most_requests=256,
    advice="faster up to 59 requests at once",
)
FOUND = FormatComparison(
    aspect="weights",
    baseline="bf16",
    rows=(
        FormatRow(format_id="bf16", speed=BASE, quality=FormatQuality(relative_change=0.0, worst_change=0.0)),
        FormatRow(
            format_id="awq-int4",
            speed=replace(SMALL, disputed=QUALITY.speeds[:1]),
            quality=QUALITY,
            checks=DEDICATED.checks,
        ),
        FormatRow(format_id="w8a16", speed=SMALL, quality=STATED),
        FormatRow(format_id="nf4", reason="needs a plugin.", fix="--weights awq-int4"),
        FormatRow(format_id="mxfp8", reason="is not run."),
    ),
)


def text(*found: FormatComparison, explain: bool = False) -> str:
    return markdown.render(formats.document(REPLICA, LOAD, found, {"block_size": "16"}, explain=explain))


def test_every_format_has_its_row_and_its_words() -> None:
    shown = text(FOUND)
    for part in (
        "12.00 GiB weights", "163,840 KV tokens", "TTFT 200 ms (100–300)", "TPOT 25 ms (20–30)",
        "1,000 (900–1,100) tok/s", "1.93× one request", "1.20× this load", "0.80× saturated", "speed over bf16",
        "awq-int4, w8a16: faster up to 59 requests at once",
        "nf4: needs a plugin. Fix: --weights awq-int4",
        "awq-int4: on this GPU 0.75× (1), on others 1.46× (1); 1 on this GPU contradicts the sign predicted",
        "awq-int4: -1.1 % median, -5.7 % worst (Small-8B) of 2 measurements of MMLU; Blog (2026-11-20)",
        'w8a16: no figures known; stated: "within 3.2%" (Model card)',
        "bf16: unchanged",
        "nf4, mxfp8: no figures known",
        "block_size 16",
    ):  # fmt: skip
        assert part in shown, part


def test_explained_it_lists_each_measurement_and_each_step_with_sources() -> None:
    shown = text(FOUND, explain=True)
    assert "| awq-int4 | MMLU | Small-8B | -5.7 % | [1] |" in shown
    assert "64: 2048/128" in shown
    assert "awq-int4: one step, term by term" in shown
    assert "https://example.org/blog" in shown
    assert "https://example.org/card" in shown


def test_without_16_bit_the_measure_is_named() -> None:
    rows = (replace(FOUND.rows[0], speed=None, reason="the weights do not fit"), *FOUND.rows[1:])
    shown = text(replace(FOUND, baseline="awq-int4", rows=rows))
    assert "bf16 does not run here, so that speeds are compared with awq-int4" in shown


@pytest.mark.parametrize(("value", "said"), [(0.0, "falls behind:"), (math.inf, "alone keeps up:"), (None, "–")])
def test_one_side_that_cannot_keep_up(value: float | None, said: str) -> None:
    assert formats.ratio_cell(replace(SMALL, ratio_load=value), LOAD).split("\n")[1] == f"{said} this load"


def test_json_says_null_where_nothing_is_known() -> None:
    spoilt = replace(FOUND, rows=(*FOUND.rows[:2], replace(FOUND.rows[2], speed=replace(SMALL, ratio_load=math.inf))))
    record = json.loads(json.dumps(json_formats.record(REPLICA, LOAD, (spoilt,), {}), allow_nan=False))
    assert record["schema"] == "llmplan.predict-formats/v1"
    assert record["kv_cache"] is None
    assert record["deployment"]["weights"] is None
    assert record["deployment"]["gpu"] == "example-24gb"
    bf16, awq, w8a16 = record["weights"]["formats"]
    assert bf16["speed_ratio"]["load"] is None
    assert awq["speed_ratio"] == {
        "one_request": 1.93, "load": 1.2, "saturation": 0.8, "crossover_requests": 60, "most_requests": 256,
        "by_requests": [{"from": 1, "faster": True}, {"from": 60, "faster": False}],
    }  # fmt: skip
    assert awq["quality"]["median_change"] == -0.011
    assert awq["quality"]["measurements"][1]["model"] == "Small-8B"
    assert [each["requests"] for each in awq["published_speed"]] == [64, 1000]
    assert [each["contradicts"] for each in awq["published_speed"]] == [True, False]
    assert awq["checks"][0]["id"] == "R1"
    assert awq["estimate"]["tpot_ms"]["mid"] == pytest.approx(25.0)
    assert w8a16["speed_ratio"]["load"] is None
    assert w8a16["quality"]["median_change"] is None
    assert w8a16["quality"]["statements"][0]["text"] == "within 3.2%"
    refused = json_formats.record(REPLICA, LOAD, (FOUND,), {})["weights"]["formats"][3]
    assert refused["runs"] is False
    assert refused["quality"] is None
    assert refused["estimate"] is None
