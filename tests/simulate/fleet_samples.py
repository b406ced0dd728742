"""Engines whose steps take a known time, traffic, and a fleet run to its end."""

from collections.abc import Sequence

import numpy as np
from engine_builders import PlainTimes

from llmplan.simulate.engine import Rules
from llmplan.simulate.fleet import Fleet, FleetSpec, Users
from llmplan.spec.requests import Prefixes, Requests

STEADY = PlainTimes()
ROOMY = Rules(max_num_seqs=64, blocks=1 << 20, block_tokens=16)


def requests(
    arrival_s: Sequence[float],
    input_tokens: int | Sequence[int] = 10,
    output_tokens: int | Sequence[int] = 10,
    *,
    tenant: Sequence[int] | None = None,
    prefix: Sequence[int] | None = None,
) -> Requests:
    """A run of requests; `prefix` gives each one leading block."""
    count = len(arrival_s)
    prefixes = None
    if prefix is not None:
        prefixes = Prefixes(block_tokens=16, offsets=np.arange(count + 1), ids=np.array(prefix, dtype=np.int64))
    return Requests(
        arrival_s=np.array(arrival_s, dtype=np.float64),
        input_tokens=np.broadcast_to(np.array(input_tokens, dtype=np.int64), count),
        output_tokens=np.broadcast_to(np.array(output_tokens, dtype=np.int64), count),
        tenant=None if tenant is None else np.array(tenant, dtype=np.int64),
        prefixes=prefixes,
    )


def poisson(count: int, rate: float, seed: int = 0, mean_input: int = 200, mean_output: int = 40) -> Requests:
    """Random arrivals and lengths."""
    rng = np.random.default_rng(seed)
    return requests(
        np.cumsum(rng.exponential(1.0 / rate, count)).tolist(),
        rng.geometric(1.0 / mean_input, count).tolist(),
        rng.geometric(1.0 / mean_output, count).tolist(),
    )


def served(
    spec: FleetSpec,
    traffic: Requests | Sequence[Requests],
    *,
    times: PlainTimes = STEADY,
    rules: Rules = ROOMY,
    users: Users | None = None,
) -> Fleet:
    """A fleet that has served everything."""
    fleet = Fleet(spec, times, rules)
    for _ in fleet.run([traffic] if isinstance(traffic, Requests) else traffic, users):
        pass
    return fleet


def columns(fleet: Fleet) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arrival, first token and end of each request [s]."""
    log = fleet.log
    return log.column("arrival_s"), log.column("first_s"), log.column("done_s")
