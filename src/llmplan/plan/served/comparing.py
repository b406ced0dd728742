"""Plan and server side by side: one row a quantity, with a verdict where one can be given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from llmplan.plan.served.expected import Expected, Predicted
from llmplan.plan.served.histogram import Histogram
from llmplan.plan.served.seen import ENOUGH_REQUESTS, Seen
from llmplan.spec.band import Band

Verdict: TypeAlias = Literal["agrees", "differs", "not judged", ""]
SAME_SIZE = 0.01
"""relative difference up to which sizes count as the same"""
SAME_TRAFFIC = 0.25
"""the same for rates, lengths and requests in flight: latency hardly moves within"""
SAME_SHARE = 0.1
"""the same for shares of the prompt, absolute"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One quantity. `planned`: by the plan, for the traffic that it was made for; `predicted`: for the traffic that was
    seen. `low` and `high` bound what was observed where only its bucket is known."""

    id: str
    name: str
    unit: str
    observed: float | None
    planned: Band | None = None
    predicted: Band | None = None
    low: float | None = None
    high: float | None = None
    verdict: Verdict = ""


def compare(seen: Seen, expected: Expected | None, predicted: Predicted | None) -> tuple[Compared, ...]:
    """Every quantity that the server says, beside what was planned and predicted of it."""
    rows = (*_sizes(seen, expected), *_traffic(seen, expected), *_latency(seen, expected, predicted), *_state(seen))
    return tuple(row for row in rows if row.observed is not None)


SETTINGS = (
    ("block_size", "KV block", "tokens", "block_tokens"),
    ("max_model_len", "longest request", "tokens", "max_model_len"),
    ("max_num_seqs", "sequences in a step", "requests", "max_num_seqs"),
    ("max_num_batched_tokens", "tokens in a step", "tokens", "max_num_batched_tokens"),
    ("gpu_memory_utilization", "memory fraction", "share", "memory_fraction"),
)
"""flag, what it is, its unit, and where the plan has it"""


def _sizes(seen: Seen, expected: Expected | None) -> Iterator[Compared]:
    gauges, stated = seen.last.gauges, seen.last.settings
    tokens, context = gauges.get("kv_tokens"), number(stated.get("max_model_len"))
    capacity = expected.capacity_tokens if expected else None
    yield sized("kv_tokens", "KV capacity", "tokens", tokens, capacity)
    full = gauges.get("max_concurrency", tokens / context if tokens is not None and context else None)
    yield sized("max_concurrency", "full requests at once", "requests", full, _full_requests(expected, context))
    for name, label, unit, attribute in SETTINGS:
        # what the server's own words filled in agrees with them, which says nothing
        asked = expected is not None and name not in expected.taken
        planned = Band.exact(float(getattr(expected.replica.settings, attribute))) if expected and asked else None
        yield sized(name, label, unit, number(stated.get(name)), planned)


def _full_requests(expected: Expected | None, context: float | None) -> Band | None:
    """Requests of full length at once, with the band of the pool; None where the server's are of another length."""
    capacity = expected.capacity_tokens if expected else None
    if expected is None or expected.budget is None or capacity is None:
        return None
    if context != expected.replica.settings.max_model_len:
        return None
    return Band.of(
        expected.budget.max_concurrency,
        low_ratio=capacity.low / capacity.mid,
        high_ratio=capacity.high / capacity.mid,
    )


