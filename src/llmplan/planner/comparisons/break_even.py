"""From which load on machines of one's own cost less than GPUs by the second, and than every seller of tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

from llmplan.plan.comparisons import BreakEven
from llmplan.planner.comparisons.crossings import flips
from llmplan.planner.comparisons.machines import Machines
from llmplan.planner.comparisons.rivals import Rivals
from llmplan.planner.comparisons.seconds import Seconds
from llmplan.planner.comparisons.tokens import Tokens
from llmplan.planner.serverless import COLD_SHARE_AT_P95
from llmplan.spec.workload import Slo, Workload
from llmplan.units import (
    SECONDS_PER_DAY,
    SECONDS_PER_MINUTE,
    SECONDS_PER_MONTH,
    TOKENS_PER_MTOK,
    format_rate,
    format_seconds,
    format_usd,
)

AT_AN_EDGE = 1e-6
SELLERS_TRIED = 3
"""how often the seller by the second may change until it is the cheapest one at the load that was solved for"""


def tokens_per_request(workload: Workload) -> float:
    """Input and output [tokens]."""
    return workload.input_tokens.mean + workload.output_tokens.mean


def full_usd_per_mtok(machines: Machines, replicas: Iterable[int]) -> float:
    """The least that a million tokens come to on whole replicas which are all as busy as they may be [USD].

    machines: the fleet; replicas: how many of them to try.
    min over n of bill(n replicas and their spares) / tokens of the month at n x what one takes. Valid as the planner's
    sizing; infinite where nobody rents so many. Reference: docs/how-it-works/comparisons.md.
    """
    tokens = tokens_per_request(machines.context.workload) * SECONDS_PER_MONTH / TOKENS_PER_MTOK
    loads = [number * machines.mean_per_replica_per_s for number in replicas if number <= machines.most_replicas]
    return min((machines.usd_per_month(load) / (load * tokens) for load in loads), default=math.inf)


def break_evens(rivals: Rivals) -> Iterator[BreakEven]:
    """GPUs by the second, then each seller of tokens, cheapest first, against the machines."""
    for seconds in rivals.seconds:
        yield _against_seconds(seconds, rivals)
    full = full_usd_per_mtok(rivals.machines, range(1, rivals.most_tried + 1)) if rivals.tokens else 0.0
    for seller in rivals.tokens:
        yield _against_tokens(seller, rivals, full)


def _against_tokens(seller: Tokens, rivals: Rivals, full_usd: float) -> BreakEven:
    found = replace(
        solved(seller, rivals.machines, rivals, rivals.tried_per_s),
        usd_per_mtok_tokens=seller.usd_per_mtok,
        usd_per_mtok_full=full_usd,
    )
    if found.requests_per_s is not None:
        return found
    why = f"its {format_usd(seller.usd_per_mtok)} per Mtok is under the {format_usd(full_usd)} of full machines"
    if seller.usd_per_mtok >= full_usd:
        why = "full machines would cost less, but not so many of them may be used"
    return replace(found, note=_joined(why, found.note))


def _against_seconds(seconds: Seconds, rivals: Rivals) -> BreakEven:
    upto = seconds.compared_upto(rivals.tried_per_s)
    found = solved(seconds, rivals.machines, rivals, upto)
    at, beyond = found.requests_per_s, _joined(_rounding(seconds), _beyond(upto, rivals))
    if at is None:
        return replace(found, note=_joined(_dearer(seconds, rivals, found), found.note, beyond))
    return replace(found, note=_joined(cold_note(seconds, at, rivals), found.note, beyond))


def _rounding(seconds: Seconds) -> str:
    """How far the bill may be off where lives are rounded up coarsely."""
    if (seconds.offer.granularity_s or 0.0) < SECONDS_PER_MINUTE or seconds.deployment.purchase.keep_warm:
        return ""
    return "begun minutes are billed, half of one assumed for each start: the bill is known to ± 3 %"


def _beyond(upto: float, rivals: Rivals) -> str:
    """Where the comparison ends before that of the machines does."""
    if upto >= rivals.tried_per_s:
        return ""
    return f"compared up to {format_rate(upto)}, beyond which several workers come and go"


def settled(rivals: Rivals) -> Rivals:
    """With GPUs by the second at the sellers who are the cheapest ones where they cross the machines."""
    return replace(rivals, seconds=tuple(_cheapest_there(seconds, rivals) for seconds in rivals.seconds))


def _cheapest_there(seconds: Seconds, rivals: Rivals) -> Seconds:
    for _ in range(SELLERS_TRIED):
        loads = flips(seconds, rivals.machines, seconds.compared_upto(rivals.tried_per_s))
        crossing = [load for load in loads if load > 0.0]
        best = seconds.cheapest(crossing[0]) if crossing else seconds
        if best.offer.provider == seconds.offer.provider:
            break
        seconds = best
    return seconds


def _dearer(seconds: Seconds, rivals: Rivals, found: BreakEven) -> str:
    """Two bills beside each other where they never cross."""
    at = 0.0 if found.below == rivals.machines.label else found.tried_requests_per_s
    where = "without any request" if at == 0 else f"at {format_rate(at)} requests/s"
    by_second, rent = seconds.usd_per_month(at), rivals.machines.usd_per_month(at)
    return (
        f"{where} {format_usd(by_second)} by the second at {seconds.offer.provider}, {format_usd(rent)} by the machine"
    )


def cold_note(seconds: Seconds, requests_per_s: float, rivals: Rivals) -> str:
    """How many requests meet a cold worker where the bills cross, and whether that breaks a promise."""
    share, slo = seconds.cold_share(requests_per_s), rivals.machines.context.slo
    if share < 0.001:
        return ""
    breaks = share > COLD_SHARE_AT_P95 and start_is_promised(slo)
    text = f"{share:.0%} of requests there meet a cold worker ({format_seconds(seconds.start_s)})"
    return text + (", which breaks the promise" if breaks else "")


def start_is_promised(slo: Slo) -> bool:
    """Whether a cold start counts against a promise."""
    return slo.ttft_p95_s is not None or slo.e2e_p95_s is not None


def solved(below: Seconds | Tokens, machines: Machines, rivals: Rivals, upto: float) -> BreakEven:
    """Where machines take over from a bill that starts lower; the other way round where they are cheaper from 0 on."""
    loads = flips(below, machines, upto)
    first, second = below.label, machines.label
    if loads and loads[0] <= 0.0:
        loads, first, second = loads[1:], machines.label, below.label
    if not loads:
        return BreakEven(
            below=first, above=second, requests_per_s=None, tried_requests_per_s=upto, note=_open(machines, upto)
        )
    at = loads[-1] if len(loads) % 2 else loads[0]
    return BreakEven(
        below=first,
        above=second,
        requests_per_s=at,
        tried_requests_per_s=upto,
        tokens_per_day=at * SECONDS_PER_DAY * tokens_per_request(rivals.workload),
        utilization=machines.utilization(at),
        usd_per_month=machines.usd_per_month(at),
        flips_requests_per_s=loads,
        note=_joined(_flips_note(loads, machines), _open(machines, at)),
    )


def _flips_note(loads: tuple[float, ...], machines: Machines) -> str:
    """Where else the order changes: replicas and instances are bought whole, and a busier worker starts less often."""
    if len(loads) == 1:
        return ""
    more = (len(loads) + 1) // 2 - 2
    rest = f", and in {more} more such range{'s' if more > 1 else ''}" if more > 0 else ""
    kind = "first" if len(loads) % 2 else "only"
    replicas = loads[1] / machines.mean_per_replica_per_s
    step = abs(replicas - round(replicas)) < AT_AN_EDGE and replicas > AT_AN_EDGE
    why = "where another whole replica is due" if step else "beyond which fewer starts are billed"
    return f"{kind} from {format_rate(loads[0])} to {format_rate(loads[1])}, {why}{rest}"


def _open(machines: Machines, at: float) -> str:
    return "" if machines.complete(at) else "the machines' bill is a lower bound: a charge has no known price"


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
