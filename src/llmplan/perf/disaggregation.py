"""Prefill and decode disaggregated: prompts never interrupt answers, and their cache travels between two pools.

A request waits for a prefill replica, is computed there, moves its cache to a decode replica and is answered there.
Prefill is a queue, decoding a delay whose length the batch decides, as in `steady_state`; but neither sees the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from llmplan.perf.calibration import Coefficients
from llmplan.perf.estimate import Prepared, estimate_of, prepare
from llmplan.perf.links import Link, link_between
from llmplan.perf.percentiles import P95_NORMAL, wait_p95_s
from llmplan.perf.steady_state import Engine, Steady, solve_decreasing
from llmplan.plan.deployment import Replica
from llmplan.plan.disaggregation import Pools, PoolState
from llmplan.plan.load import Load
from llmplan.plan.outcome import Estimate, MemoryBudget
from llmplan.spec.calibration import Calibration

FULL = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the pools do under a load: the state that one request finds, and the sequences of a decode replica."""

    steady: Steady
    running: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Two pools of one replica's kind under loads of one shape.

    `absorbed_s`: engine time of one prompt in full steps; `alone_s`: of a prompt that finds nobody; `transfer_s`: of
    its cache from one replica to another.
    """

    engine: Engine
    pools: Pools
    absorbed_s: float
    alone_s: float
    transfer_s: float

    @classmethod
    def of(cls, engine: Engine, pools: Pools, transfer_s: float) -> Split:
        """From an engine that is ready: its prompts without answers, its answers without prompts."""
        model, shape = engine.model, engine.shape
        return cls(
            engine=engine,
            pools=pools,
            absorbed_s=model.pace(0.0, 0.0, shape.prompt, shape.cached).absorbed_s,
            alone_s=model.request_s + model.prefill_s(shape.prompt, shape.cached),
            transfer_s=transfer_s,
        )

    @property
    def prefill_limit(self) -> float:
        """Requests per second that the prefill pool computes."""
        return self._servers / self.absorbed_s if self.absorbed_s > 0.0 else math.inf

    @property
    def decode_limit(self) -> float:
        """Requests per second that the decode pool answers with every slot taken."""
        return self.pools.decode * self.engine.slots / (self._steps * self.step_s(self.engine.slots))

    @property
    def transfer_limit(self) -> float:
        """Requests per second whose cache the prefill replicas can send away."""
        return self.pools.prefill / self.transfer_s if self.transfer_s > 0.0 else math.inf

    @property
    def limit(self) -> float:
        """Requests per second of the slowest of the three."""
        return min(self.prefill_limit, self.decode_limit, self.transfer_limit)

    @property
    def _servers(self) -> float:
        return float(self.pools.prefill * self.engine.model.groups)

    @property
    def _steps(self) -> float:
        return self.engine.shape.decode_steps

    def step_s(self, batch: float) -> float:
        """A step of a decode replica with so many sequences: no prompt is ever in it."""
        return self.engine.model.decode_s(batch, self.engine.context)

    def open(self, rate: float) -> Moment:
        """Poisson or burstier arrivals below the limit: Kingman's wait for prefill, Sakasegawa's for a slot."""
        shape, slots = self.engine.shape, self.engine.slots
        each = rate / self.pools.decode

        def missing(batch: float) -> float:
            return each * self._steps * self.step_s(1.0 + batch) - batch

        batch = solve_decreasing(missing, 0.0, max(slots - 1.0, 0.0))
        spread = (shape.cv2_interarrival + shape.cv2_service) / 2.0
        busy = min(rate / self.prefill_limit, FULL)
        load = min(rate / self.decode_limit, FULL)
        tail = load ** (math.sqrt(2.0 * (slots * self.pools.decode + 1.0)) - 1.0) / (1.0 - load)
        return self._state(
            batch=batch,
            seen=1.0 + batch,
            wait_s=self.absorbed_s * spread * busy / (1.0 - busy),
            queue_s=spread * tail / self.decode_limit,
            rate=rate,
        )

    def closed(self, users: float) -> Moment:
        """`users` requests always in flight, by approximate mean value analysis (Schweitzer 1979)."""
        others = (users - 1.0) / users if users > 1.0 else 0.0
        decodes, away_s = self.pools.decode, self.alone_s + self.transfer_s

        def at(batch: float) -> tuple[float, float]:
            step_s = self.step_s(1.0 + others * batch)
            return step_s, min(decodes * batch / (self._steps * step_s), self.transfer_limit)

        def wait_s(batch: float, rate: float) -> float:
            before = max(0.0, users - decodes * batch - rate * self.transfer_s) / self._servers
            return others * before * self.absorbed_s

        def waiting(batch: float) -> float:
            _, rate = at(batch)
            return users - decodes * batch - rate * (away_s + wait_s(batch, rate))

        most = min(users / decodes, self.engine.slots)
        batch = solve_decreasing(waiting, 0.0, most, at_low=users)
        step_s, rate = at(batch)
        seen = 1.0 + others * batch
        waited_s = wait_s(batch, rate)
        if batch == self.engine.slots:
            waited_s = min(waited_s, self.absorbed_s / max(1.0 - rate / self.prefill_limit, 1.0 - FULL))
        queue_s = max(0.0, users / rate - away_s - waited_s - self._steps * step_s)
        return self._state(batch=batch, seen=seen, wait_s=waited_s, queue_s=queue_s, rate=rate)

    def burst(self, requests: float) -> Moment:
        """`requests` at t = 0: the prefill pool works them off, the decode pool takes them as slots get free."""
        fill_s = requests / self.prefill_limit
        held = min(requests / self.pools.decode, self.engine.slots)
        step_s = self.step_s(held)
        later = max(0.0, requests - self.pools.decode * self.engine.slots)
        answer_s = self._steps * step_s
        makespan_s = max(
            self.alone_s + fill_s + self.transfer_s + answer_s, later / self.decode_limit + away(self) + answer_s
        )
        return self._state(
            batch=held,
            seen=held,
            wait_s=max(0.0, fill_s - self.absorbed_s) / 2.0,
            queue_s=later / requests * later / 2.0 / self.decode_limit,
            rate=requests / makespan_s,
        )

    def _state(self, *, batch: float, seen: float, wait_s: float, queue_s: float, rate: float) -> Moment:
        steady = Steady(
            batch=max(1.0, seen),
            tpot_s=self.step_s(max(1.0, seen)),
            service_s=away(self) + wait_s,
            queue_s=queue_s,
            prefill_wait_s=wait_s,
            prefill_busy=min(1.0, rate / self.prefill_limit),
            requests_per_s=rate,
        )
        return Moment(steady=steady, running=batch)


def away(split: Split) -> float:
    """From a request to its cache in a decode replica, where nobody is in the way.

    split: the pools, with a prompt's time alone [s] and that of its cache's way [s].
    alone + transfer. Valid for a cache that is sent after the prefill. Reference: Zhong et al. 2024 (DistServe, arXiv
    2401.09670).
    """
    return split.alone_s + split.transfer_s


def transfer_link(replica: Replica, pools: Pools, coefficients: Coefficients) -> Link:
    """The wire between a prefill and a decode replica: the fast link where all of them share it, PCIe where they share
    a host, else the network."""
    return link_between(replica.parallel.gpus * (pools.prefill + pools.decode), replica.gpu, replica.host, coefficients)


def prompt_bytes(memory: MemoryBudget, prompt: float) -> float:
    """Cache of one prompt on one GPU.

    memory: the layout of its blocks; prompt [tokens].
    Blocks of the prompt x bytes of a block + states. Valid for prompts that are sent whole. Reference: vLLM 0.33
    distributed/kv_transfer/kv_connector/v1/nixl_connector.py.
    """
    layout = memory.room.layout
    blocks = layout.blocks_per_request(math.ceil(prompt), 0) if prompt > 0 else 0
    return blocks * layout.block_bytes + (0.0 if layout.groups else layout.state_bytes)


def estimate_disaggregated(
    replica: Replica, memory: MemoryBudget, load: Load, calibration: Calibration, pools: Pools
) -> tuple[Estimate, PoolState]:
    """How fast `pools` of one replica's kind answer together under a load.

    replica, memory, calibration: as for `estimate`, of every replica of both pools; load: of the whole deployment
    [1/s or count] and lengths [tokens].
    TTFT = wait + prefill alone + cache of the prompt / link; TPOT = a decode step without prompts; throughput = the
    least of prefill, decode and transfer. Every GPU of a replica sends its own part, after the prefill: sent layer
    by layer, all but the last layer's would be hidden behind it. What routers and connectors add is not counted.
    Valid for pools of equal replicas. Reference: Zhong et al. 2024 (DistServe, arXiv 2401.09670).
    """
    prepared = prepare(replica, memory, load, calibration)
    link = transfer_link(replica, pools, Coefficients.of(calibration))
    size_bytes = prompt_bytes(memory, prepared.engine.shape.prompt)
    split = Split.of(prepared.engine, pools, size_bytes / link.bytes_per_s + (link.hop_s if size_bytes else 0.0))
    moment, saturated = _moment(split, load)
    rate = moment.steady.requests_per_s
    state = PoolState(
        pools=pools,
        prefill_utilization=min(1.0, rate / split.prefill_limit),
        decode_utilization=min(1.0, rate / split.decode_limit),
        transfer_utilization=min(1.0, rate / split.transfer_limit),
        transfer_s=split.transfer_s,
        transfer_bytes_per_gpu=size_bytes,
        link=link.name,
    )
    return _estimate(prepared, split, load, moment, saturated=saturated), state


def _moment(split: Split, load: Load) -> tuple[Moment, bool]:
    slots = split.engine.slots * split.pools.decode
    match load.kind:
        case "saturation":
            return split.closed(slots), True
        case "concurrency":
            users = max(1.0, load.value)
            return split.closed(users), users > slots
        case "burst":
            return split.burst(max(1.0, load.value)), load.value > slots
        case "rate":
            if load.value >= split.limit:
                return split.closed(slots), True
            return split.open(load.value), False


def _estimate(prepared: Prepared, split: Split, load: Load, moment: Moment, *, saturated: bool) -> Estimate:
    engine, overrun = split.engine, load.kind == "rate" and saturated
    steady = moment.steady
    late = steady.batch
    waits_s = wait_p95_s(steady.prefill_wait_s, 1.0 if load.kind != "rate" else steady.prefill_busy) + steady.queue_s
    if load.kind == "rate":
        late = min(max(engine.slots, late), late + P95_NORMAL * math.sqrt(moment.running))
    longest = load.input_tokens.at_p95
    own_s = engine.model.request_s + engine.model.prefill_s(longest, longest * load.prefix_share) + split.transfer_s
    full = replace(steady, requests_per_s=split.limit)
    found = estimate_of(
        replace(prepared, full=full),
        load,
        steady,
        saturated=saturated,
        ttft_s=math.inf if overrun else steady.ttft_s,
        ttft_p95=math.inf if overrun else max(own_s + waits_s, steady.ttft_s),
        tpot_p95=max(split.step_s(late), steady.tpot_s) / engine.model.tokens_per_step,
        exact_rate=load.value if load.kind == "rate" and not saturated else None,
    )
    return replace(found, batch_size=moment.running)
