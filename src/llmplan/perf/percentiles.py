"""From means to the 95th percentile: what waits, spreads of length and a fluctuating batch add."""

from __future__ import annotations

import math

from llmplan.perf.steady_state import Engine, Steady
from llmplan.plan.load import Load

P95_NORMAL = 1.645
TAIL = 0.05
UNIFORM_P95 = 1.9
"""95th percentile over mean of a wait that is spread evenly from zero"""


def wait_p95_s(mean_s: float, probability: float) -> float:
    """95th percentile of a wait which is zero unless the server is busy, and exponential then.

    mean_s [s] over all requests, probability [-] of waiting at all.
    P(W > t) = p exp(-t p / mean), so t95 = mean/p ln(p / 0.05). Valid exactly for M/M/c, approximately otherwise.
    Reference: Kleinrock, Queueing Systems vol. 1, ch. 3.

    >>> round(wait_p95_s(1.0, 1.0), 3), wait_p95_s(1.0, 0.04)
    (2.996, 0.0)
    """
    if probability <= TAIL or mean_s <= 0.0:
        return 0.0
    return mean_s / probability * math.log(probability / TAIL)


def ttft_p95_s(engine: Engine, steady: Steady, load: Load, slot_load: float) -> float:
    """95th percentile of the time to first token.

    engine, steady: the replica and its state [s]; load: for the spread of prompt lengths and the kind of arrivals;
    slot_load [-]: arrival rate over capacity.
    Prefill of the 95th-percentile prompt + a whole step of bad luck + the tails of both queues. Waits are added
    as if they peaked together. Valid as a pessimistic sum, by at most the smaller wait. Reference: `wait_p95_s`.
    """
    prompt = load.input_tokens.at_p95
    cached = prompt * load.prefix_share
    alone_s = engine.model.prefill_s(prompt, cached, steady.batch, engine.context)
    step_s = engine.model.decode_s(steady.batch, engine.context) if steady.batch > 0 else 0.0
    own_s = engine.model.request_s + alone_s + step_s * min(1.0, steady.batch)
    match load.kind:
        case "rate":
            exponent = math.sqrt(2.0 * (engine.slots + 1.0)) - 1.0
            queue_s = wait_p95_s(steady.queue_s, min(1.0, slot_load) ** exponent)
            waits_s = wait_p95_s(steady.prefill_wait_s, min(1.0, steady.prefill_busy)) + queue_s
        case "burst":
            waits_s = UNIFORM_P95 * (steady.prefill_wait_s + steady.queue_s)
        case "concurrency" | "saturation":
            waits_s = wait_p95_s(steady.prefill_wait_s, 1.0) + steady.queue_s
    return max(own_s + waits_s, steady.ttft_s)


def tpot_p95_s(engine: Engine, steady: Steady, load: Load) -> float:
    """95th percentile over requests of the mean time per output token.

    engine, steady: the replica and its state [s]; load: the kind of arrivals.
    The batch and the number of prompts that interrupt an answer are Poisson under open arrivals: each is taken
    at mean + 1.645 sqrt(mean). A closed loop keeps its batch; only the interruptions vary, and one
    user has none.
    Valid for answers of more than a few tokens. Reference: Poisson's normal limit.
    """
    each = engine.model.tokens_per_step
    if load.kind == "burst" or (load.kind == "concurrency" and load.value <= 1.0):
        return steady.tpot_s / each
    batch = max(1.0, steady.batch)
    if load.kind == "rate":
        batch = min(max(engine.slots, batch), 1.0 + steady.batch + P95_NORMAL * math.sqrt(steady.batch))
    steps = engine.shape.decode_steps
    interruptions = steady.requests_per_s / engine.model.groups * steps * steady.tpot_s
    if load.kind != "rate":
        interruptions = min(interruptions, steady.batch)
    late = interruptions + P95_NORMAL * math.sqrt(interruptions)
    pace = engine.model.pace(batch, engine.context, engine.shape.prompt, engine.shape.cached)
    return max(pace.step_s(late / steps), steady.tpot_s) / each
