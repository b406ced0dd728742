"""Each stated promise beside what is predicted for it: one list for refusals, how near they came, fixes and reasons."""

from __future__ import annotations

from collections.abc import Iterable

from llmplan.plan.load import Load
from llmplan.plan.outcome import Estimate
from llmplan.plan.promise import Promise
from llmplan.spec.workload import Slo


def promises_of(estimate: Estimate, slo: Slo, load: Load) -> tuple[Promise, ...]:
    """Every promise that was stated [s]. The whole request: TTFT p95 and the 95th-percentile answer at the mean TPOT,
    as `perf.capacity` has it."""
    e2e_p95_s = estimate.ttft_p95_s + (load.output_tokens.at_p95 - 1.0) * estimate.tpot_s.mid
    rows = (
        ("TTFT p95", "--ttft-p95-ms", estimate.ttft_p95_s, slo.ttft_p95_s),
        ("TPOT p95", "--tpot-p95-ms", estimate.tpot_p95_s, slo.tpot_p95_s),
        ("E2E p95", "--e2e-p95-ms", e2e_p95_s, slo.e2e_p95_s),
    )
    return tuple(
        Promise(name=name, flag=flag, predicted_s=predicted_s, promised_s=promised_s)
        for name, flag, predicted_s, promised_s in rows
        if promised_s is not None
    )


def closeness(promises: Iterable[Promise]) -> float:
    """How near the worst of them comes to being kept: 1 would keep all."""
    ratios = [promise.promised_s / promise.predicted_s for promise in promises if promise.predicted_s > 0]
    return min([1.0, *ratios])


def relax(promises: Iterable[Promise]) -> str:
    """`relax --a or --b`: the broken promises, or all where none is. Empty without a promise."""
    stated = tuple(promises)
    flags = [promise.flag for promise in stated if promise.broken] or [promise.flag for promise in stated]
    return f"relax {' or '.join(flags)}" if flags else ""
