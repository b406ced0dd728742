"""Rules on what the server carries and how fast: other traffic, latency beyond its band, a queue, preemptions; and on
what the reading itself can be trusted for."""

from __future__ import annotations

from collections.abc import Iterator

from llmplan.plan.served.comparing import Compared
from llmplan.plan.served.drift import Case, Finding
from llmplan.plan.served.flags import command, load_flags, replica_flags
from llmplan.plan.served.seen import ENOUGH_REQUESTS
from llmplan.units import format_rate, format_seconds

TRAFFIC_ROWS = ("requests_per_s", "in_flight", "input_tokens", "output_tokens", "tokens_in_per_out", "prefix_share")
QUEUE_SHARE = 0.1
"""of the running requests: fewer waiting ones come and go"""
FAILED_SHARE = 0.05
"""of requests that end without an answer: fewer may be clients that went away; a judgement"""
CALIBRATE = "llmplan observe URL --interval 60s --samples 6 ... -o seen.jsonl, then llmplan calibrate seen.jsonl"


def other_traffic(case: Case) -> Iterator[Finding]:
    """Traffic that is not the planned one: latency is then compared with a prediction for what was seen."""
    changed = [case.rows[row] for row in TRAFFIC_ROWS if case.differs(row)]
    if case.expected is None or not changed or case.seen.is_idle:
        return
    load = case.seen.load
    fix = ""
    if load is not None:
        replica = case.expected.replica
        words = ("llmplan", "predict", replica.model.id)
        fix = f"predict again at what was seen: {command(words, replica_flags(replica) | load_flags(load))}"
    yield Finding(
        id="other-traffic",
        kind="traffic",
        message="other traffic, so latency is not comparable with the plan's: "
        + "; ".join(f"{row.name} {_said(row, row.observed)}, planned {_said(row, _mid(row))}" for row in changed),
        fix=fix,
    )


def latency(case: Case) -> Iterator[Finding]:
    """Latency outside of the band that was predicted for this very traffic."""
    slow = [case.rows[name] for name in ("ttft", "tpot") if case.differs(name)]
    if not slow or case.predicted is None:
        return
    parts = []
    for row in slow:
        assert row.observed is not None
        assert row.predicted is not None
        low, high = format_seconds(row.predicted.low), format_seconds(row.predicted.high)
        word = "slower" if row.observed > row.predicted.high else "faster"
        parts.append(f"{row.id.upper()} {format_seconds(row.observed)} is {word} than {low} to {high}")
    yield Finding(
        id="latency",
        kind="latency",
        message=f"at this traffic {'; '.join(parts)} (80 % interval of {case.predicted.calibration_id})",
        causes=tuple(_slow_causes(case, slow)),
        fix=f"teach it this machine: {CALIBRATE}",
        certain=False,
    )


def _slow_causes(case: Case, slow: list[Compared]) -> Iterator[str]:
    changed = [name for name in ("block_size", "max_num_seqs", "max_num_batched_tokens") if case.differs(name)]
    if changed:
        yield f"a changed flag: {', '.join(changed)}"
    slower = any(row.predicted and row.observed and row.observed > row.predicted.high for row in slow)
    if slower and case.seen.total("preemptions"):
        yield "preempted requests, which are computed again"
    if slower and (case.seen.gauge("waiting") or 0.0) > 0.0 and any(row.id == "ttft" for row in slow):
        yield "requests that wait for a place"
    if case.predicted is not None and case.predicted.extrapolated:
        yield "a prediction without measurements of this engine on this GPU"
    yield "a machine that differs from those measured: clocks, power limit, links, neighbours"
    if slower:
        yield "bursts: a mean number of requests in flight hides the fuller batches that most tokens come from"
    if not slower:
        yield "more of the prompts in the prefix cache than its counters say, or speculative decoding"


