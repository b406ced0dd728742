"""Charts as data: what is drawn is what the comparisons and the plan say."""

from __future__ import annotations

import math
from dataclasses import replace

import chart_samples as charted
import pytest
import report_samples as sample

from llmplan.cli import _chart
from llmplan.plan.comparisons import Comparisons, Curve
from llmplan.report import charts
from llmplan.report.charts import breakeven, timeline
from llmplan.report.charts.picture import Axis, Picture
from llmplan.report.charts.scales import around

BREAK_EVEN = charts.picture("breakeven", sample.PLAN, charted.FOUND)
PARETO = charts.picture("pareto", sample.PLAN, charted.FOUND, charted.OTHERS)
TORNADO = charts.picture("sensitivity", sample.PLAN, charted.FOUND)
TIMELINE = charts.picture("timeline", sample.PLAN, charted.FOUND)


def axes(picture: Picture) -> tuple[Axis, Axis]:
    assert picture.x is not None
    assert picture.y is not None
    return picture.x, picture.y


def inside(axis: Axis, value: float) -> bool:
    return axis.low <= value <= axis.high


def test_the_command_offers_the_kinds_there_are() -> None:
    assert _chart.KINDS == charts.KINDS


@pytest.mark.parametrize("kind", charts.KINDS)
def test_every_picture_says_what_it_shows_and_where_from(kind: charts.Kind) -> None:
    picture = charts.picture(kind, sample.PLAN, charted.FOUND, charted.OTHERS)
    assert not picture.empty
    assert sample.PLAN.question.model_id in picture.title
    words = "\n".join(picture.caption)
    assert "5 requests/s" in words
    assert "TTFT p95 ≤ 2 s" in words
    assert "exampleco eu-1, on-demand, 2026-11-01" in words
    assert "Prices of 2026-11-20" in words
    assert "USD" in " ".join(axis.title for axis in (picture.x, picture.y) if axis)


@pytest.mark.parametrize("kind", charts.KINDS)
def test_where_nothing_is_feasible_the_reason_stands_in_for_the_picture(kind: charts.Kind) -> None:
    picture = charts.picture(kind, charted.NOTHING, Comparisons())
    assert picture.empty
    assert picture.x is None
    assert (picture.series, picture.bars, picture.notes) == ((), (), ())


def test_what_could_not_be_compared_is_said() -> None:
    picture = charts.picture("breakeven", sample.PLAN, Comparisons(notes=("the workload states no rate",)))
    assert picture.empty == "the workload states no rate"


def test_break_even_draws_the_curves_as_they_are() -> None:
    x, y = axes(BREAK_EVEN)
    assert (x.scale, y.scale) == ("log", "log")
    drawn = {series.label: [(point.x, point.y) for point in series.points] for series in BREAK_EVEN.series}
    for curve in (charted.API_CURVE, charted.GPU_CURVE):
        assert drawn[curve.label] == list(zip(curve.requests_per_s, curve.usd_per_month, strict=True))
    (note,) = BREAK_EVEN.notes
    assert (note.number, note.x, note.y) == (1, 3.0, 600.0)
    assert "337M tokens/day" in note.text  # 3 x 1,300 x 86,400
    assert inside(x, 3.0)
    assert inside(y, 600.0)
    (rule,) = BREAK_EVEN.rules
    assert (rule.of, rule.value) == ("x", 5.0)


def test_a_break_even_without_its_money_is_put_on_its_curve() -> None:
    found = replace(charted.FOUND, break_evens=(replace(charted.CROSSING, usd_per_month=None, requests_per_s=7.5),))
    (note,) = charts.picture("breakeven", sample.PLAN, found).notes
    assert note.y == 1_200.0


def test_a_crossing_that_ends_again_says_where() -> None:
    again = replace(charted.CROSSING, flips_requests_per_s=(3.0, 5.0))
    assert "from there up to 5 " in breakeven.crossing(again)
    assert "from there on " in breakeven.crossing(replace(charted.CROSSING, flips_requests_per_s=(3.0, 5.0, 6.0)))


def test_without_a_crossing_there_are_words_and_no_place() -> None:
    never = replace(charted.CROSSING, requests_per_s=None, usd_per_month=None, note="too dear")
    (note,) = charts.picture("breakeven", sample.PLAN, replace(charted.FOUND, break_evens=(never,))).notes
    assert (note.x, note.y) == (None, None)
    assert "at any load up to 100 requests/s (too dear)" in note.text


