"""`against` in the JSON of `llmplan cost`: what differs from an older answer, in USD (docs/reference/json.md)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llmplan.plan.money.diff import BillChange, CostDiff, Effect, LineChange
from llmplan.plan.money.moves import Change
from llmplan.plan.money.side import Bill, Side
from llmplan.plan.outcome import QuoteLine

Record = dict[str, Any]


def against(found: CostDiff) -> Record:
    """Everything that moved, and every line that changed; the effects of a difference add up to it."""
    old, new = found.old, found.new
    return {
        "file": old.name,
        "model": old.model_id,
        "price_date": old.price_date.isoformat(),
        "made_with": old.made_with,
        "changed": found.changed,
        "question": [_change(change, "field") for change in found.moves.question],
        "figures": [_change(change, "path") for change in found.moves.figures],
        "recommended": {"before": old.recommended, "after": new.recommended},
        "usd_per_month": _totals(old.chosen, new.chosen),
        "effects": _effects(found.effects),
        "strategies": [_bill(bill) for bill in found.bills],
    }


def comparable(side: Side) -> Record:
    """What a later answer needs beside the lines, to be held against this one."""
    return {"question": dict(side.question), "figures": dict(side.figures)}


def comparable_bill(bill: Bill | str) -> Record:
    """The same of one strategy."""
    if isinstance(bill, str):
        return {"built": {}, "rests_on": []}
    return {"built": dict(bill.built), "rests_on": list(bill.rests_on)}


def _change(change: Change, name: str) -> Record:
    return {name: change.path, "before": change.before, "after": change.after}


def _totals(before: Bill | None, after: Bill | None) -> Record:
    known = before is not None and after is not None
    return {
        "before": before.usd_per_month if before is not None else None,
        "after": after.usd_per_month if after is not None else None,
        "difference": after.usd_per_month - before.usd_per_month if known and before and after else None,
        "complete": known and all(bill.complete for bill in (before, after) if bill is not None),
    }


def _effects(effects: Iterable[Effect]) -> list[Record]:
    return [{"cause": each.cause, "usd_per_month": each.usd_per_month, "why": each.why} for each in effects]


def _bill(bill: BillChange) -> Record:
    return {
        "strategy": bill.strategy,
        "changed": bill.changed,
        "usd_per_month": _totals(bill.before, bill.after),
        "why_none_before": bill.why_none_before or None,
        "why_none_after": bill.why_none_after or None,
        "effects": _effects(bill.effects),
        "lines": [_line(line) for line in bill.lines],
    }


def _line(change: LineChange) -> Record:
    before, after = change.before, change.after
    return {
        "change": change.kind,
        "name": change.line.name,
        "unit": change.line.unit,
        "quantity": _both(before, after, "quantity"),
        "unit_price_usd": _both(before, after, "unit_price_usd"),
        "usd_per_month": {**_both(before, after, "usd_per_month"), "difference": change.usd_per_month},
        "effects": _effects(change.effects),
    }


def _both(before: QuoteLine | None, after: QuoteLine | None, name: str) -> Record:
    return {"before": getattr(before, name, None), "after": getattr(after, name, None)}
