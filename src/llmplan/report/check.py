"""The review of a launch, and the list of all rules, as people and programs read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmplan.plan.deployment import Replica
from llmplan.plan.engine_rule import SEVERITIES, EngineRule
from llmplan.plan.outcome import CheckResult, MemoryBudget, Rejection
from llmplan.report import json as records
from llmplan.report import views
from llmplan.report.blocks import Block, Column, Document, Facts, Items, Paragraph, Row, Table
from llmplan.report.numbers import format_bytes, size

SCHEMA = "llmplan.check/v1"
TITLES = {"error": "It will not start, or not as meant", "warning": "Warnings", "advice": "Advice"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """One launch: what it starts, what is wrong with it, and whether it fits."""

    where: str
    program: str
    replica: Replica
    findings: tuple[CheckResult, ...]
    outcome: MemoryBudget | Rejection
    assumed: Mapping[str, str]
    notes: tuple[str, ...]
    table_ref: str | None
    """the option list that it was read against"""

    def count(self, severity: str) -> int:
        """Findings of a severity."""
        return sum(each.severity == severity for each in self.findings)


def document(reviewed: Sequence[Reviewed], rules: Mapping[str, EngineRule], *, explain: bool) -> Document:
    """Every launch: findings, worst first, then memory."""
    return tuple(block for each in reviewed for block in _blocks(each, rules, explain))


def _blocks(each: Reviewed, rules: Mapping[str, EngineRule], explain: bool) -> Iterator[Block]:
    where = f"{each.where}: " if each.where else ""
    yield Paragraph(text=f"{where}{each.program} {each.replica.model.id}", heading=1)
    yield Facts(pairs=(("read as", views.replica_line(each.replica)), ("answer", verdict(each))))
    for severity in SEVERITIES:
        found = [result for result in each.findings if result.severity == severity]
        if found:
            items = tuple(_sentence(result, rules.get(result.id), explain) for result in found)
            yield Items(title=TITLES[severity], items=items, tone=views.SEVERITY_TONE[severity])
    yield Facts(title="Memory of one GPU", pairs=tuple(_memory(each)))
    if each.notes:
        yield Items(title="Not taken into account", items=each.notes, tone="warn")
    yield from views.defaults_used(each.assumed)


def verdict(each: Reviewed) -> str:
    """The answer in one line."""
    errors, warnings = each.count("error"), each.count("warning")
    if errors:
        return f"{errors} error{'s' * (errors != 1)}: it would not start, or not as meant"
    if warnings:
        return f"it starts, with {warnings} warning{'s' * (warnings != 1)}"
    return "nothing found that is wrong"


def _sentence(result: CheckResult, rule: EngineRule | None, explain: bool) -> str:
    text = f"{result.message} ({result.id})\n  fix: {result.fix}"
    if explain and rule is not None:
        says = f"\n  the engine: {rule.says}" if rule.says else ""
        text += f"\n  why: {rule.title}{says}\n  source: {result.source} ({', '.join(rule.basis)})"
    return text


def _memory(each: Reviewed) -> Iterator[tuple[str, str]]:
    outcome = each.outcome
    if isinstance(outcome, Rejection):
        yield "fits", f"no: {outcome.reason}"
        yield "needs", f"{outcome.needed}; available: {outcome.available}"
        return
    yield "fits", f"yes, in {format_bytes(outcome.budget_bytes)} of {format_bytes(outcome.total_bytes)}"
    yield "weights", format_bytes(outcome.weights_bytes)
    yield "KV pool", f"{size(outcome.kv_cache_bytes)}, {outcome.capacity_tokens:,} tokens in the replica"
    length = each.replica.settings.max_model_len
    yield "concurrency", f"{outcome.max_concurrency:,.2f} requests of {length:,} tokens at once"


def record(reviewed: Sequence[Reviewed], rules: Mapping[str, EngineRule]) -> dict[str, Any]:
    """The JSON answer."""
    return {
        "schema": SCHEMA,
        **{f"{severity}s": sum(each.count(severity) for each in reviewed) for severity in ("error", "warning")},
        "launches": [_launch(each, rules) for each in reviewed],
    }


def _launch(each: Reviewed, rules: Mapping[str, EngineRule]) -> dict[str, Any]:
    replica, outcome = each.replica, each.outcome
    budget = outcome if isinstance(outcome, MemoryBudget) else None
    return {
        "where": each.where or None,
        "program": each.program,
        "engine": replica.engine.ref,
        "options_of": each.table_ref,
        "model": replica.model.id,
        "gpu": replica.gpu.id,
        "parallel": {
            "tp": replica.parallel.tp, "pp": replica.parallel.pp, "dp": replica.parallel.dp,
            "expert_parallel": replica.parallel.ep, "dcp": replica.parallel.dcp,
        },
        "weights": replica.weights.id,
        "kv_cache": replica.kv.id,
        "max_model_len": replica.settings.max_model_len,
        "max_num_seqs": replica.settings.max_num_seqs,
        "max_num_batched_tokens": replica.settings.max_num_batched_tokens,
        "memory_fraction": replica.settings.memory_fraction,
        "findings": [
            records.check(result)
            | ({"title": rule.title, "says": rule.says} if (rule := rules.get(result.id)) is not None else {})
            for result in each.findings
        ],
        "fits": budget is not None,
        "kv": None if budget is None else {
            "cache_bytes_per_gpu": records.band(budget.kv_cache_bytes),
            "capacity_tokens": budget.capacity_tokens,
            "max_concurrency": budget.max_concurrency,
        },
        "rejection": None if isinstance(outcome, MemoryBudget) else records.rejection(outcome),
        "assumed": dict(each.assumed),
        "notes": list(each.notes),
    }  # fmt: skip


def rules_document(rules: Iterable[EngineRule]) -> Document:
    """`llmplan check --list`."""
    rows = tuple(
        Row(cells=(rule.id, ", ".join(rule.engines) or "all", ", ".join(rule.severities), _held(rule)))
        for rule in rules
    )
    columns = (
        Column(title="rule"), Column(title="engines", share=2), Column(title="can be", share=2),
        Column(title="what must hold", share=6),
    )  # fmt: skip
    return (Table(title=f"{len(rows)} engine rules", columns=columns, rows=rows),)


def _held(rule: EngineRule) -> str:
    """What must hold, with the versions and GPUs that it is limited to."""
    parts = [f"versions {rule.versions}"] if rule.versions else []
    parts += [f"GPUs {rule.gpus}"] if rule.gpus else []
    return f"{rule.title} ({'; '.join(parts)})" if parts else rule.title


def rules_record(rules: Iterable[EngineRule]) -> dict[str, Any]:
    """The JSON answer to `--list`."""
    return {"schema": SCHEMA, "rules": [
        {
            "id": rule.id, "title": rule.title, "engines": list(rule.engines), "versions": rule.versions,
            "gpus": rule.gpus, "severities": list(rule.severities), "says": rule.says, "source": rule.source,
            "basis": list(rule.basis),
        }
        for rule in rules
    ]}  # fmt: skip
