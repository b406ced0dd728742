"""What stands beside the five bills, as tables: break-evens, what moves the answer, GPUs, terms, duels, the band."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from llmplan.plan.comparisons import BillBand, BreakEven, Comparisons, Duel, GpuValue, Influence, TermValue
from llmplan.report.blocks import Block, Column, Facts, Items, Row, Table
from llmplan.report.numbers import LOWER_BOUND, MISSING, count, percent, plural, rate, usd

SELLERS_SHOWN = 3
GPUS_SHOWN = 6
BAR = 16
"""columns of the widest swing"""


def blocks(found: Comparisons, *, explained: bool = False) -> Iterator[Block]:
    """Compact tables; `explained` adds every seller, GPU and note."""
    yield from break_evens(found.break_evens, explained)
    yield from influences(found.influences, explained)
    yield from bands(found.bands, explained)
    yield from gpus(found.gpus, explained)
    yield from terms(found.terms, explained)
    yield from duels(found.duels, explained)
    if explained and found.curves:
        items = tuple(f"{each.label}: {each.source}" for each in found.curves)
        yield Items(title="Rates behind the bills over the load", items=items, tone="dim")
    if found.notes:
        yield Items(title="Not compared", items=found.notes, tone="dim")


def break_evens(found: Sequence[BreakEven], explained: bool) -> Iterator[Block]:
    """One row for each way against the machines, those that never cross in one sentence."""
    crossing = [each for each in found if each.requests_per_s is not None]
    shown = crossing if explained else _fewer(crossing)
    machines = next((each.above for each in crossing), "")
    if shown:
        yield Table(
            title=f"Break-even: requests/s from which {machines} costs less than",
            columns=(
                Column(title="", share=1),
                Column(title="first", align="right"),
                Column(title="for good", align="right"),
                Column(title="tokens/day", align="right"),
                Column(title="busy", align="right"),
                Column(title="$/month", align="right"),
            ),
            rows=tuple(_crossing(each, machines) for each in shown),
        )
    said = [*_more(crossing, shown), *_never(found, explained)]
    if shown:
        said.append("these machines at every load: a plan made for another load may find cheaper ones")
    said += [f"{each.below}: {each.note}" for each in (crossing if explained else _by_the_second(shown)) if each.note]
    if said:
        yield Items(title="" if shown else "Break-even", items=tuple(said), tone="dim")


def _is_seller(each: BreakEven) -> bool:
    return each.usd_per_mtok_tokens is not None


def _by_the_second(found: Iterable[BreakEven]) -> list[BreakEven]:
    return [each for each in found if not _is_seller(each)]


def _fewer(crossing: Sequence[BreakEven]) -> list[BreakEven]:
    """GPUs by the second, and the cheapest sellers of tokens."""
    return [*_by_the_second(crossing), *[each for each in crossing if _is_seller(each)][:SELLERS_SHOWN]]


def _crossing(each: BreakEven, machines: str) -> Row:
    first = each.flips_requests_per_s[0] if each.flips_requests_per_s else each.requests_per_s
    assert first is not None
    assert each.requests_per_s is not None
    return Row(
        cells=(
            each.below if each.above == machines else f"{each.below} → {each.above}",
            rate(first),
            rate(each.requests_per_s) if each.for_good else "never",
            MISSING if each.tokens_per_day is None else count(each.tokens_per_day),
            MISSING if each.utilization is None else percent(each.utilization),
            usd(each.usd_per_month),
        )
    )


def _more(crossing: Sequence[BreakEven], shown: Sequence[BreakEven]) -> Iterator[str]:
    rest = [each.flips_requests_per_s[0] for each in crossing if each not in shown and each.flips_requests_per_s]
    if rest:
        many = f"{len(rest)} dearer seller{plural(len(rest))} of tokens"
        yield f"{many}: first from {rate(min(rest))} to {rate(max(rest))} requests/s on (--explain lists them)"


def _never(found: Sequence[BreakEven], explained: bool) -> Iterator[str]:
    """Those that stay cheaper at every load that was tried, with the two prices that say why."""
    never = [each for each in found if each.requests_per_s is None]
    sellers = [each for each in never if _is_seller(each)]
    if sellers and not explained:
        names = ", ".join(
            f"{each.below.removesuffix(' by the token')} {usd(each.usd_per_mtok_tokens)}" for each in sellers
        )
        full = usd(sellers[0].usd_per_mtok_full)
        yield (
            f"never against {names}: per Mtok that is under the {full} of {sellers[0].above} when full; tried up to "
            f"{rate(sellers[0].tried_requests_per_s)} requests/s"
        )
    for each in never if explained else _by_the_second(never):
        note = f" ({each.note})" if each.note else ""
        yield f"{each.below} costs less than {each.above} up to {rate(each.tried_requests_per_s)} requests/s{note}"


def influences(found: Sequence[Influence], explained: bool) -> Iterator[Block]:
    """Widest swing first, as bars; then where another strategy would be taken."""
    if not found:
        return
    widest = max((each.swing_usd_per_month or 0.0 for each in found), default=0.0)
    yield Table(
        title="What moves the answer: one input at a time, the five rows sized again and not chosen anew",
        columns=(
            Column(title="input"),
            Column(title="from", align="right"),
            Column(title="to", align="right"),
            Column(title="$/month", align="right"),
            Column(title="to $/month", align="right"),
            Column(title="swing"),
        ),
        rows=tuple(_influence(each, widest) for each in found),
    )
    said = list(_changes(found))
    said += [f"{each.input}: {each.note}" for each in found if each.note and (explained or _undoable(each))]
    if said:
        yield Items(items=tuple(said), tone="dim")


def _undoable(each: Influence) -> bool:
    return each.swing_usd_per_month is None


def _influence(each: Influence, widest: float) -> Row:
    unit = {"x": "×", "share": "", "tokens": "", "requests": "", "requests/s": ""}.get(each.unit, each.unit)
    name = f"{each.input}, {each.unit}" if each.unit in ("tokens", "requests", "requests/s") else each.input
    low, high = (
        (percent(value) if each.unit == "share" else f"{rate(value)}{unit}") for value in (each.low, each.high)
    )
    swing = each.swing_usd_per_month
    length = BAR if swing is None or widest <= 0 else round(BAR * swing / widest)
    return Row(
        cells=(
            name, low, high, _or_not(each.usd_per_month_low), _or_not(each.usd_per_month_high),
            "not possible" if swing is None else "█" * length or "▏",
        )
    )  # fmt: skip


def _or_not(amount_usd: float | None) -> str:
    return "no" if amount_usd is None else usd(amount_usd)


def _changes(found: Sequence[Influence]) -> Iterator[str]:
    """At which ends the recommendation is another one; it is the same at most of them."""
    ends = [
        (strategy, each.input, value)
        for each in found
        for strategy, value in ((each.recommended_low, each.low), (each.recommended_high, each.high))
    ]
    names = [strategy for strategy, _, _ in ends if strategy is not None]
    usual = max(sorted(set(names)), key=names.count, default=None)
    others: dict[str, list[str]] = {}
    for strategy, name, value in ends:
        if strategy != usual:
            others.setdefault(strategy or "nothing", []).append(f"{name} {rate(value)}")
    for other, where in others.items():
        yield f"{other} would be recommended at {', '.join(where)}; {usual} otherwise"


def gpus(found: Sequence[GpuValue], explained: bool) -> Iterator[Block]:
    """Floor and work per dollar beside the bill at this load, and which of the two makes one cheaper."""
    if not found:
        return
    reference = next((each.against for each in found if each.against), found[0].gpu_id)
    shown = [
        each for place, each in enumerate(found) if explained or place < GPUS_SHOWN or each.gpu_id == reference
    ]  # fmt: skip
    yield Table(
        title=f"GPUs for this workload, against {reference}",
        columns=(
            Column(title="GPU", share=1),
            Column(title="n", align="right"),
            Column(title="busy", align="right"),
            Column(title="$/month", align="right"),
            Column(title="floor", align="right"),
            Column(title="$/Mtok full", align="right"),
            Column(title="cheaper by"),
        ),
        rows=tuple(_gpu(each) for each in shown),
    )
    said = [_verdict(each, reference, found) for each in found if each.wins_by == "floor"][:1]
    left = len(found) - len(shown)
    said += [f"{left} dearer GPU{plural(left)} with --explain"] if left else []
    said += [f"{each.what}: {each.seller}" for each in found] if explained else []
    if said:
        yield Items(items=tuple(said), tone="dim")


def _gpu(each: GpuValue) -> Row:
    wins = "reference" if each.against is None else each.wins_by or MISSING
    return Row(
        cells=(
            each.what.replace(" by the hour", ""),
            f"{each.replicas}",
            percent(each.utilization),
            usd(each.usd_per_month),
            usd(each.floor_usd_per_month),
            usd(each.usd_per_mtok_full),
            wins,
        )
    )


def _verdict(each: GpuValue, reference: str, found: Sequence[GpuValue]) -> str:
    against = next(other for other in found if other.gpu_id == reference)
    return (
        f"{each.gpu_id} is cheaper by its low floor ({usd(each.floor_usd_per_month)} against "
        f"{usd(against.floor_usd_per_month)} a month), not by work per dollar ({usd(each.usd_per_mtok_full)} against "
        f"{usd(against.usd_per_mtok_full)} per Mtok when full)"
    )


def terms(found: Sequence[TermValue], explained: bool) -> Iterator[Block]:
    """The same machines on each term."""
    if len(found) < 2:
        return
    yield Table(
        title="Terms: the same machines from the cheapest seller on each",
        columns=(
            Column(title="term"),
            Column(title="what and seller, of", share=1),
            Column(title="$/month", align="right"),
            Column(title="owed", align="right"),
            Column(title="pays from", align="right"),
        ),
        rows=tuple(_term(each) for each in found),
    )
    said = [f"{each.term}: {each.note}" for each in found if each.note and (explained or each.term == "spot")]
    if said:
        yield Items(items=tuple(said), tone="dim")


def _term(each: TermValue) -> Row:
    months = MISSING if each.break_even_months is None else f"month {each.break_even_months:.1f}"
    if each.committed_usd is not None and each.break_even_months is None:
        months = "never"
    name = f"{each.what}, {each.seller}".replace(f" ({each.term})", "").replace(f", {each.term}", "")
    return Row(
        cells=(each.term, name, usd(each.usd_per_month), usd(each.committed_usd), months)
    )  # fmt: skip


def duels(found: Sequence[Duel], explained: bool) -> Iterator[Block]:
    """One sentence each."""
    if found:
        yield Items(title="Two ways to the same end", items=tuple(_duel(each, explained) for each in found))


def _duel(each: Duel, explained: bool) -> str:
    second = f"{usd(each.second_usd_per_month)}: {each.second}"
    if each.second_usd_per_month is None:
        second = f"not possible: {each.second}"
    saved = ""
    if each.first_usd_per_month is not None and each.second_usd_per_month:
        change = each.first_usd_per_month / each.second_usd_per_month - 1.0
        saved = f" ({change:+.0%})" if abs(change) >= 0.005 else " (the same)"
    why = f" [{each.note}]" if each.note and (explained or each.second_usd_per_month is None) else ""
    return f"{each.title}: {usd(each.first_usd_per_month)}: {each.first}{saved} against {second}{why}"


def bands(found: Sequence[BillBand], explained: bool) -> Iterator[Block]:
    """Each bill with what it comes to at both ends of the speed band; equal ones together."""
    same: dict[str, list[str]] = {}
    for each in found:
        note = f"; {each.note}" if explained and each.note else ""
        same.setdefault(_band(each) + note, []).append(each.strategy)
    if found:
        title = "Bill of a month if steps are as fast and as slow as their 80 % band"
        yield Facts(title=title, pairs=tuple((", ".join(names), text) for text, names in same.items()))


def _band(each: BillBand) -> str:
    low, high = each.usd_per_month_low, each.usd_per_month_high
    if low == high == each.usd_per_month:
        return f"{usd(each.usd_per_month)} either way"
    slow = "not possible at the slow end" if high is None else usd(high)
    return f"{usd(each.usd_per_month)} ({LOWER_BOUND.strip() if low is None else usd(low)}–{slow})"
