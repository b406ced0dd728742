"""The same replica in one number format after the other: memory, speed, and from how many requests the sign turns.

Two ways of comparing, because two things change with the format. With *equal room* both hold any number of requests,
and only reading and computing differ; with *its own pool* each admits what its memory leaves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from llmplan import checks, memory, perf
from llmplan.errors import LlmplanError
from llmplan.plan.deployment import Replica
from llmplan.plan.format_rows import Aspect, FormatComparison, FormatRow, FormatSpeed, Stretch
from llmplan.plan.load import Load, LoadKind
from llmplan.plan.outcome import Estimate, MemoryBudget, Rejection
from llmplan.planner.format_advice import advice_for, disputed_by, side
from llmplan.planner.quality import cache_quality, weights_quality
from llmplan.planner.running import Running
from llmplan.spec.calibration import Calibration
from llmplan.spec.catalog import Catalog
from llmplan.spec.formats import FormatQuality
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.model import ModelSpec

OWN: Final = "auto"
"""the checkpoint's own format, which is shown by its id"""
AMPLE_BLOCKS: Final = 10**12

Make = Callable[[str], Replica]
Calibrate = Callable[[Replica], Calibration]


def sixteen_bit(model: ModelSpec, gpu: GpuSpec) -> str:
    """The 16-bit float that the model would run in on this GPU."""
    return "bf16" if model.dtype != "fp16" and gpu.supports("bf16") else "fp16"


def compare(
    aspect: Aspect, make: Make, names: Iterable[str], load: Load, catalog: Catalog, calibrate: Calibrate
) -> FormatComparison:
    """Every format of `names`, the first of which is the baseline where it runs, else the widest that does.

    make: the replica in a format, by its name; load: what is asked of each; calibrate: the coefficients of a replica.
    """
    tried = [_attempt(aspect, name, make, load, catalog, calibrate) for name in names]
    running = [row for row in tried if row.speed is not None]
    if not running:
        return FormatComparison(aspect=aspect, baseline=None, rows=tuple(tried))
    base = running[0] if running[0] is tried[0] else max(running, key=lambda row: _bits(aspect, row))
    bench = _Bench(load=load, calibrate=calibrate)
    rows = tuple(row if row is base else _beside(aspect, row, base, bench) for row in tried)
    return FormatComparison(aspect=aspect, baseline=base.format_id, rows=rows)


def _attempt(aspect: Aspect, name: str, make: Make, load: Load, catalog: Catalog, calibrate: Calibrate) -> FormatRow:
    """One format by itself: unbuildable, refused by the engine, too large, or timed."""
    try:
        replica = make(name)
    except LlmplanError as error:
        quality = catalog.qualities.get(name) if aspect == "weights" else None
        return FormatRow(format_id=name, reason=str(error), fix=next(iter(error.hints), ""), quality=quality)
    found = checks.run(replica)
    row = FormatRow(
        format_id=name if name != OWN else (replica.weights.id if aspect == "weights" else replica.kv.id),
        checks=tuple(each for each in found if each.severity != "error"),
        quality=_quality(aspect, replica, catalog),
    )
    refused = next((each for each in found if each.severity == "error"), None)
    if refused is not None:
        return replace(row, reason=refused.message, fix=refused.fix or "")
    budget = memory.budget(replica)
    if isinstance(budget, Rejection):
        why = f"{budget.reason}: needs {budget.needed}, has {budget.available}" if budget.needed else budget.reason
        return replace(row, reason=why, fix=budget.fix or "")
    return replace(row, speed=timed(replica, budget, load, calibrate(replica)))


def _quality(aspect: Aspect, replica: Replica, catalog: Catalog) -> FormatQuality | None:
    return weights_quality(replica, catalog) if aspect == "weights" else cache_quality(replica, catalog)


def timed(replica: Replica, budget: MemoryBudget, load: Load, calibration: Calibration) -> FormatSpeed:
    """A replica under the load, not yet beside another."""
    return FormatSpeed(
        replica=replica,
        budget=budget,
        estimate=perf.estimate(replica, budget, load, calibration),
        pool_requests=budget.room.requests(load.input_tokens.mean + load.output_tokens.mean / 2.0),
        native=perf.computes_natively(replica),
    )