def number(value: object) -> float | None:
    """A setting as a number; a word or a truth is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def sized(name: str, label: str, unit: str, observed: float | None, planned: Band | None) -> Compared:
    """A size: it agrees within its band, widened by what counts as the same."""
    verdict: Verdict = ""
    if observed is not None and planned is not None:
        fits = planned.low * (1.0 - SAME_SIZE) <= observed <= planned.high * (1.0 + SAME_SIZE)
        verdict = "agrees" if fits else "differs"
    return Compared(id=name, name=label, unit=unit, observed=observed, planned=planned, verdict=verdict)


def _traffic(seen: Seen, expected: Expected | None) -> Iterator[Compared]:
    # an idle server is not one of other traffic
    load = expected.load if expected and not seen.is_idle else None
    rate = load.value if load and load.kind == "rate" else None
    if rate is None and expected and expected.estimate and load:
        rate = expected.estimate.requests_per_s.mid
    flying = load.value if load and load.kind == "concurrency" else None
    row = _alike("requests_per_s", "requests/s", "requests/s", seen.per_s("requests"), rate)
    # clients that wait for their answers set how many are in flight: their rate is how fast they are answered
    yield row if flying is None else replace(row, verdict="")
    yield _alike("in_flight", "requests in flight", "requests", seen.in_flight, flying)
    yield _alike("input_tokens", "tokens in", "tokens", seen.input_tokens, load.input_tokens.mean if load else None)
    yield _alike("output_tokens", "tokens out", "tokens", seen.output_tokens, load.output_tokens.mean if load else None)
    if seen.output_tokens is None:
        mix = load.input_tokens.mean / max(1.0, load.output_tokens.mean) if load else None
        yield _alike("tokens_in_per_out", "tokens in for one out", "", seen.tokens_in_per_out, mix)
    share, planned = seen.prefix_share, load.prefix_share if load else None
    verdict: Verdict = ""
    if share is not None and planned is not None:
        verdict = "agrees" if abs(share - planned) <= SAME_SHARE else "differs"
    known = Band.exact(planned) if planned is not None else None
    yield Compared(id="prefix_share", name="prompt in prefix cache", unit="share", observed=share,
                   planned=known, verdict=verdict)  # fmt: skip


def _alike(name: str, label: str, unit: str, observed: float | None, planned: float | None) -> Compared:
    verdict: Verdict = ""
    if observed is not None and planned is not None and planned > 0.0:
        verdict = "agrees" if 1.0 / (1.0 + SAME_TRAFFIC) <= observed / planned <= 1.0 + SAME_TRAFFIC else "differs"
    known = Band.exact(planned) if planned is not None else None
    return Compared(id=name, name=label, unit=unit, observed=observed, planned=known, verdict=verdict)


def _latency(seen: Seen, expected: Expected | None, predicted: Predicted | None) -> Iterator[Compared]:
    estimate = expected.estimate if expected else None
    for name, label, observed, planned, now in (
        (
            "ttft",
            "TTFT, mean",
            seen.mean("ttft"),
            estimate.ttft_s if estimate else None,
            predicted.ttft_s if predicted else None,
        ),
        (
            "tpot",
            "TPOT, mean",
            seen.tpot_after_first_s,
            estimate.tpot_s if estimate else None,
            predicted.tpot_s if predicted else None,
        ),
    ):
        yield Compared(id=name, name=label, unit="s", observed=observed, planned=planned, predicted=now,
                       verdict=latency_verdict(seen, observed, now))  # fmt: skip
        p95 = getattr(estimate, f"{name}_p95_s", None)
        now95 = getattr(predicted, f"{name}_p95_s", None)
        yield _p95(name, f"{label[:4]}, p95", seen.histogram(name), p95, now95)
    if seen.histogram("tpot") is None:
        # gaps between two tokens are no means of requests: nothing predicts their 95th percentile
        yield _p95("itl", "ITL, p95", seen.histogram("itl"), None, None)
    yield Compared(
        id="output_tokens_per_s",
        name="output tokens/s",
        unit="tokens/s",
        observed=seen.per_s("output_tokens"),
        planned=estimate.output_tokens_per_s if estimate else None,
        predicted=predicted.output_tokens_per_s if predicted and (seen.in_flight or 0.0) >= 1.0 else None,
    )


def latency_verdict(seen: Seen, observed: float | None, predicted: Band | None) -> Verdict:
    """Within the band of what was predicted for the same traffic, or not; too few requests are not judged."""
    if observed is None or predicted is None:
        return ""
    if (seen.answered or 0.0) < ENOUGH_REQUESTS:
        return "not judged"
    return "agrees" if predicted.low <= observed <= predicted.high else "differs"


def _p95(name: str, label: str, found: Histogram | None, planned: float | None, predicted: float | None) -> Compared:
    at = found.quantile(0.95) if found else None
    return Compared(
        id=f"{name}_p95",
        name=label,
        unit="s",
        observed=at.mid if at else None,
        low=at.low if at else None,
        high=at.high if at else None,
        planned=Band.exact(planned) if planned is not None else None,
        predicted=Band.exact(predicted) if predicted is not None else None,
    )


def _state(seen: Seen) -> Iterator[Compared]:
    for name, label, unit, value in (
        ("running", "running now", "requests", seen.gauge("running")),
        ("waiting", "waiting now", "requests", seen.gauge("waiting")),
        ("kv_usage", "KV cache in use now", "share", seen.gauge("kv_usage")),
        ("preemptions", "preemptions", "requests", seen.total("preemptions")),
        ("requests", "requests answered", "requests", seen.requests),
        ("failed", "requests not answered", "requests", seen.total("failed")),
    ):
        yield Compared(id=name, name=label, unit=unit, observed=value)