def test_the_bill_between_two_points_is_on_a_straight_line() -> None:
    assert breakeven.bill_at(charted.API_CURVE, 25.0) == pytest.approx(5_000.0)
    assert breakeven.bill_at(charted.GPU_CURVE, 7.0) == 1_200.0
    assert breakeven.bill_at(charted.GPU_CURVE, 101.0) is None


def test_of_many_curves_steps_and_the_spread_of_prices_are_drawn() -> None:
    sellers = tuple(
        Curve(label=f"seller {number}", requests_per_s=(0.0, 100.0), usd_per_month=(0.0, 1_000.0 * number))
        for number in range(1, 12)
    )
    found = replace(charted.FOUND, curves=(*sellers, charted.GPU_CURVE))
    picture = charts.picture("breakeven", sample.PLAN, found)
    assert [series.label for series in picture.series] == [
        "seller 1", "seller 3", "seller 6", "seller 9", "seller 11", charted.GPU_CURVE.label,
    ]  # fmt: skip
    assert "6 more ways, and their break-evens, are not drawn." in picture.caption
    assert picture.notes == ()


def test_a_break_even_beyond_the_curves_is_said_to_be_outside() -> None:
    far = replace(charted.CROSSING, requests_per_s=700.0, usd_per_month=60_000.0, tried_requests_per_s=1_000.0)
    picture = charts.picture("breakeven", sample.PLAN, replace(charted.FOUND, break_evens=(far,)))
    x, y = axes(picture)
    assert x.high <= 100.0
    assert y.high < 60_000.0
    (note,) = picture.notes
    assert note.x is None
    assert note.text.endswith("; outside the picture")


def test_where_the_order_flips_before_the_first_change_is_marked() -> None:
    far = replace(
        charted.CROSSING, requests_per_s=700.0, usd_per_month=60_000.0, flips_requests_per_s=(3.0, 5.0, 700.0)
    )  # fmt: skip
    (note,) = charts.picture("breakeven", sample.PLAN, replace(charted.FOUND, break_evens=(far,))).notes
    assert (note.x, note.y) == (3.0, 600.0)
    assert "marked at 3 requests/s" in note.text


def test_pareto_marks_what_is_beaten_and_only_that() -> None:
    points = {
        (round(point.x, 6), point.y): point.hollow for each in PARETO.series if not each.joined for point in each.points
    }
    assert points == {
        (10.0, 4_000.0): False, (20.0, 2_000.0): False, (50.0, sample.QUOTE.usd_per_month): False,
        (80.0, 900.0): False, (25.0, 3_000.0): True,
    }  # fmt: skip
    for hollow in (place for place, beaten in points.items() if beaten):
        assert any(other[0] <= hollow[0] and other[1] <= hollow[1] for other in points if other != hollow)


def test_pareto_steps_along_the_front_and_names_it() -> None:
    (front,) = (series for series in PARETO.series if series.joined)
    bill = sample.QUOTE.usd_per_month
    assert [(round(point.x, 6), point.y) for point in front.points] == [
        (10.0, 4_000.0), (20.0, 4_000.0), (20.0, 2_000.0), (50.0, 2_000.0), (50.0, bill), (80.0, bill), (80.0, 900.0),
    ]  # fmt: skip
    assert [note.y for note in PARETO.notes] == [900.0, bill, 2_000.0, 4_000.0]


def test_pareto_whiskers_are_the_band() -> None:
    (point,) = (point for series in PARETO.series for point in series.points if point.y == 4_000.0 and point.x_low)
    assert (point.x_low, point.x_high) == (pytest.approx(8.0), pytest.approx(12.0))


def test_an_api_whose_latency_nobody_states_is_a_line_across() -> None:
    promised, api = PARETO.rules
    assert (promised.of, promised.value) == ("x", 50.0)
    assert (api.of, api.value) == ("y", sample.OPEN_QUOTE.usd_per_month)
    assert "latency not stated" in api.label
    assert "≥ " in api.label


def test_pareto_takes_the_promise_that_binds() -> None:
    strict = replace(sample.PLAN, question=replace(sample.QUESTION, slo=replace(sample.QUESTION.slo, ttft_p95_s=0.41)))
    x, _ = axes(charts.picture("pareto", strict, charted.FOUND))
    assert x.label == "TPOT p95"  # 50 of 50 ms, against 400 of 410
    tighter = replace(strict, question=replace(strict.question, slo=replace(strict.question.slo, ttft_p95_s=0.3)))
    x, _ = axes(charts.picture("pareto", tighter, charted.FOUND))
    assert x.label == "TTFT p95"


