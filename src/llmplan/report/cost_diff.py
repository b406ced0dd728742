"""A bill held against an older one: what changed (`~`), came (`+`) and went (`-`), and what each difference is from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from llmplan.plan.money.diff import BillChange, CostDiff, LineChange
from llmplan.plan.money.lines import COUNT
from llmplan.plan.money.moves import Change
from llmplan.plan.money.side import Bill
from llmplan.plan.money.steps import ORDER
from llmplan.plan.outcome import QuoteLine
from llmplan.report.blocks import Block, Column, Facts, Items, Paragraph, Row, Table
from llmplan.report.cost_cents import by_cause, in_minor
from llmplan.report.currency import USD, Currency
from llmplan.report.explain import quantity
from llmplan.report.numbers import LOWER_BOUND, MISSING
from llmplan.report.rows import INDENT, RECOMMENDED
from llmplan.report.tree import offered, sum_of_lines

ARROW: Final = "→"
FIELDS_SHOWN: Final = 12


def blocks(found: CostDiff, currency: Currency = USD) -> Iterator[Block]:
    """What moved, the totals before and after, then line by line what changed and why."""
    yield Paragraph(text=f"Against {found.old.name}", heading=2)
    yield Facts(pairs=tuple(facts(found)))
    yield totals(found, currency)
    if not found.changed:
        yield Paragraph(text="No line of any bill changed.")
        return
    yield from why(found, currency)
    yield from line_tables(found, currency)


def recommended_difference(found: CostDiff, currency: Currency) -> str:
    """`+$168.19 against base.yaml`, of what is recommended."""
    before, after = found.old.chosen, found.new.chosen
    if before is None or after is None:
        return f"{'nothing was' if before is None else 'was'} feasible in {found.old.name}"
    difference = _difference(before, after, currency)
    if sum_of_lines(before.lines, currency) == sum_of_lines(after.lines, currency):
        return f"as much as in {found.old.name}"
    return f"{difference} against {found.old.name}"


def facts(found: CostDiff) -> Iterator[tuple[str, str]]:
    """The questions, days and figures of the two."""
    old, new, moves = found.old, found.new, found.moves
    if old.model_id != new.model_id:
        yield "model", f"{old.model_id} {ARROW} {new.model_id}: bills of two models, line by line all the same"
    asked = tuple(change for change in moves.question if change.path != "model_id")
    yield "question", _some(asked) if asked else "the same"
    yield "prices", f"of {old.price_date} {ARROW} {new.price_date}" if moves.price_date else f"of {old.price_date}"
    shared = len(set(old.figures) & set(new.figures))
    yield "figures", _some(moves.figures) if moves.figures else f"the same ({shared} that both rest on)"
    if moves.made_with is not None:
        yield "made with", f"{moves.made_with.before} {ARROW} {moves.made_with.after}"


def _some(changes: tuple[Change, ...]) -> str:
    more = len(changes) - FIELDS_SHOWN
    text = "; ".join(change.describe() for change in changes[:FIELDS_SHOWN])
    return text + (f"; and {more} more (--json lists all)" if more > 0 else "")


def totals(found: CostDiff, currency: Currency) -> Table:
    """Each strategy before and after, then the recommended one of each side."""
    old, new = found.old, found.new
    unit = currency.unit
    before, after = old.chosen, new.chosen
    name = new.recommended if new.recommended == old.recommended else f"{old.recommended} {ARROW} {new.recommended}"
    return Table(
        columns=(
            Column(title=f"{INDENT}strategy"),
            Column(title=f"before {unit}/month", align="right"),
            Column(title=f"after {unit}/month", align="right"),
            Column(title="difference", align="right"),
            Column(title="because of", share=1),
        ),
        rows=tuple(_total_row(bill, found, currency) for bill in found.bills),
        footer=(
            f"recommended: {name or 'nothing'}",
            _total(before, currency), _total(after, currency), _difference(before, after, currency), "",
        ),
    )  # fmt: skip


def _total_row(bill: BillChange, found: CostDiff, currency: Currency) -> Row:
    mark = RECOMMENDED if bill.strategy == found.new.recommended else INDENT
    if bill.before is None and bill.after is None:
        because = f"not feasible: {bill.why_none_after}"
    elif bill.before is None:
        because = f"was not feasible: {bill.why_none_before}"
    elif bill.after is None:
        because = f"no longer feasible: {bill.why_none_after}"
    else:
        parts = by_cause(bill, currency)
        because = ", ".join(f"{cause} {currency.written(minor, signed=True)}" for cause, minor, _ in parts)
    return Row(
        cells=(
            f"{mark}{bill.strategy}",
            _total(bill.before, currency),
            _total(bill.after, currency),
            _difference(bill.before, bill.after, currency),
            because or "unchanged",
        ),
        tone="good" if mark == RECOMMENDED else "plain" if bill.changed else "dim",
    )


def _total(bill: Bill | None, currency: Currency) -> str:
    if bill is None:
        return MISSING
    return ("" if bill.complete else LOWER_BOUND) + currency.written(sum_of_lines(bill.lines, currency))


def _difference(before: Bill | None, after: Bill | None, currency: Currency) -> str:
    """In minor units of the printed totals; of two lower bounds it is one of the known lines only."""
    if before is None or after is None:
        return MISSING
    minor = sum_of_lines(after.lines, currency) - sum_of_lines(before.lines, currency)
    return currency.written(minor, signed=True) + ("" if before.complete and after.complete else " *")


def why(found: CostDiff, currency: Currency) -> Iterator[Block]:
    """Each cause with its amount and reason; once where several strategies share it, the recommended first."""
    said: dict[str, list[str]] = {}
    for bill in sorted(found.bills, key=lambda bill: bill.strategy != found.new.recommended):
        for cause, minor, text in by_cause(bill, currency):
            said.setdefault(f"{cause} {currency.written(minor, signed=True)}: {text}", []).append(bill.strategy)
    items = [f"{', '.join(names)}: {text}" for text, names in said.items()]
    if found.old.recommended != found.new.recommended:
        items = [*_choice(found, currency), *items]
    if any(not bill.complete for pair in found.bills for bill in (pair.before, pair.after) if bill is not None):
        items.append("* of lines that have a price: a total with ≥ lacks some")
    if any(bill.steps for bill in found.bills):
        items.append(f"several things moved: each was put in after the other and planned again, in the order {ORDER}")
    if items:
        yield Items(title="Why", items=tuple(items))


def _choice(found: CostDiff, currency: Currency) -> Iterator[str]:
    """What another recommendation is worth, apart from what became of its bill."""
    before, after = found.old.chosen, found.new.chosen
    if before is None or after is None:
        yield f"recommended: {found.old.recommended or 'nothing'} {ARROW} {found.new.recommended or 'nothing'}"
        return
    effect = found.effects[0]
    held = next(bill.before for bill in found.bills if bill.strategy == found.new.recommended) or after
    step = sum_of_lines(held.lines, currency) - sum_of_lines(before.lines, currency)
    yield f"recommended: choice {currency.written(step, signed=True)}: {effect.why}"


def line_tables(found: CostDiff, currency: Currency) -> Iterator[Block]:
    """The lines that changed, once where several strategies share them, the recommended first."""
    same: dict[tuple[LineChange, ...], list[str]] = {}
    for bill in sorted(found.bills, key=lambda bill: bill.strategy != found.new.recommended):
        if bill.lines:
            same.setdefault(bill.lines, []).append(bill.strategy)
    for lines, names in same.items():
        yield Table(
            title=f"{', '.join(names)}: lines that changed",
            columns=(
                Column(title=f"{INDENT}line", share=1),
                Column(title="quantity", align="right"),
                Column(title="price", align="right"),
                Column(title=f"{currency.unit}/month", align="right"),
                Column(title="difference", align="right"),
            ),
            rows=tuple(_line_row(line, currency) for line in lines),
            footer=(
                "all of it", "", "", "",
                currency.written(sum(in_minor(line, currency) for line in lines), signed=True),
            ),
        )  # fmt: skip


def _line_row(change: LineChange, currency: Currency) -> Row:
    before, after = change.before, change.after
    origin = "".join(f"\n    {text}" for text in dict.fromkeys((*_offer(before), *_offer(after))))
    return Row(
        cells=(
            f"{change.kind} {named(change)}{origin}",
            _pair(before, after, quantity),
            _pair(before, after, lambda line: _price(line, currency)),
            _pair(before, after, lambda line: currency.exact(line.usd_per_month)),
            currency.written(in_minor(change, currency), signed=True),
        ),
        tone={"+": "good", "-": "bad", "~": "plain"}[change.kind],  # type: ignore[arg-type]
    )


def named(change: LineChange) -> str:
    """The name of a line; without the number of machines where that is what changed."""
    name = change.line.name
    return COUNT.sub("", name) if change.kind == "~" and change.before and change.before.name != name else name


def _offer(line: QuoteLine | None) -> tuple[str, ...]:
    return () if line is None else offered(line)


def _price(line: QuoteLine, currency: Currency) -> str:
    return MISSING if line.unit_price_usd is None else currency.unit_price(line.unit_price_usd)


def _pair(before: QuoteLine | None, after: QuoteLine | None, write: Callable[[QuoteLine], str]) -> str:
    """The older value over the newer one, once where they are the same."""
    texts = [write(line) for line in (before, after) if line is not None]
    return texts[0] if len(set(texts)) == 1 else f"{texts[0]}\n{ARROW} {texts[1]}"