def _bits(aspect: Aspect, row: FormatRow) -> float:
    assert row.speed is not None
    replica = row.speed.replica
    return replica.weights.bits if aspect == "weights" else replica.kv.bytes_per_element


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """The load, the coefficients, and the replicas that are running already, with their own pool or an ample one."""

    load: Load
    calibrate: Calibrate
    running: dict[tuple[int, bool], Running] = field(default_factory=dict)

    def speed(self, found: FormatSpeed, kind: LoadKind, value: float) -> float:
        """Output tokens per second under another load of the same shape, with the replica's own pool."""
        return _speed(self._running(found, is_ample=False).under(replace(self.load, kind=kind, value=value)), kind)

    def with_room(self, found: FormatSpeed, requests: int) -> float:
        """Output tokens per second of so many requests in flight, as if the pool held them all."""
        load = replace(self.load, kind="concurrency", value=requests)
        return _speed(self._running(found, is_ample=True).under(load), "concurrency")

    def _running(self, found: FormatSpeed, *, is_ample: bool) -> Running:
        key = (id(found.replica), is_ample)
        if key not in self.running:
            budget = ample(found.budget) if is_ample else found.budget
            self.running[key] = Running.of(found.replica, budget, self.load, self.calibrate(found.replica))
        return self.running[key]


def ample(budget: MemoryBudget) -> MemoryBudget:
    """The same budget with a KV pool that is never full."""
    room = replace(budget.room, blocks=AMPLE_BLOCKS, state_slots=math.inf)
    return replace(budget, room=room, blocks=AMPLE_BLOCKS, capacity_tokens=AMPLE_BLOCKS * budget.block_tokens)


def _speed(estimate: Estimate, kind: str) -> float:
    return 1.0 / estimate.e2e_s.mid if kind == "rate" else estimate.output_tokens_per_s.mid


def _beside(aspect: Aspect, row: FormatRow, base: FormatRow, bench: _Bench) -> FormatRow:
    """A row with its ratios to the baseline and the words for them."""
    mine, other = row.speed, base.speed
    if mine is None or other is None:
        return row
    found = beside(aspect, mine, other, bench)
    published = row.quality.speeds if row.quality is not None else ()
    return replace(row, speed=replace(found, disputed=disputed_by(found, published)))


def beside(aspect: Aspect, mine: FormatSpeed, other: FormatSpeed, bench: _Bench) -> FormatSpeed:
    """Ratios at three loads, the number of requests at which the sign turns, and the advice that follows."""
    kind = bench.load.kind
    settings, parallel = mine.replica.settings, mine.replica.parallel
    most = settings.max_num_seqs * parallel.dp
    stretches = signs(lambda n: ratio(bench.with_room(mine, n), bench.with_room(other, n)) or 1.0, most)
    found = replace(
        mine,
        ratio_alone=ratio(bench.speed(mine, "concurrency", 1.0), bench.speed(other, "concurrency", 1.0)),
        ratio_load=ratio(_speed(mine.estimate, kind), _speed(other.estimate, kind)),
        ratio_saturated=ratio(bench.speed(mine, "saturation", 0.0), bench.speed(other, "saturation", 0.0)),
        stretches=stretches,
        most_requests=most,
    )
    return replace(found, advice=advice_for(aspect, found, other))


def against(mine: FormatSpeed, other: FormatSpeed, load: Load, calibrate: Calibrate) -> FormatSpeed:
    """One format of weights beside another of the same machine: `beside` for a single pair."""
    return beside("weights", mine, other, _Bench(load=load, calibrate=calibrate))


def ratio(mine: float, other: float) -> float | None:
    """Mine over the other's: 0 where only mine falls behind its load, infinite where only the other does."""
    if mine == other == 0.0:
        return None
    return mine / other if other > 0.0 else math.inf


def signs(of: Callable[[int], float], most: int) -> tuple[Stretch, ...]:
    """Where a ratio is above 1, below 1 or 1, by the number of requests at once.

    of: ratio by the number of requests; most: the largest number that counts. Powers of two, then bisection between
    every two of them whose signs differ.
    Valid for ratios that turn at most once between powers of two. Reference: none needed.

    >>> [(each.requests, each.faster) for each in signs(lambda n: 2.0 - n / 64, 256)]
    [(1, True), (63, None), (66, False)]
    """
    points = [1 << power for power in range(most.bit_length()) if 1 << power < most] + [most]
    found = [Stretch(requests=1, faster=side(of(1)))]
    for low, high in pairwise(points):
        at_high = side(of(high))
        while found[-1].faster != at_high:
            turned = _turn(of, low, high, found[-1].faster)
            found.append(Stretch(requests=turned, faster=side(of(turned))))
            low = turned
    return tuple(found)


def _turn(of: Callable[[int], float], low: int, high: int, before: bool | None) -> int:
    """The first number in (low, high] whose sign is not the one at `low`."""
    while high - low > 1:
        middle = (low + high) // 2
        if side(of(middle)) == before:
            low = middle
        else:
            high = middle
    return high
