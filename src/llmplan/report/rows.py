"""One row for each strategy: what would run, how fast, for how much, or why not."""

from __future__ import annotations

from llmplan.plan.deployment import Deployment, StrategyId
from llmplan.plan.outcome import Estimate, Option, Outcome, Rejection
from llmplan.plan.plan import Plan
from llmplan.report import views
from llmplan.report.blocks import Column, Row, Table
from llmplan.report.numbers import MISSING, at_percentile, percent, seconds, usd
from llmplan.spec.workload import Slo

RECOMMENDED = "▸ "
INDENT = "  "
NEVER = 0.0005
"""a share below this is printed as none"""

COLUMNS = (
    Column(title=f"{INDENT}strategy"),
    Column(title="what", share=1),
    Column(title="TTFT p95\nTPOT p95"),
    Column(title="$/month", align="right"),
    Column(title="$/Mtok", align="right"),
)


def five(plan: Plan) -> Table:
    """The five strategies side by side, the recommended one marked."""
    rows = tuple(
        row(strategy, outcome, plan.question.slo, recommended=strategy == plan.recommended)
        for strategy, outcome in plan.outcomes.items()
    )
    return Table(columns=COLUMNS, rows=rows, spaced=True)


def row(strategy: StrategyId, outcome: Outcome, slo: Slo, *, recommended: bool) -> Row:
    """The cells of one strategy."""
    mark = RECOMMENDED if recommended else INDENT
    if isinstance(outcome, Rejection):
        return Row(
            cells=(f"{mark}{strategy}\n{INDENT}not feasible", outcome.reason, MISSING, MISSING, MISSING), tone="dim"
        )
    return Row(
        cells=(
            f"{mark}{strategy}\n{INDENT}{status(outcome, slo)}",
            what(outcome),
            latency(outcome),
            usd(outcome.quote.usd_per_month, complete=outcome.quote.complete),
            usd(outcome.quote.usd_per_mtok_blended, complete=outcome.quote.complete),
        ),
        tone="good" if recommended else "plain",
    )


def status(option: Option, slo: Slo) -> str:
    """Whether the promise is kept, as far as anybody knows."""
    if slo.is_empty:
        return "feasible"
    if option.meets_slo is None:
        return "SLO unknown"
    return "meets the SLO" if option.meets_slo else "misses the SLO"


def what(option: Option) -> str:
    """GPUs, format and engine; then who sells it, on which terms."""
    deployment = option.deployment
    lines = [gpus(deployment), settings(deployment), seller(option)]
    return "\n".join(line for line in lines if line)


def gpus(deployment: Deployment) -> str:
    """`4 × l4-24gb (2 replicas of 2)`."""
    replica = deployment.replica
    if replica is None:
        return "hosted API, paid by the token"
    per_replica = replica.parallel.gpus
    if deployment.replicas is None:
        return f"{per_replica} × {replica.gpu.id}"
    upto = "up to " if deployment.purchase.kind == "serverless" else ""
    text = f"{upto}{deployment.gpus} × {replica.gpu.id}"
    if deployment.replicas > 1:
        text += (
            f" ({deployment.replicas} replicas)" if per_replica == 1 else f" ({deployment.replicas} × {per_replica})"
        )
    return text


def settings(deployment: Deployment) -> str:
    """`fp8, TP2, vllm 0.33.0` and what is kept in host memory."""
    replica = deployment.replica
    if replica is None:
        return ""
    text = f"{replica.weights.id}, {replica.parallel.describe()}, {replica.engine.id} {replica.engine.version}"
    return f"{text}, {views.offload_line(replica)}" if replica.offload else text


def seller(option: Option) -> str:
    """Who is paid most, where and on which term: `aws us-east-1, reserved-1y`."""
    if option.deployment.purchase.kind == "owned":
        return "own hardware"
    priced = [line for line in option.quote.serving if line.figure is not None and line.usd_per_month is not None]
    if not priced:
        return ""
    figure = max(priced, key=lambda line: line.usd_per_month or 0.0).figure
    assert figure is not None
    place = " ".join(part for part in (figure.provider, figure.region) if part)
    return ", ".join(part for part in (place, figure.term) if part)


def latency(option: Option) -> str:
    """TTFT and TPOT at p95 with their bands."""
    if option.estimate is None:
        return "not stated\nnot stated"
    lines = [ttft_p95(option.estimate), tpot_p95(option.estimate)]
    cold = option.cold.get("cold_request_share")
    if cold is not None:
        lines.append(f"{percent(cold)} start cold" if cold >= NEVER else warmth(option))
    return "\n".join(lines)


def warmth(option: Option) -> str:
    """How a fleet without noticeable cold starts stays warm."""
    return "one kept warm" if option.deployment.purchase.keep_warm else "hardly ever cold"


def ttft_p95(estimate: Estimate) -> str:
    """The 95th percentile with the band of the mean."""
    return seconds(at_percentile(estimate.ttft_s, estimate.ttft_p95_s))


def tpot_p95(estimate: Estimate) -> str:
    """The 95th percentile with the band of the mean."""
    return seconds(at_percentile(estimate.tpot_s, estimate.tpot_p95_s))
