"""The same replica in one number format after the other: memory, speed, and from how many requests the sign turns.

Two ways of comparing, because two things change with the format. With *equal room* both hold any number of requests,
and only reading and computing differ; with *its own pool* each admits what its memory leaves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from llmplan import checks, memory, perf
from llmplan.errors import LlmplanError
from llmplan.plan.deployment import Replica
from llmplan.plan.format_rows import Aspect, FormatComparison, FormatRow, FormatSpeed
from llmplan.plan.load import Load
from llmplan.plan.outcome import Estimate, MemoryBudget, Rejection
from llmplan.planner.format_advice import advice_for
from llmplan.planner.quality import cache_quality, weights_quality
from llmplan.spec.calibration import Calibration
from llmplan.spec.catalog import Catalog
from llmplan.spec.formats import FormatQuality
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.model import ModelSpec

SAME: Final = 0.005
"""speeds that differ by less are equal: ten times what the fixed point is solved to"""
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
    bench = _Bench(load=load, calibrate=calibrate, curve={})
    rows = tuple(row if row is base else _beside(aspect, row, base, bench) for row in tried)
    return FormatComparison(aspect=aspect, baseline=base.format_id, rows=rows)


def _attempt(
    aspect: Aspect, name: str, make: Make, load: Load, catalog: Catalog, calibrate: Calibrate
) -> FormatRow:
    """One format by itself: unbuildable, refused by the engine, too large, or timed."""
    try:
        replica = make(name)
    except LlmplanError as error:
        quality = catalog.qualities.get(name) if aspect == "weights" else None
        return FormatRow(format_id=name, reason=str(error), fix=next(iter(error.hints), ""), quality=quality)
    found = checks.run(replica)
    row = FormatRow(
        format_id=replica.weights.id if aspect == "weights" else replica.kv.id,
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
    return weights_quality(replica, catalog) if aspect == "weights" else cache_quality(replica)


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
    """The load, the coefficients, and the points of curves that were computed already."""

    load: Load
    calibrate: Calibrate
    curve: dict[tuple[int, int], float]

    def speed(self, found: FormatSpeed, kind: str, value: float) -> float:
        """Output tokens per second under another load of the same shape, with the replica's own pool."""
        return _speed(self._estimate(found.replica, found.budget, kind, value), kind)

    def with_room(self, found: FormatSpeed, requests: int) -> float:
        """Output tokens per second of so many requests in flight, as if the pool held them all."""
        key = (id(found.replica), requests)
        if key not in self.curve:
            budget = ample(found.budget)
            self.curve[key] = _speed(self._estimate(found.replica, budget, "concurrency", requests), "concurrency")
        return self.curve[key]

    def _estimate(self, replica: Replica, budget: MemoryBudget, kind: str, value: float) -> Estimate:
        load = replace(self.load, kind=kind, value=value)  # type: ignore[arg-type]
        return perf.estimate(replica, budget, load, self.calibrate(replica))


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
    return replace(row, speed=beside(aspect, mine, other, bench))


def beside(aspect: Aspect, mine: FormatSpeed, other: FormatSpeed, bench: _Bench) -> FormatSpeed:
    """Ratios at three loads, the number of requests at which the sign turns, and the advice that follows."""
    kind = bench.load.kind
    settings, parallel = mine.replica.settings, mine.replica.parallel
    most = settings.max_num_seqs * parallel.dp
    faster, crossover = turn(lambda n: ratio(bench.with_room(mine, n), bench.with_room(other, n)) or 1.0, most)
    found = replace(
        mine,
        ratio_alone=ratio(bench.speed(mine, "concurrency", 1.0), bench.speed(other, "concurrency", 1.0)),
        ratio_load=ratio(_speed(mine.estimate, kind), _speed(other.estimate, kind)),
        ratio_saturated=ratio(bench.speed(mine, "saturation", 0.0), bench.speed(other, "saturation", 0.0)),
        faster_alone=faster,
        crossover_requests=crossover,
        most_requests=most,
    )
    return replace(found, advice=advice_for(aspect, found, other))


def against(mine: FormatSpeed, other: FormatSpeed, load: Load, calibrate: Calibrate) -> FormatSpeed:
    """One format of weights beside another of the same machine: `beside` for a single pair."""
    return beside("weights", mine, other, _Bench(load=load, calibrate=calibrate, curve={}))


def ratio(mine: float, other: float) -> float | None:
    """Mine over the other's: 0 where only mine falls behind its load, infinite where only the other does."""
    if mine == other == 0.0:
        return None
    return mine / other if other > 0.0 else math.inf


def turn(of: Callable[[int], float], most: int) -> tuple[bool | None, int | None]:
    """Whether a ratio begins above 1, and the first number from which it is on the other side.

    of: ratio by the number of requests; most: the largest number that counts. Powers of two, then bisection between
    the two where the sign turns. None, None where the ratio is 1 throughout.
    Valid for ratios that turn once. Reference: none needed.

    >>> turn(lambda n: 2.0 - n / 100.0, 256), turn(lambda n: 1.5, 256), turn(lambda n: 1.0, 256)
    ((True, 101), (True, None), (None, None))
    """
    points = [1 << power for power in range(most.bit_length()) if 1 << power < most] + [most]
    sides = [(point, side) for point in points if (side := _side(of(point))) is not None]
    if not sides:
        return None, None
    begins = sides[0][1]
    turned = next((point for point, side in sides if side != begins), None)
    if turned is None:
        return begins, None
    low, high = max(point for point in points if point < turned), turned
    while high - low > 1:
        middle = (low + high) // 2
        if _side(of(middle)) == (not begins):
            high = middle
        else:
            low = middle
    return begins, high


def _side(value: float) -> bool | None:
    return None if abs(value - 1.0) <= SAME else value > 1.0
