"""The answer to `recommend`: five rows, the recommendation with its reasons, and what it all rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from llmplan.plan.outcome import Option, Rejection
from llmplan.plan.plan import Plan
from llmplan.report import explain, over_time, rows, views
from llmplan.report.blocks import Block, Document, Facts, Items, Paragraph
from llmplan.report.numbers import LOWER_BOUND, percent, plural, rate
from llmplan.spec.inventory import Inventory
from llmplan.spec.provenance import Provenance
from llmplan.spec.workload import Lengths, Limits, Question, Slo, Workload
from llmplan.units import format_seconds

FIGURE_SOURCES_SHOWN = 6


def document(plan: Plan, *, explained: bool = False) -> Document:
    """Everything a decision needs on one page; `explained` adds every formula and source."""
    return tuple(_blocks(plan, explained))


def _blocks(plan: Plan, explained: bool) -> Iterator[Block]:
    yield Paragraph(text=f"{plan.question.model_id}: five ways to serve it", heading=1)
    yield Facts(pairs=tuple(asked(plan.question)))
    yield rows.five(plan)
    yield from over_time.blocks(plan)
    yield from verdict(plan)
    yield from why_not(plan)
    yield from notes(plan)
    if plan.warnings:
        yield Items(title="Warnings", items=plan.warnings, tone="warn")
    yield Facts(title="Defaults used", pairs=tuple(defaults(plan)))
    if explained:
        yield from explanation(plan)
    else:
        yield from figures_from(plan)


def asked(question: Question) -> Iterator[tuple[str, str]]:
    """The question as it was understood."""
    yield "traffic", traffic(question.workload)
    yield "promise", promise(question.slo)
    limits = limited_to(question.limits)
    if limits:
        yield "within", limits


def traffic(workload: Workload) -> str:
    """`5 requests/s (peak 1.5×), 1,000 tokens in, 300 out`."""
    if workload.requests_per_s is not None:
        text = f"{rate(workload.requests_per_s)} requests/s"
        if workload.peak_to_mean > 1:
            text += f" (busiest hour {rate(workload.requests_per_s * workload.peak_to_mean)})"
    else:
        users = workload.concurrency or 0
        text = f"{rate(users)} request{plural(users)} always in flight"
    text += f", {_tokens(workload.input_tokens)} tokens in, {_tokens(workload.output_tokens)} out"
    if workload.prefix_share:
        text += f", {percent(workload.prefix_share)} of the input shared"
    if workload.tenants > 1 or workload.adapters:
        text += f", {workload.tenants} tenants, {workload.adapters} adapters"
    return text + (f" ({workload.name})" if workload.id != "stated" else "")


def _tokens(lengths: Lengths) -> str:
    if lengths.p99 is None or lengths.p99 == lengths.mean:
        return f"{lengths.mean:,.0f}"
    return f"{lengths.mean:,.0f} (p99 {lengths.p99:,.0f})"


def promise(slo: Slo) -> str:
    """The latency limits in words."""
    parts = [
        f"{name} ≤ {format_seconds(limit)}"
        for name, limit in (("TTFT p95", slo.ttft_p95_s), ("TPOT p95", slo.tpot_p95_s), ("E2E p95", slo.e2e_p95_s))
        if limit is not None
    ]
    return ", ".join(parts) or "none asked for"


def limited_to(limits: Limits) -> str:
    """What the answer had to stay within."""
    parts = [
        f"{name} {', '.join(values)}"
        for name, values in (
            ("GPU", limits.gpu_ids), ("provider", limits.provider_ids), ("region", limits.regions),
            ("engine", limits.engine_ids), ("weights", limits.weight_formats), ("KV cache", limits.kv_formats),
        )
        if values
    ]  # fmt: skip
    parts += [f"own hardware: {inventory(limits.inventory)}"] if limits.inventory else []
    parts += [f"privacy {limits.privacy}"] if limits.privacy != "any" else []
    parts += [f"at most ${limits.max_usd_per_month:,.0f} a month"] if limits.max_usd_per_month is not None else []
    parts += [f"at most {limits.max_gpus} GPUs"] if limits.max_gpus is not None else []
    parts += [said.text for said in settings_of(limits) if said.changed]
    return "; ".join(parts)


def inventory(owned: Inventory) -> str:
    """`4 nodes of 4 × a10-24gb`."""
    return ", ".join(
        f"{group.nodes} node{'s' if group.nodes > 1 else ''} of {group.gpus_per_node} × {group.gpu_id}"
        for group in owned.groups
    )


def verdict(plan: Plan) -> Iterator[Block]:
    """What we would do, and why."""
    if plan.recommended is None:
        yield Paragraph(text="No strategy is feasible within these limits.", tone="bad")
    else:
        yield Paragraph(text=f"Recommended: {plan.recommended}", heading=2)
    if plan.reasons:
        yield Items(items=plan.reasons)


def why_not(plan: Plan) -> Iterator[Block]:
    """Each rejection with what was needed, what there was and what would change it; equal ones together."""
    said: dict[str, list[str]] = {}
    for strategy, outcome in plan.outcomes.items():
        if isinstance(outcome, Rejection):
            said.setdefault(_rejected(outcome), []).append(strategy)
    if said:
        items = tuple(f"{', '.join(strategies)}: {text}" for text, strategies in said.items())
        yield Items(title="Why not", items=items)


def _rejected(rejection: Rejection) -> str:
    text = rejection.reason
    if rejection.needed:
        text += f"; needs {rejection.needed}"
    if rejection.available:
        text += f"; available: {rejection.available}"
    if rejection.deployment is not None and rejection.deployment.replica is not None:
        replica = rejection.deployment.replica
        text += f" (nearest: {rows.gpus(rejection.deployment)}, {replica.weights.id}, {replica.parallel.describe()})"
    return text + (f". Fix: {rejection.fix}" if rejection.fix else "")


def notes(plan: Plan) -> Iterator[Block]:
    """What to know about each option before signing, once where several share it."""
    said: dict[str, list[str]] = {}
    for strategy, outcome in plan.outcomes.items():
        if isinstance(outcome, Option):
            advice = (each.message for each in outcome.checks if each.severity == "warning")
            for note in (*outcome.notes, *advice, *_missing(outcome)):
                if not any(note in warning for warning in plan.warnings):
                    said.setdefault(note, []).append(strategy)
    items = tuple(f"{', '.join(strategies)}: {note}" for note, strategies in said.items())
    if items:
        yield Items(title="Good to know", items=items)


def _missing(option: Option) -> Iterator[str]:
    """Which lines have no price, so that the total is a lower bound."""
    names = [line.name for line in option.quote.lines if line.usd_per_month is None]
    if names:
        yield f"{LOWER_BOUND.strip()} because nobody states a price for {', '.join(names)}"


def defaults(plan: Plan) -> Iterator[tuple[str, str]]:
    """The settings that matter and were not asked for."""
    limits, option = plan.question.limits, plan.chosen
    replica = option.deployment.replica if option else None
    if replica is not None:
        settings = replica.settings
        yield (
            "engine",
            f"{replica.engine.id} {replica.engine.version}, max_model_len {settings.max_model_len}, max_num_seqs "
            f"{settings.max_num_seqs}, max_num_batched_tokens {settings.max_num_batched_tokens}, memory fraction "
            f"{settings.memory_fraction:g}" + ("" if limits.kv_formats else f", {replica.kv.id} KV cache"),
        )
    for name in ("fleet", "choice"):
        unchanged = [said.text for said in settings_of(limits) if said.name == name and not said.changed]
        if unchanged:
            yield name, ", ".join(unchanged)
    prices = [f"of {plan.price_date.isoformat()}"]
    prices += [said.text for said in settings_of(limits) if said.name == "prices" and not said.changed]
    prices += [] if limits.regions else ["any region"]
    yield "prices", f"{', '.join(prices)}, a month of 730 hours"
    yield "made with", plan.made_with


class Setting(NamedTuple):
    """A limit that has a default: what it belongs to, what it says, and whether it was asked for."""

    name: str
    text: str
    changed: bool


def settings_of(limits: Limits) -> tuple[Setting, ...]:
    """The limits that decide whether anybody asked for them or not."""
    usual = Limits()
    spare = f"{limits.spare_replicas} spare on top of two or more replicas" if limits.spare_replicas else "no spare"
    savings = limits.unverified_saving, limits.unverified_saving_steady
    cheaper = f"{percent(savings[0])} cheaper"
    if savings[0] != savings[1]:
        cheaper += f" ({percent(savings[1])} where two or more replicas are filled)"
    return (
        Setting(
            "fleet", f"at most {percent(limits.max_utilization)} busy at the peak",
            limits.max_utilization != usual.max_utilization,
        ),
        Setting("fleet", spare, limits.spare_replicas != usual.spare_replicas),
        Setting(
            "choice", f"at most {percent(limits.max_quality_loss)} loss of quality",
            limits.max_quality_loss != usual.max_quality_loss,
        ),
        Setting(
            "choice", f"up to {percent(limits.commitment_premium)} more for guaranteed capacity",
            limits.commitment_premium != usual.commitment_premium,
        ),
        Setting(
            "choice", f"an unstated latency only if {cheaper}",
            savings != (usual.unverified_saving, usual.unverified_saving_steady),
        ),
        Setting("prices", f"terms {', '.join(limits.terms)}", limits.terms != usual.terms),
    )  # fmt: skip


def figures_from(plan: Plan) -> Iterator[Block]:
    """The documents behind the plan's figures, the most used first; `--explain` says which figure is from where."""
    counted = Counter(_document(figure.provenance) for figure in plan.figures)
    shown = [f"{text}: {_figures(uses)}" for text, uses in counted.most_common(FIGURE_SOURCES_SHOWN)]
    rest = len(counted) - len(shown)
    if rest > 0:
        shown.append(f"{rest} more sources: --explain lists every figure with its source")
    if shown:
        yield Items(title="Figures from", items=tuple(shown), tone="dim")


