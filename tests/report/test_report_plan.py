"""What the five rows, the money and the explanation say, on a hand-made plan."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_samples import API, DATASHEET, DEDICATED, ESTIMATE, OPEN_QUOTE, OUTCOMES, PLAN, QUOTE, REJECTION

from llmplan.plan.deployment import STRATEGY_IDS, Offload
from llmplan.plan.plan import Plan
from llmplan.report import cost, markdown, plan, rows, tree
from llmplan.report.blocks import Document, Table
from llmplan.report.cost_answer import CostAnswer
from llmplan.spec.workload import Limits, Slo


def text_of(document: Document) -> str:
    return markdown.render(document)


def first_table(document: Document) -> Table:
    return next(block for block in document if isinstance(block, Table))


def test_five_rows_in_order_and_one_mark() -> None:
    table = first_table(plan.document(PLAN))
    names = [row.cells[0].split("\n")[0] for row in table.rows]
    assert [name[2:] for name in names] == list(STRATEGY_IDS)
    assert [name.startswith(rows.RECOMMENDED) for name in names] == [False, True, False, False, False]


def test_a_row_says_what_how_fast_and_how_much() -> None:
    what = rows.row("dedicated", DEDICATED, Slo(ttft_p95_s=2.0), recommended=True).cells
    assert what == (
        "▸ dedicated\n  meets the SLO",
        "6 × example-24gb (3 × 2)\nbf16, TP2, vllm 0.33.0\nexampleco eu-1, on-demand",
        "400 ms (200–600)\n50 ms (40–60)",
        "$1,472",
        "$1.13",
    )


def test_the_band_of_a_percentile_is_as_wide_as_the_means() -> None:
    """Mean 200 ms (100-300) and p95 400 ms: the p95 is twice the mean, and so are the edges."""
    assert rows.ttft_p95(ESTIMATE) == "400 ms (200–600)"


def test_an_unpriced_line_makes_a_lower_bound() -> None:
    cells = rows.row("serverless", API, Slo(ttft_p95_s=2.0), recommended=False).cells
    assert cells[0].endswith("SLO unknown")
    assert cells[2] == "not stated\nnot stated"
    assert cells[3] == "≥ $1,472"


@pytest.mark.parametrize(
    ("slo", "meets", "status"),
    [
        (Slo(), True, "feasible"),
        (Slo(ttft_p95_s=1.0), True, "meets the SLO"),
        (Slo(ttft_p95_s=1.0), False, "misses the SLO"),
        (Slo(ttft_p95_s=1.0), None, "SLO unknown"),
    ],
)
def test_status(slo: Slo, meets: bool | None, status: str) -> None:
    assert rows.status(replace(DEDICATED, meets_slo=meets), slo) == status


@pytest.mark.parametrize(
    ("offload", "said"),
    [
        (Offload(kind="layers", host_layers=1), "1 of 2 layers on the CPU"),
        (Offload(kind="weights", host_weight_bytes=5), "weights streamed from host RAM"),
        (Offload(kind="kv", host_kv_bytes=5), "KV spills to host RAM"),
    ],
)
def test_what_is_in_host_memory_is_said(offload: Offload, said: str) -> None:
    deployment = DEDICATED.deployment
    assert deployment.replica is not None
    moved = replace(deployment, replica=replace(deployment.replica, offload=offload))
    assert said in rows.settings(moved)


def test_equal_rejections_are_told_once_with_need_and_fix() -> None:
    text = text_of(plan.document(PLAN))
    assert text.count("needs 30 GiB; available: 22 GiB. Fix: --gpu h100-sxm-80gb") == 1
    assert "hybrid_offload, quantized, multi_tenant: the weights do not fit" in text


def test_the_answer_says_what_it_rests_on() -> None:
    text = text_of(plan.document(PLAN))
    for part in (
        "5 requests/s (busiest hour 10), 1,000 tokens in, 300 out",
        "TTFT p95 ≤ 2 s, TPOT p95 ≤ 50 ms",
        "Recommended: dedicated",
        "meets the SLO at the lowest price",
        "prices are old",
        "no source states this API's latency",
        "≥ because nobody states a price for egress",
        "max_num_seqs 256",
        "memory fraction 0.92",
        "of 2026-11-20",
        "Example data sheet (2026-11-20, published): 1 figure",
    ):
        assert part in text, part


def test_nothing_feasible_is_said() -> None:
    nothing = replace(PLAN, outcomes=dict.fromkeys(STRATEGY_IDS, REJECTION), recommended=None, reasons=(), figures=())
    assert "No strategy is feasible within these limits." in text_of(plan.document(nothing))


def test_explain_has_every_line_with_formula_and_source() -> None:
    text = text_of(plan.document(PLAN, explained=True))
    for line in (*QUOTE.lines, *OPEN_QUOTE.lines):
        assert line.name in text
    for part in ("730 h × $2.005", "100 GB × $0.08004", "1 GB × no known price", "2 B x 6.44 G", "12 GiB / 600 GB/s"):
        assert part in text, part
    assert "exampleco g.4 eu-1 on-demand: Example price list (2026-11-01)" in text
    assert DATASHEET.source.url is not None
    assert DATASHEET.source.url in text
    assert "gpus.example-24gb.memory_bytes = 25,769,803,776" not in text.split("Sources")[1]


def dollars(text: str) -> float:
    return float(text.removeprefix("≥ ").removeprefix("$").replace(",", ""))


@pytest.mark.parametrize("quote", [QUOTE, OPEN_QUOTE])
def test_a_printed_total_is_the_sum_of_the_printed_lines(quote: object) -> None:
    table = tree.quote_table(quote, title="")  # type: ignore[arg-type]
    lines = [dollars(row.cells[3]) for row in table.rows if row.cells[3] != "–"]
    assert round(sum(lines), 2) == dollars(table.footer[3])
    assert table.footer[3].startswith("≥ ") is (quote is OPEN_QUOTE)


def test_rounding_never_breaks_the_sum() -> None:
    """Three lines of $0.004 print as $0.00 each, so their total prints as $0.00, not as $0.01."""
    line = replace(QUOTE.lines[0], usd_per_month=0.004)
    assert tree.total(replace(QUOTE, lines=(line, line, line))) == "$0.00"


def test_a_line_names_seller_region_term_and_date() -> None:
    assert tree.priced_from(QUOTE.lines[0])[0] == "exampleco, eu-1, on-demand, 2026-11-01"


def test_cost_sets_gpus_side_by_side() -> None:
    document = cost.document(CostAnswer(plan=PLAN, by_gpu={"example-24gb": DEDICATED, "other": REJECTION}))
    table = next(block for block in document if isinstance(block, Table) and block.title.startswith("Side by side"))
    assert [column.title for column in table.columns] == ["", "example-24gb", "other"]
    by_name = {row.cells[0]: row.cells[1:] for row in table.rows}
    assert by_name["$/month"] == ("$1,472", "–")
    assert by_name["$/GPU-hour"][0] == f"${1471.654 / 730 / 6:.3f}"
    assert "not feasible" in by_name["what"][1]


def test_every_plan_renders() -> None:
    for strategy in ("serverless", "dedicated"):
        made: Plan = replace(PLAN, outcomes=dict.fromkeys(STRATEGY_IDS, OUTCOMES[strategy]), recommended="dedicated")
        assert strategy in text_of(plan.document(made, explained=True))
        assert text_of(cost.document(CostAnswer(plan=made), explained=True))


def test_the_deciding_defaults_are_said_and_a_changed_one_is_none() -> None:
    said = dict(plan.defaults(with_limits(Limits())))
    assert said["fleet"] == "at most 70 % busy at the peak, 1 spare on top of two or more replicas"
    assert said["choice"] == (
        "at most 1.0 % loss of quality, up to 20 % more for guaranteed capacity, "
        "an unstated latency only if 50 % cheaper (90 % where two or more replicas are filled)"
    )
    assert "terms on-demand, reserved-1y, reserved-3y, any region" in said["prices"]
    assert plan.limited_to(Limits()) == ""


def test_what_was_asked_for_stands_under_within() -> None:
    limits = Limits(
        terms=("spot",), max_utilization=0.5, spare_replicas=0, max_quality_loss=0.05, commitment_premium=0.0,
        unverified_saving=0.25, unverified_saving_steady=0.25, regions=("eu-1",),
    )  # fmt: skip
    said = dict(plan.defaults(with_limits(limits)))
    assert "fleet" not in said
    assert "choice" not in said
    assert "spot" not in said["prices"]
    assert "region" not in said["prices"]
    assert plan.limited_to(limits) == (
        "region eu-1; at most 50 % busy at the peak; no spare; at most 5.0 % loss of quality; "
        "up to 0 % more for guaranteed capacity; an unstated latency only if 25 % cheaper; terms spot"
    )


def with_limits(limits: Limits) -> Plan:
    return replace(PLAN, question=replace(PLAN.question, limits=limits))
