"""How well the memory of a start is predicted: weights, activation peak, non-torch memory, graphs, KV pool, tokens.

`summaries()` gives the rows of the accuracy page; `python scripts/memory_accuracy/pool.py` prints every log.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from memory_accuracy.startup_logs import StartupLog, read_logs

from llmplan import memory
from llmplan.memory.capacity import cut_pool, layout_of
from llmplan.memory.kv_cache import contiguous_cache_bytes
from llmplan.memory.runtime import compute_buffer, micro_batch_tokens
from llmplan.plan.deployment import Replica
from llmplan.plan.ledger import Ledger
from llmplan.plan.outcome import MemoryBudget
from llmplan.spec.band import Band
from llmplan.units import GIB, MIB

SHORT_TOKENS = 512
"""Context of a prediction: some logs are of engines that refused to start for want of one whole request."""
PARTS = (
    ("weights", "weights", ("weights_gib", "weights_gb_printed")),
    ("activation peak", "activation peak", ("activation_peak_gib",)),
    ("non-torch", "non-torch", ("non_torch_gib",)),
    ("CUDA graphs", "CUDA graphs", ("cuda_graph_estimated_gib",)),
)
"""quantity, line of the ledger, keys of the record"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One quantity of one log, in GiB or tokens. `band` is the interval predicted, where there is one."""

    quantity: str
    log_id: str
    engine: str
    family: str
    predicted: float
    observed: float
    known: bool
    band: Band | None = None

    @property
    def error(self) -> float:
        """Predicted less observed."""
        return self.predicted - self.observed

    @property
    def relative(self) -> float:
        """The error as a share of what was observed."""
        return self.error / abs(self.observed) if self.observed else 0.0


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Errors of one quantity over a group of logs: GiB for memory, shares for tokens."""

    quantity: str
    group: str
    n: int
    median_error: float
    median_absolute_error: float
    worst_error: float
    within_target: int
    """rows within 1 GiB, or 0.2 % for tokens"""
    in_band: int | None
    worst: tuple[str, ...]


def rows(logs: Iterable[StartupLog] | None = None) -> list[Row]:
    """Every quantity that a log prints and that is predicted."""
    return [row for log in (read_logs() if logs is None else logs) if log.replica for row in _rows(log, log.replica)]


def _rows(log: StartupLog, replica: Replica) -> Iterator[Row]:
    short = replace(replica.settings, max_model_len=min(SHORT_TOKENS, replica.settings.max_model_len))
    outcome = memory.budget(replace(replica, settings=short))

    def row(quantity: str, predicted: float, observed: float, band: Band | None = None) -> Row:
        family = "moe" if replica.model.is_moe else "dense"
        return Row(
            quantity=quantity, log_id=log.id, engine=replica.engine.id, family=family, predicted=predicted,
            observed=observed, known=log.known, band=band,
        )  # fmt: skip

    if outcome.ledger is not None and replica.engine.paged:
        for quantity, line, keys in PARTS:
            seen = next((log.observed[key] for key in keys if log.observed.get(key) is not None), None)
            comparable = quantity != "weights" or (replica.parallel.pp == 1 and "unquantized" not in log.unknown)
            if seen is not None and comparable:
                yield row(quantity, _amount(outcome.ledger, line), float(seen))
    pool = observed_pool_gib(log, replica)
    if pool is not None and pool > 0 and replica.engine.paged and not _capped(log):
        band = outcome.kv_cache_bytes.scaled(1 / GIB) if isinstance(outcome, MemoryBudget) else Band.exact(0.0)
        yield row("KV pool", band.mid, pool, band)
    if not replica.engine.paged:
        buffers = log.observed.get("compute_buffer_mib") or ()
        if buffers and "flash_attn=1" in str(log.record["other_flags"]):
            part = compute_buffer(replica.model, replica.settings.max_model_len).size.scaled(1 / GIB)
            yield row("compute buffer", part.mid, max(buffers) * MIB / GIB, part)
        cells = log.observed.get("kv_buffer_mib") or ()
        if cells:
            length, batch = replica.settings.max_model_len, micro_batch_tokens(replica.settings.max_num_batched_tokens)
            size = contiguous_cache_bytes(replica.model, replica.kv, 1, length, 1, batch)
            yield row("KV cells", size / GIB, sum(cells) * MIB / GIB)
    printed, tokens = printed_pool_gib(log), observed_tokens(log)
    if printed and tokens and replica.engine.paged:
        known = replace(replica.settings, kv_cache_memory_bytes=round(printed * GIB))
        cut = cut_pool(replace(replica, settings=known), layout_of(replica), printed * GIB)
        yield row("KV tokens of a known pool", cut.capacity_tokens, tokens)


def _amount(ledger: Ledger, line: str) -> float:
    return (ledger[line].amount or 0.0) / GIB


def _capped(log: StartupLog) -> bool:
    return "max-total-tokens" in str(log.record["note"] or "")


def printed_pool_gib(log: StartupLog) -> float | None:
    """The pool as the log prints it."""
    seen = log.observed
    halves = seen.get("kv_k_gb", 0.0) + seen.get("kv_v_gb", 0.0)
    return seen.get("kv_cache_gib") or seen.get("kv_gb") or halves or None


def observed_tokens(log: StartupLog) -> float | None:
    """Tokens of the pool; blocks of 16 in old logs."""
    seen = log.observed
    blocks = seen.get("num_gpu_blocks")
    return seen.get("kv_tokens") or seen.get("max_total_num_tokens") or (blocks and blocks * 16)


def observed_pool_gib(log: StartupLog, replica: Replica) -> float | None:
    """The pool by its blocks where those are printed (the smallest rank's), else as printed, else by its tokens."""
    layout, seen = layout_of(replica), log.observed
    single = len(layout.groups) == 1
    blocks = seen.get("num_gpu_blocks")
    if blocks and single:
        return float(blocks * layout.block_bytes / GIB)
    tokens = observed_tokens(log)
    if printed_pool_gib(log) is None and tokens and single:
        return tokens / layout.block_tokens * layout.block_bytes / GIB
    return printed_pool_gib(log)


def summaries(found: Sequence[Row] | None = None) -> list[Summary]:
    """By quantity: all rows, by engine, dense and mixture-of-experts models; pools only of logs whose settings are
    known."""
    found = rows() if found is None else found
    result = []
    for quantity in dict.fromkeys(row.quantity for row in found):
        own = [row for row in found if row.quantity == quantity and (row.known or quantity != "KV pool")]
        groups: list[tuple[str, Callable[[Row], bool]]] = [("all", lambda row: True)]
        groups += [(engine, lambda row, e=engine: row.engine == e) for engine in sorted({row.engine for row in own})]
        groups += [(family, lambda row, f=family: row.family == f) for family in ("dense", "moe")]
        chosen = ((name, [row for row in own if belongs(row)]) for name, belongs in groups)
        result += [_summary(quantity, name, some) for name, some in chosen if some]
    return result


def _summary(quantity: str, group: str, own: Sequence[Row]) -> Summary:
    tokens = quantity.startswith("KV tokens")
    errors = {row.log_id: row.relative if tokens else row.error for row in own}
    worst = sorted(errors, key=lambda name: -abs(errors[name]))
    banded = [row for row in own if row.band is not None]
    return Summary(
        quantity=quantity, group=group, n=len(own), median_error=median(errors.values()),
        median_absolute_error=median(abs(error) for error in errors.values()), worst_error=errors[worst[0]],
        within_target=sum(abs(error) <= (0.002 if tokens else 1.0) for error in errors.values()),
        in_band=sum(row.band.low <= row.observed <= row.band.high for row in banded if row.band) if banded else None,
        worst=tuple(worst[:3]),
    )  # fmt: skip


def too_optimistic(found: Sequence[Row], share: float = 0.05) -> list[str]:
    """Known logs to which more pool is promised than they had, by more than `share` of it."""
    return [row.log_id for row in found if row.quantity == "KV pool" and row.known and row.relative > share]


def left_out(logs: Iterable[StartupLog]) -> dict[str, str]:
    """Logs that take no part, or not in the pool, and why."""
    return {log.id: log.reason or log.unknown for log in logs if log.reason or log.unknown}


if __name__ == "__main__":
    everything = rows()
    for one in sorted(everything, key=lambda row: (row.quantity, not row.known, -abs(row.error))):
        mark = "known" if one.known else ""
        inside = "" if one.band is None else "in" if one.band.low <= one.observed <= one.band.high else "OUT"
        print(
            f"{one.quantity:26} {one.log_id:44} {one.predicted:14.3f} {one.observed:14.3f} {one.error:+10.3f} "
            f"{one.relative:+8.2%} {mark:6} {inside}"
        )
    for line in summaries(everything):
        print(line)
    print("too optimistic:", too_optimistic(everything))
