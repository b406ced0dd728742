"""What stands beside the five bills, as JSON (docs/reference/json.md)."""

from __future__ import annotations

from llmplan.plan.comparisons import BillBand, BreakEven, Comparisons, Curve, Duel, GpuValue, Influence, TermValue
from llmplan.report.json import Record


def record(found: Comparisons) -> Record:
    """`comparisons` of `llmplan cost --json`."""
    return {
        "break_evens": [break_even(each) for each in found.break_evens],
        "curves": [curve(each) for each in found.curves],
        "influences": [influence(each) for each in found.influences],
        "gpus": [gpu(each) for each in found.gpus],
        "terms": [term(each) for each in found.terms],
        "duels": [duel(each) for each in found.duels],
        "bands": [band(each) for each in found.bands],
        "notes": list(found.notes),
    }


def break_even(each: BreakEven) -> Record:
    """A crossing, with every load at which the order flips."""
    return {
        "below": each.below,
        "above": each.above,
        "requests_per_s": each.requests_per_s,
        "for_good": each.for_good,
        "flips_requests_per_s": list(each.flips_requests_per_s),
        "tried_requests_per_s": each.tried_requests_per_s,
        "tokens_per_day": each.tokens_per_day,
        "utilization": each.utilization,
        "usd_per_month": each.usd_per_month,
        "usd_per_million_tokens": {"tokens": each.usd_per_mtok_tokens, "full": each.usd_per_mtok_full},
        "note": each.note,
    }


def curve(each: Curve) -> Record:
    """Corners of a line."""
    return {
        "label": each.label,
        "requests_per_s": list(each.requests_per_s),
        "usd_per_month": list(each.usd_per_month),
        "source": each.source,
    }


def influence(each: Influence) -> Record:
    """One input at both ends."""
    return {
        "input": each.input,
        "unit": each.unit,
        "low": each.low,
        "mid": each.mid,
        "high": each.high,
        "usd_per_month": {"low": each.usd_per_month_low, "high": each.usd_per_month_high},
        "swing_usd_per_month": each.swing_usd_per_month,
        "recommended": {"low": each.recommended_low, "high": each.recommended_high},
        "note": each.note,
    }


def gpu(each: GpuValue) -> Record:
    """Floor and work per dollar of one GPU."""
    return {
        "gpu": each.gpu_id,
        "what": each.what,
        "replicas": each.replicas,
        "usd_per_month": each.usd_per_month,
        "floor_usd_per_month": each.floor_usd_per_month,
        "usd_per_million_tokens_full": each.usd_per_mtok_full,
        "utilization": each.utilization,
        "against": each.against,
        "wins_by": each.wins_by,
        "seller": each.seller,
    }


def term(each: TermValue) -> Record:
    """The machines on one term."""
    return {
        "term": each.term,
        "what": each.what,
        "seller": each.seller,
        "usd_per_month": each.usd_per_month,
        "committed_usd": each.committed_usd,
        "break_even_months": each.break_even_months,
        "note": each.note,
    }


def duel(each: Duel) -> Record:
    """Two ways to one end."""
    return {
        "title": each.title,
        "first": {"what": each.first, "usd_per_month": each.first_usd_per_month},
        "second": {"what": each.second, "usd_per_month": each.second_usd_per_month},
        "note": each.note,
    }


def band(each: BillBand) -> Record:
    """A bill at both ends of the speed band."""
    return {
        "strategy": each.strategy,
        "usd_per_month": {"low": each.usd_per_month_low, "mid": each.usd_per_month, "high": each.usd_per_month_high},
        "note": each.note,
    }