def _document(provenance: Provenance) -> str:
    when = provenance.as_of.isoformat() if provenance.as_of else "undated"
    return f"{provenance.source.title} ({when}, {provenance.kind})"


def _figures(count: int) -> str:
    return "1 figure" if count == 1 else f"{count} figures"


def explanation(plan: Plan) -> Iterator[Block]:
    """Every ledger and quote line with its formula, then every source."""
    sources = views.Sources()
    for strategy, outcome in plan.outcomes.items():
        if isinstance(outcome, Rejection):
            if outcome.ledger is not None:
                yield explain.ledger_lines(outcome.ledger, sources, title=f"{strategy}: the budget that failed")
            continue
        yield explain.quote_lines(outcome.quote, sources, title=f"{strategy}: money per month")
        if outcome.memory is not None:
            yield explain.ledger_lines(outcome.memory.ledger, sources, title=f"{strategy}: memory of one GPU")
        if outcome.estimate is not None:
            yield explain.ledger_lines(outcome.estimate.step_ledger, sources, title=f"{strategy}: one step")
    if plan.figures:
        yield figures(plan, sources)
    yield from sources.blocks()


def figures(plan: Plan, sources: views.Sources) -> Block:
    """Every figure that the plan rests on."""
    items = tuple(
        f"{figure.path} = {figure.value:,.6g} {figure.unit} {sources.cite((figure.provenance,))}"
        for figure in plan.figures
    )
    return Items(title="Figures used", items=items)
