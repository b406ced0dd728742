"""`llmplan cost --format markdown`: a comment on a pull request. Totals first, the rest folded away, never too long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from llmplan.report import comparisons, cost, cost_diff, gates, markdown
from llmplan.report import plan as plan_view
from llmplan.report.blocks import Block, Document, Drawing, Facts, Items, Paragraph, Row, Table
from llmplan.report.cost_answer import CostAnswer
from llmplan.report.cost_units import per_unit
from llmplan.report.currency import converted
from llmplan.report.tree import rounded_total

MARKER: Final = "<!-- llmplan-cost -->"
"""the first line: a bot finds its own comment by it, to update it"""
MOST_BYTES: Final = 65_536
"""GitHub refuses a longer body"""
MOST_OF_HEAD: Final = 40_000
ROOM_FOR_NOTES: Final = 1_000
LONGEST_TEXT: Final = 300
"""characters of one text above the folds"""
CUT: Final = "\n\n*…cut to fit a comment; `llmplan cost` without `--format` prints all of it.*\n"

Section: TypeAlias = tuple[str, Document]


def render(answer: CostAnswer, *, explained: bool = False, chart: Document = ()) -> str:
    """The comment, at most `MOST_BYTES` of UTF-8; a chart that was asked for comes first of what is folded away."""
    head = markdown.render(converted(shortened(tuple(_head(answer))), answer.currency))
    folded = [(title, converted(part, answer.currency)) for title, part in _sections(answer, explained)]
    if chart:
        folded.insert(0, ("Chart", chart))
    return fitted(f"{MARKER}\n{cut(head, MOST_OF_HEAD)}", folded)


def _head(answer: CostAnswer) -> Iterator[Block]:
    """What is read without unfolding anything."""
    plan, currency = answer.plan, answer.currency
    yield Paragraph(text=f"{plan.question.model_id}: {_verdict(answer)}", heading=2)
    changes = tuple(cost_diff.facts(answer.against)) if answer.against is not None else ()
    yield Facts(pairs=(*cost.facts(answer), *changes))
    yield from gates.blocks(answer.verdicts, plan.recommended or "", currency)
    yield cost_diff.totals(answer.against, currency) if answer.against is not None else cost.money(plan, currency)
    if plan.warnings:
        yield Items(title="Warnings", items=plan.warnings)


def _verdict(answer: CostAnswer) -> str:
    """The recommended strategy and its bill in one line."""
    plan, currency = answer.plan, answer.currency
    if plan.chosen is None:
        return cost.nothing_recommended(plan)
    text = f"{rounded_total(plan.chosen.quote, currency)} a month ({plan.recommended})"
    if answer.against is not None:
        text += f", {cost_diff.recommended_difference(answer.against, currency)}"
    return text


def _sections(answer: CostAnswer, explained: bool) -> Iterator[Section]:
    """What is folded away, the most wanted first: the last ones go where it gets too long."""
    plan, currency = answer.plan, answer.currency
    if answer.against is not None and answer.against.changed:
        found = answer.against
        changed = (*cost_diff.why(found, currency), *cost_diff.line_tables(found, currency))
        yield "What changed, and why", changed
        yield "The five strategies now", (cost.money(plan, currency), per_unit(plan, currency))
    elif answer.against is None:
        yield "By the unit", (per_unit(plan, currency),)
    if answer.comparisons is not None:
        yield (
            "Break-even, and what moves the answer",
            tuple(comparisons.blocks(answer.comparisons, explained=explained)),
        )
    yield "Every line of the bills", tuple(cost.bills(plan, currency, explained))
    if answer.by_gpu:
        yield "GPUs side by side", (replace(cost.side_by_side(answer.by_gpu, currency), title=""),)
    used = Facts(title="Defaults used", pairs=tuple(plan_view.defaults(plan)))
    rest = (*plan_view.why_not(plan), *plan_view.notes(plan), used)
    yield "Notes and defaults", rest
    if explained:
        yield "How each line is computed", tuple(cost.computed(plan, currency))


def fitted(head: str, sections: Sequence[Section]) -> str:
    """The head and as many folded sections as fit; a section too long for what is left is cut, and says so."""
    text, left_out = head, []
    for title, part in sections:
        opening, closing = f"\n<details><summary>{markdown.escaped(title)}</summary>\n\n", "\n</details>\n"
        room = MOST_BYTES - ROOM_FOR_NOTES - size(text) - size(opening) - size(closing)
        body = cut(markdown.render(part), room)
        if body:
            text += f"{opening}{body}{closing}"
        else:
            left_out.append(title)
    if left_out:
        text += f"\n*Left out to fit a comment: {markdown.escaped(', '.join(left_out))}.*\n"
    return text


def cut(text: str, most_bytes: int) -> str:
    """The whole lines of a text that fit, with a note where there were more; empty where hardly any do."""
    if size(text) <= most_bytes:
        return text
    kept, used = [], size(CUT)
    for line in text.splitlines(keepends=True):
        used += size(line)
        if used > most_bytes:
            break
        kept.append(line)
    body = "".join(kept).rstrip()
    return f"{body}{CUT}" if body.count("\n") > 1 else ""


def size(text: str) -> int:
    """Bytes of a text in UTF-8; never fewer than its characters."""
    return len(text.encode("utf-8", errors="replace"))


def shortened(document: Document) -> Document:
    """A document in which no text is longer than a comment has room for."""
    return tuple(_short_block(block) for block in document)


def _short_block(block: Block) -> Block:
    match block:
        case Paragraph():
            return replace(block, text=_short(block.text))
        case Items():
            return replace(block, items=tuple(map(_short, block.items)))
        case Facts():
            return replace(block, pairs=tuple((name, _short(value)) for name, value in block.pairs))
        case Drawing():
            return block
        case Table():
            cells = tuple(Row(cells=tuple(map(_short, row.cells)), tone=row.tone) for row in block.rows)
            return replace(block, rows=cells)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
