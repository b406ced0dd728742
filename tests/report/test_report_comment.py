"""The comment on a pull request: found again by a bot, short enough, and nobody's HTML."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import DEDICATED, FIGURE, PLAN, QUOTE

from llmplan.plan.money.diff import diff
from llmplan.plan.money.side import side_of
from llmplan.plan.plan import Plan
from llmplan.report import comment, markdown
from llmplan.report.blocks import Items, Paragraph
from llmplan.report.cost_answer import CostAnswer

TAG = re.compile(r"<[^>]*>")
OURS = {
    "<!-- llmplan-cost -->", "<details>", "</details>", "<summary>", "</summary>", "<br>",
}  # fmt: skip


def many_lines(count: int, name: str = "disk") -> Plan:
    lines = tuple(replace(QUOTE.lines[1], name=f"{name} {n}", note=f"note {n} " + "x" * 100) for n in range(count))
    option = replace(DEDICATED, quote=replace(QUOTE, lines=lines))
    return replace(PLAN, outcomes={**PLAN.outcomes, "dedicated": option})


def balanced(text: str) -> bool:
    return text.count("<details>") == text.count("</details>") == text.count("<summary>") == text.count("</summary>")


def test_the_marker_is_the_first_line_and_the_totals_come_before_the_folds() -> None:
    text = comment.render(CostAnswer(plan=PLAN, by_gpu={"example-24gb": DEDICATED}))
    assert text.splitlines()[0] == "<!-- llmplan-cost -->"
    head = text.split("<details>")[0]
    assert "## example/tiny-1b: $1,472 a month (dedicated)" in head
    assert "| ▸ dedicated | 6 × example-24gb (3 × 2)<br>exampleco eu-1, on-demand |" in head
    assert re.findall(r"<summary>(.*)</summary>", text) == [
        "By the unit", "Every line of the bills", "GPUs side by side", "Notes and defaults",
    ]  # fmt: skip
    assert balanced(text)
    assert "\n\n" in text.split("</summary>")[1][:4]


def test_against_an_older_answer_the_difference_is_in_the_heading() -> None:
    new = many_lines(1)
    text = comment.render(CostAnswer(plan=new, against=diff(side_of(PLAN, "old.yaml"), side_of(new, "now"))))
    assert "## example/tiny-1b: $8.00 a month (dedicated), -$1,463.65 against old.yaml" in text
    assert "before $/month" in text.split("<details>")[0]
    same = comment.render(CostAnswer(plan=PLAN, against=diff(side_of(PLAN, "old.yaml"), side_of(PLAN, "now"))))
    assert "$1,472 a month (dedicated), as much as in old.yaml" in same


@pytest.mark.parametrize("count", [0, 1, 250, 300, 3000])
def test_it_is_never_longer_than_github_takes_and_says_what_it_left_out(count: int) -> None:
    text = comment.render(CostAnswer(plan=many_lines(count, "größe €"), by_gpu={"a": DEDICATED}), explained=True)
    assert len(text.encode()) <= 65_536
    assert balanced(text)
    assert ("cut to fit a comment" in text) is (count >= 250)
    assert ("Left out to fit a comment" in text) is (count >= 3000)


def test_a_head_of_endless_texts_is_cut_too() -> None:
    rejection = replace(PLAN.outcomes["quantized"], reason="r" * 100_000)
    endless = replace(
        PLAN, outcomes={**PLAN.outcomes, "quantized": rejection}, warnings=("w" * 100_000,) * 500,
        question=replace(PLAN.question, model_id="m" * 100_000),
    )  # fmt: skip
    text = comment.render(CostAnswer(plan=endless))
    assert len(text.encode()) <= 65_536
    assert text.startswith("<!-- llmplan-cost -->\n## mmm")


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "--> <b>x</b> <!--", "</details>", "&lt;b&gt;",
        "![x](http://evil.example/p.png)", "[click](javascript:alert(1))", "a|b", "line\n## heading\n<details>",
        "@everyone look",
    ],
)  # fmt: skip
def test_names_bring_no_html_no_links_and_nobody_in(evil: str) -> None:
    line = replace(QUOTE.lines[0], name=evil, note=evil, figure=replace(FIGURE, provider=evil, source=evil, url=evil))
    option = replace(DEDICATED, quote=replace(QUOTE, lines=(line,)), notes=(evil,))
    plan = replace(
        PLAN, outcomes={**PLAN.outcomes, "dedicated": option}, warnings=(evil,),
        question=replace(PLAN.question, model_id=evil),
    )  # fmt: skip
    text = comment.render(CostAnswer(plan=plan, by_gpu={evil: option}), explained=True)
    assert set(TAG.findall(text)) <= OURS
    assert balanced(text)
    assert "](" not in text
    assert not re.search(r"(?<![\w.])@\w", text)
    assert all(row.replace("\\|", "").count("|") >= 2 for row in text.splitlines() if row.startswith("|"))


@given(st.text(max_size=60))
def test_escaped_text_is_one_line_without_tags(text: str) -> None:
    said = markdown.escaped(text)
    assert not TAG.search(said)
    assert len(said.splitlines()) <= 1
    assert "](" not in said


def test_what_was_written_can_still_be_read() -> None:
    plain = "fp8 weights, TTFT p95 ≤ 2 s [1], $1,472; vllm@0.33.0 https://example.org/a_b"
    assert markdown.render((Paragraph(text=plain), Items(items=(plain,)))) == f"{plain}\n\n- {plain}\n"


def test_a_cut_keeps_whole_lines_and_gives_up_where_nothing_useful_fits() -> None:
    text = "".join(f"line {n}\n" for n in range(1000))
    cut = comment.cut(text, 500)
    assert len(cut.encode()) <= 500
    assert cut.startswith("line 0\nline 1\n")
    assert comment.cut(text, 90) == ""
    assert comment.cut("short", 500) == "short"
