"""A fleet that scales to zero, in closed form: how often it starts, how long it is billed, who waits.

Requests arrive in active periods as a Poisson stream, with silence between the periods. A worker that has finished
stays for an idle window. Within a period the fleet is on while somebody is being served or within the window after,
which is the busy period of an M/G/infinity queue whose service is the request plus the window (Takács 1962): the
chance of finding it off is exp(-rate x (service + window)). A period that follows a long silence begins off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from llmplan.plan.usage import ServerlessUsage
from llmplan.units import SECONDS_PER_MONTH


def scale_to_zero_usage(
    *,
    requests_per_s: float,
    service_s: float,
    slots_per_replica: float,
    capacity_requests_per_s: float,
    idle_window_s: float,
    cold_start_s: float,
    active_share: float = 1.0,
    active_period_s: float | None = None,
    peak_to_mean: float = 1.0,
    keep_warm: int = 0,
    bills_start: bool = True,
) -> ServerlessUsage:
    """Replica-seconds per month of a fleet behind a concurrency autoscaler.

    Parameters
    ----------
    requests_per_s : mean arrival rate over all time [1/s]
    service_s : time a request occupies its slot when warm [s]
    slots_per_replica : requests that one replica serves at once within its SLO [-]
    capacity_requests_per_s : requests that one replica completes per second within its SLO [1/s]
    idle_window_s : time a worker waits for another request before it stops [s]
    cold_start_s : time a new worker needs [s]
    active_share : share of time in which there is any traffic [-]; arrivals are Poisson inside it
    active_period_s : mean length of a period of traffic [s]; None: one period without end
    peak_to_mean : busiest hour over the mean of all time, for the largest number of replicas [-]
    keep_warm : replicas that never stop [-]
    bills_start : whether start-up seconds are billed

    Notes
    -----
    With r = rate / active_share, T = service + window, C the start, A the active period and O = A (1 - a) / a the
    silence: without an end to the period a worker is off for 1 / r on average, starts for C, and is then on for the
    busy period (exp(r T) - 1) / r. With p = exp(-r T) there are r p / (1 + r C p) starts per second: nobody else
    starts a worker that is starting. Periods that end begin off with probability b = exp(-T / O) (silences are
    exponential); of the r A requests of one, the first and p of the others meet no worker, but for the
    r A (1 - exp(-C / A)) that arrive while one starts before the period ends, which wait too. After a period the worker
    waits out O (1 - exp(-window / O)).
    Further workers run in proportion to the load above one worker's capacity: while several come and go, more are
    billed than that. For one worker and Poisson arrivals within 3 % of a walk, within exponential periods within a few
    per cent; optimistic for bursts inside them.

    References
    ----------
    L. Takács, Introduction to the Theory of Queues (1962), ch. 3; W. Whitt, M/G/infinity busy periods.

    >>> usage = scale_to_zero_usage(requests_per_s=2 / 60, service_s=5, slots_per_replica=8,
    ...     capacity_requests_per_s=2, idle_window_s=5, cold_start_s=60)
    >>> round(usage.cold_request_share, 2)
    0.88
    """
    if requests_per_s <= 0:
        return _always_warm(keep_warm, cold_start_s)
    rate_per_s = requests_per_s / active_share
    active_s = SECONDS_PER_MONTH * active_share
    first = _FirstWorker.of(rate_per_s, service_s, idle_window_s, cold_start_s, active_share, active_period_s)
    starts = 0.0 if keep_warm else active_s * first.starts_per_active_s
    waiting_s = (
        cold_start_s if active_period_s is None else -active_period_s * math.expm1(-cold_start_s / active_period_s)
    )
    cold_share = min(1.0, starts * (1.0 + rate_per_s * waiting_s) / (active_s * rate_per_s))
    first_on_s = SECONDS_PER_MONTH * keep_warm if keep_warm else active_s * first.on_per_active_s
    replicas_busy = max(rate_per_s / capacity_requests_per_s, rate_per_s * service_s / slots_per_replica)
    extra = max(0.0, replicas_busy - max(1.0, keep_warm))
    starting_s = starts * cold_start_s
    on_s = first_on_s + active_s * extra
    busy_s = min(on_s, active_s * replicas_busy)
    return ServerlessUsage(
        mean_running_replicas=(on_s + starting_s) / SECONDS_PER_MONTH,
        peak_replicas=max(1, math.ceil(replicas_busy * max(1.0, peak_to_mean * active_share))),
        billed_replica_s_per_month=on_s + (starting_s if bills_start else 0.0),
        busy_replica_s_per_month=busy_s,
        idle_replica_s_per_month=on_s - busy_s,
        starting_replica_s_per_month=starting_s,
        cold_start_s=cold_start_s,
        cold_request_share=cold_share,
        starts_per_month=starts,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _FirstWorker:
    """How the worker that comes and goes fares, per second of active time."""

    starts_per_active_s: float
    on_per_active_s: float

    @classmethod
    def of(
        cls,
        rate_per_s: float,
        service_s: float,
        window_s: float,
        start_s: float,
        active_share: float,
        period_s: float | None,
    ) -> _FirstWorker:
        stays_s = service_s + window_s
        off = math.exp(-rate_per_s * stays_s)
        if period_s is None or active_share >= 1.0:
            fewer = 1.0 + rate_per_s * start_s * off
            return cls(starts_per_active_s=rate_per_s * off / fewer, on_per_active_s=(1.0 - off) / fewer)
        silence_s = period_s * (1.0 - active_share) / active_share
        requests = rate_per_s * period_s
        any_request = -math.expm1(-requests)
        begins_off = math.exp(-stays_s / silence_s)
        starting_s = -period_s * math.expm1(-start_s / period_s)
        at_first = any_request * (begins_off + (1.0 - begins_off) * off)
        later = (at_first + (requests - any_request) * off) / (1.0 + rate_per_s * starting_s * off)
        starts = max(at_first, later)
        not_starting = 1.0 - min(1.0, starts * starting_s / period_s)
        tail_s = silence_s * -math.expm1(-window_s / silence_s)
        return cls(
            starts_per_active_s=starts / period_s, on_per_active_s=(1.0 - off) * (not_starting + tail_s / period_s)
        )


def _always_warm(keep_warm: int, cold_start_s: float) -> ServerlessUsage:
    """No traffic at all: only what is kept warm is billed."""
    warm_s = keep_warm * SECONDS_PER_MONTH
    return ServerlessUsage(
        mean_running_replicas=float(keep_warm),
        peak_replicas=keep_warm,
        billed_replica_s_per_month=warm_s,
        busy_replica_s_per_month=0.0,
        idle_replica_s_per_month=warm_s,
        starting_replica_s_per_month=0.0,
        cold_start_s=cold_start_s,
        cold_request_share=0.0 if keep_warm else 1.0,
        starts_per_month=0.0,
    )
