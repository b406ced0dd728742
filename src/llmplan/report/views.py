"""Parts that several answers share: what a replica is, what was assumed, what the engine says, sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from llmplan.plan.deployment import Replica
from llmplan.plan.ledger import Ledger
from llmplan.plan.outcome import CheckResult, Rejection
from llmplan.report.blocks import Block, Column, Facts, Items, Paragraph, Row, Table, Tone
from llmplan.report.numbers import MISSING, count, format_bytes, format_seconds, format_usd, percent
from llmplan.spec.provenance import Provenance

SEVERITY_TONE: dict[str, Tone] = {"error": "bad", "warning": "warn", "advice": "plain"}


def replica_line(replica: Replica) -> str:
    """`2 × h100-sxm-80gb · vllm 0.33.0 · TP2 · fp8 weights · bf16 KV`."""
    return " · ".join(
        (
            f"{replica.parallel.gpus} × {replica.gpu.id}",
            f"{replica.engine.id} {replica.engine.version}",
            replica.parallel.describe(),
            f"{replica.weights.id} weights",
            f"{replica.kv.id} KV",
        )
    )


def offload_line(replica: Replica) -> str:
    """What is in host memory, in words; empty where nothing is."""
    offload, layers = replica.offload, replica.model.layer_count
    match offload.kind if offload else None:
        case "layers" if offload:
            return f"{offload.host_layers} of {layers} layers on the CPU"
        case "experts" if offload:
            return f"the experts of the first {offload.host_layers} of {layers} layers on the CPU"
        case "weights" if offload:
            return "weights streamed from host RAM"
        case "kv" if offload:
            return "KV spills to host RAM"
        case _:
            return ""


def defaults_used(assumed: Mapping[str, str]) -> Iterator[Block]:
    """What the user did not say and we chose."""
    if assumed:
        text = ", ".join(f"{name} {value}" for name, value in assumed.items())
        yield Items(title="Defaults used", items=(text,), tone="dim")


def refusals(checks: Iterable[CheckResult]) -> Iterator[Block]:
    """What the engine will refuse: it stands before the numbers, which then describe nothing that runs."""
    return findings(each for each in checks if each.severity == "error")


def remarks(checks: Iterable[CheckResult]) -> Iterator[Block]:
    """What the engine will do badly."""
    return findings(each for each in checks if each.severity != "error")


def findings(checks: Iterable[CheckResult]) -> Iterator[Block]:
    """What the engine will refuse or do badly, worst first."""
    ordered = sorted(checks, key=lambda each: ("error", "warning", "advice").index(each.severity))
    for severity, tone in SEVERITY_TONE.items():
        items = tuple(
            f"{each.message}" + (f" Fix: {each.fix}" if each.fix else "") + (f" [{each.source}]" if each.source else "")
            for each in ordered
            if each.severity == severity
        )
        if items:
            title = {"error": "The engine will refuse this", "warning": "Warnings", "advice": "Advice"}[severity]
            yield Items(title=title, items=items, tone=tone)


def amount(value: float | None, unit: str) -> str:
    """An amount of a ledger in the notation of its unit."""
    if value is None:
        return MISSING
    match unit:
        case "bytes" | "B" | "byte":
            return format_bytes(value)
        case "s" | "seconds":
            return format_seconds(value)
        case "usd" | "USD" | "usd_per_month":
            return format_usd(value)
        case "tokens" | "token" | "requests":
            return count(value)
        case _:
            return f"{value:,.4g} {unit}".rstrip()


def ledger_table(ledger: Ledger, *, title: str, total_name: str, whole: float | None = None) -> Table:
    """Lines with their share of the total (or of `whole`) and the sum below; lines of nothing are left out."""
    base = whole or ledger.total
    rows = tuple(
        Row(cells=(line.name, amount(line.amount, ledger.unit), _share(line.amount, base)))
        for line in ledger.lines
        if line.amount != 0
    )
    total = ("" if ledger.complete else "≥ ") + amount(ledger.total, ledger.unit)
    return Table(
        title=title,
        columns=(Column(title="line"), Column(title="amount", align="right"), Column(title="share", align="right")),
        rows=rows,
        footer=(total_name, total, _share(ledger.total, base)),
    )


def _share(part: float | None, whole: float) -> str:
    return MISSING if part is None or whole <= 0 else percent(part / whole)


def why_not(rejection: Rejection) -> Iterator[Block]:
    """A rejection in full: reason, need, supply, the ledger that failed, and what would change it."""
    yield Paragraph(text=f"Not feasible: {rejection.reason}", tone="bad")
    pairs = tuple(
        (name, text)
        for name, text in (("needed", rejection.needed), ("available", rejection.available), ("fix", rejection.fix))
        if text
    )
    if pairs:
        yield Facts(pairs=pairs)
    if rejection.ledger is not None:
        yield ledger_table(rejection.ledger, title="The budget that failed", total_name="total")


class Sources:
    """Numbers sources in the order in which they are first cited."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def cite(self, provenance: Iterable[Provenance]) -> str:
        """`[1][3]` for these."""
        return "".join(f"[{self.number(described(each))}]" for each in provenance)

    def number(self, text: str) -> int:
        """The number of a source, new or known."""
        return self._numbers.setdefault(text, len(self._numbers) + 1)

    def blocks(self) -> Iterator[Block]:
        """The numbered list."""
        if self._numbers:
            yield Items(title="Sources", items=tuple(self._numbers), numbered=True, tone="dim")


def described(provenance: Provenance) -> str:
    """One line with the address."""
    url = provenance.source.url
    return provenance.describe() + (f" {url}" if url else "")