def test_the_tornado_is_sorted_and_keeps_what_cannot_be_done() -> None:
    assert [bar.label for bar in TORNADO.bars] == [
        charted.SPEED.input, charted.OSL.input, charted.PRICE.input, charted.CACHE.input
    ]  # fmt: skip
    speed, osl, *_ = TORNADO.bars
    assert speed.low is None
    assert (osl.low, osl.high, osl.low_text, osl.high_text) == (1_000.0, 2_900.0, "150 tokens", "600 tokens")
    assert TORNADO.x is not None
    assert all(inside(TORNADO.x, end) for bar in TORNADO.bars for end in (bar.low, bar.high) if end is not None)
    assert [rule.value for rule in TORNADO.rules] == [sample.QUOTE.usd_per_month]
    said = " ".join(note.text for note in TORNADO.notes)
    assert "cannot be done at 0.7×; TPOT p95 is 71 ms > 50 ms" in said
    assert "at 150 tokens serverless would be recommended" in said


def test_a_commitment_is_owed_at_once_and_again_when_renewed() -> None:
    owed = [timeline.owed_usd(charted.ONE_YEAR, months) for months in (0.0, 11.9, 12.0, 12.1, 36.0)]
    assert owed == pytest.approx([8_400.0, 8_400.0, 8_400.0, 16_800.0, 25_200.0])
    assert timeline.owed_usd(charted.ON_DEMAND, 8.4) == pytest.approx(8_400.0)
    with_disk = replace(charted.ONE_YEAR, usd_per_month=800.0)
    assert timeline.owed_usd(with_disk, 10.0) == pytest.approx(8_400.0 + 10 * 100.0)
    assert timeline.owed_usd(replace(charted.ONE_YEAR, committed_usd=None), 1.0) == pytest.approx(12 * 700.0)


def test_the_timeline_marks_the_break_even_where_the_lines_cross() -> None:
    first, second = TIMELINE.notes
    assert (first.x, first.y) == (8.4, pytest.approx(timeline.owed_usd(charted.ON_DEMAND, 8.4)))
    assert (second.x, second.y) == (18.0, pytest.approx(timeline.owed_usd(charted.ON_DEMAND, 18.0)))
    labels = [series.label for series in TIMELINE.series]
    assert [label.split(":")[0] for label in labels] == ["on-demand", "reserved-1y", "reserved-3y", "serverless"]
    api = TIMELINE.series[-1].points[-1]
    assert (api.x, api.y) == (36.0, pytest.approx(36 * sample.OPEN_QUOTE.usd_per_month))


def test_without_terms_the_timeline_has_the_bills_of_the_plan() -> None:
    picture = charts.picture("timeline", sample.PLAN, Comparisons())
    assert [series.points[-1].y for series in picture.series] == pytest.approx([36 * sample.QUOTE.usd_per_month] * 2)
    assert not any("commitment" in line for line in picture.caption)


@pytest.mark.parametrize("values", [(0.0,), (5.0,), (0.0, 1e-9), (1e-9, 1e12), (-3.0, 4.0), (7.0, 7.0), ()])
def test_axes_hold_their_values_and_have_ticks(values: tuple[float, ...]) -> None:
    axis = around(values, label="x", unit="u")
    assert axis.low < axis.high
    assert all(0 <= axis.share(value) <= 1 for value in values)
    assert 2 <= len(axis.ticks) <= 9
    assert all(inside(axis, tick.value) for tick in axis.ticks)
    assert len({tick.text for tick in axis.ticks}) == len(axis.ticks)


def test_values_that_span_decades_get_a_logarithmic_axis() -> None:
    assert around((1.0, 100.0), label="x", unit="").scale == "log"
    assert around((1.0, 20.0), label="x", unit="").scale == "linear"
    assert around((0.0, 1e6), label="x", unit="").scale == "linear"


def test_names_are_one_printable_line() -> None:
    picture = charts.picture("breakeven", charted.named(charted.HOSTILE), charted.FOUND)
    for text in (picture.title, *picture.caption, picture.summary):
        assert text.isprintable()
    assert "<script>" in picture.title


def test_an_endless_bill_is_left_out_of_the_axes() -> None:
    curve = replace(charted.GPU_CURVE, usd_per_month=(*charted.GPU_CURVE.usd_per_month[:-1], math.inf))
    picture = charts.picture("breakeven", sample.PLAN, replace(charted.FOUND, curves=(charted.API_CURVE, curve)))
    _, y = axes(picture)
    assert math.isfinite(y.high)
    assert all(math.isfinite(point.y) for series in picture.series for point in series.points)