def preemptions(case: Case) -> Iterator[Finding]:
    """Requests that lost their KV blocks and are computed again."""
    count = case.seen.total("preemptions")
    if not count:
        return
    when = "since it started" if case.seen.since_start else f"in {format_seconds(case.seen.span_s or 0.0)}"
    yield Finding(
        id="preemptions",
        kind="load",
        message=f"{count:,.0f} preemptions {when}: the KV cache is too small for the requests that it admits",
        fix="fewer sequences at once (--max-num-seqs), a KV cache of fewer bytes, more GPUs or another replica",
    )


def queue(case: Case) -> Iterator[Finding]:
    """Requests that wait at every look."""
    waits = [look.gauges.get("waiting", 0.0) for look in case.seen.looks]
    running = case.seen.gauge("running") or 0.0
    if min(waits) < 1.0 or sum(waits) / len(waits) <= QUEUE_SHARE * running:
        return
    at_each = "at every look" if len(waits) > 1 else "at the moment"
    yield Finding(
        id="queue",
        kind="load",
        message=f"{sum(waits) / len(waits):,.3g} requests wait {at_each} beside {running:,.3g} running ones",
        causes=("more requests than the replica carries", "a limit of sequences that is too low (max_num_seqs)"),
        fix="another replica, or llmplan recommend for the traffic that was seen",
        certain=not case.seen.since_start,
    )


def failures(case: Case) -> Iterator[Finding]:
    """Requests that were given up or failed."""
    failed, answered = case.seen.total("failed"), case.seen.requests
    if not failed or answered is None or failed <= FAILED_SHARE * (failed + answered):
        return
    yield Finding(
        id="failures",
        kind="load",
        message=f"{failed:,.0f} of {failed + answered:,.0f} requests were not answered to their end",
        causes=("clients that gave up waiting", "requests that the server refused"),
        certain=False,
    )


def several_processes(case: Case) -> Iterator[Finding]:
    """Looks that were answered by different processes."""
    kept, asked = len(case.seen.looks), case.seen.asked
    if kept == asked:
        return
    balanced = "several replicas behind one address (a load balancer, a Kubernetes Service)"
    yield Finding(
        id="several-processes",
        kind="reading",
        message=f"{asked - kept} of {asked} looks were answered by another process: these figures are of one of them",
        causes=(balanced,) if case.seen.in_turns else ("it started anew in between", balanced),
        fix="ask one replica: kubectl port-forward POD 8000:8000",
        certain=False,
    )


def since_start(case: Case) -> Iterator[Finding]:
    """One look: totals of the whole life of the server, under whatever traffic there was."""
    if not case.seen.since_start or not case.seen.requests:
        return
    yield Finding(
        id="since-start",
        kind="reading",
        message="one look: lengths and latency are means since the server started, under all the traffic that there "
        "was; the rate is not known",
        fix="--interval 60s looks twice and takes the difference",
    )


def few_requests(case: Case) -> Iterator[Finding]:
    """Too few requests to judge latency by."""
    requests = 0.0 if case.seen.is_idle else case.seen.answered
    if requests is None or requests >= ENOUGH_REQUESTS:
        return
    when = "since it started" if case.seen.since_start else "in between"
    noun = "request" if requests == 1.0 else "requests"
    about = "about " if case.seen.requests is None and requests else ""
    count = f"{requests:,.0f}" if requests else "no"
    yield Finding(
        id="few-requests",
        kind="reading",
        message=f"{about}{count} {noun} answered {when}: "
        + (
            f"fewer than {ENOUGH_REQUESTS}, latency is not judged" if requests else "traffic and latency are not judged"
        ),
        fix="look for longer (--interval), or when there is traffic",
    )


RULES = (other_traffic, latency, preemptions, queue, failures, several_processes, since_start, few_requests)


def _mid(row: Compared) -> float | None:
    return row.planned.mid if row.planned else None


def _said(row: Compared, value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{100 * value:.0f} %" if row.unit == "share" else format_rate(value)
