"""Why a prediction may have missed: rules on the row and on what was predicted of it, tried in order.

A guess, not a finding: it names what about the row is most likely to be outside the model. No rule knows a model, a
GPU or a source by name.
"""

from __future__ import annotations

from collections.abc import Callable

from measured_rows import Case
from speed_accuracy.score import Score

SMALL_BATCH = 2.0
MOSTLY = 0.4
"""share of a step from which a term is what the prediction stands or falls with"""
DOUBTFUL_SPEED = 1.25
"""times the least time to read the weights, below which a run hardly fits without speculation"""

Rule = Callable[[Score], str | None]


def guess(score: Score) -> str:
    """The first rule that applies."""
    return next((text for rule in RULES if (text := rule(score)) is not None), "no rule applies")


def is_slower(score: Score) -> bool:
    """Whether the measurement is slower than predicted."""
    return (score.measured > score.predicted) == (score.quantity != "throughput")


def _beyond_saturation(score: Score) -> str | None:
    case, found = score.case, score.estimate
    if case.load.kind == "rate" and found.utilization > 0.9:
        return f"at {found.utilization:.0%} of the predicted capacity: queues explode and hang on how long the run is"
    return None


def _starved(score: Score) -> str | None:
    case, settings = score.case, score.case.replica.settings
    room = case.memory.room.requests(case.load.input_tokens.mean + case.load.output_tokens.mean / 2.0)
    if case.load.kind in ("concurrency", "burst") and room < min(case.load.value, settings.max_num_seqs):
        return f"KV cache for {room:.0f} of {case.load.value:g} requests: the pool decides, and its size is a guess"
    return None


def _queues(score: Score) -> str | None:
    case, found = score.case, score.estimate
    if found.saturated and score.quantity in ("ttft", "e2e"):
        return f"{case.load.value:g} requests for {case.replica.settings.max_num_seqs} slots: mostly queue"
    return None


def _fewer_slots(score: Score) -> str | None:
    """By Little's law the part of a request's life that is decoding is the part of the clients that decode."""
    case, measured = score.case, score.case.measured
    if case.load.kind != "concurrency" or "ttft" not in measured or "tpot" not in measured:
        return None
    decode_s = (case.load.output_tokens.mean - 1.0) * measured["tpot"]
    decoding = case.load.value * decode_s / (decode_s + measured["ttft"])
    if decoding < score.estimate.batch_size / 2.0:
        return (
            f"by its own TTFT and TPOT the server decoded {decoding:.0f} of {case.load.value:g} requests at a time: "
            "fewer slots or less KV cache than assumed, or prefill in one piece"
        )
    return None


def _speculates(score: Score) -> str | None:
    if is_slower(score) or score.quantity not in ("tpot", "throughput", "e2e"):
        return None
    tpot_s = score.case.measured.get("tpot")
    bound = least_step_s(score.case, score.estimate.batch_size)
    if tpot_s is not None and tpot_s < DOUBTFUL_SPEED * bound:
        return f"TPOT is {tpot_s / bound:.2f} times the least time to read weights and cache: speculative decoding?"
    return None


def _old_engine(score: Score) -> str | None:
    if score.case.legacy and is_slower(score):
        return "an engine version from before today's scheduler: more host time a step"
    return None


def _slow_links(score: Score) -> str | None:
    replica = score.case.replica
    share = _share(score, "tensor-parallel all-reduce", "expert all-to-all")
    if share > MOSTLY:
        wire = "NVLink" if replica.host.fast_link_gpus else "PCIe"
        return f"messages over {wire} are {share:.0%} of the predicted step"
    return None


def _fixed_time(score: Score) -> str | None:
    share = _share(score, "fixed time per step and layer", "per-sequence work")
    if share > MOSTLY:
        return f"fixed time is {share:.0%} of the predicted step: it hangs on the host and the engine's release"
    return None


def _first_tokens(score: Score) -> str | None:
    if score.quantity != "ttft":
        return None
    if score.case.load.kind == "burst" and score.case.load.value > 1:
        return "all at once: every prompt waits for those before it, in the order of the scheduler"
    if score.case.load.kind == "concurrency" and score.case.load.value > SMALL_BATCH:
        met = "met" if is_slower(score) else "did not meet"
        return f"a closed loop: how many clients start together is not stated (these {met} more than assumed)"
    if score.case.load.value <= SMALL_BATCH:
        return "a lone prompt: mostly the server's and the client's own time" if is_slower(score) else None
    return None


def _interference(score: Score) -> str | None:
    share = _share(score, "prefill of other requests")
    if share > MOSTLY:
        return f"prefill of other requests is {share:.0%} of TPOT: hangs on the chunk size, which is rarely stated"
    return None


def _experts(score: Score) -> str | None:
    share = _share(score, "expert reads", "expert math beyond reads")
    if share > MOSTLY:
        return f"experts are {share:.0%} of the step: kernels differ between engine releases, routing is skewed"
    return None


def _weight_only(score: Score) -> str | None:
    replica = score.case.replica
    if replica.weights.is_quantized and score.estimate.batch_size > 16.0 and is_slower(score):
        return (
            f"{replica.weights.id} at a batch of {score.estimate.batch_size:.0f}: hangs on the kernel that was chosen"
        )
    return None


def _ramps(score: Score) -> str | None:
    if score.quantity == "throughput" and score.case.load.kind == "burst":
        return "all at once: the ramp and the tail of the run count, and request lengths are rarely all equal"
    return None


RULES: tuple[Rule, ...] = (
    _beyond_saturation, _fewer_slots, _speculates, _starved, _queues, _old_engine, _slow_links, _first_tokens,
    _fixed_time, _interference, _experts, _weight_only, _ramps,
)  # fmt: skip


def least_step_s(case: Case, batch: float) -> float:
    """Weights that one token needs, and the cache of the batch, over the published memory bandwidth [s]."""
    work, context = case.work, case.load.input_tokens.mean + case.load.output_tokens.mean / 2.0
    weights = work.dense_bytes + work.head_bytes + sum(e.resident_bytes * e.coverage(1.0) for e in work.experts)
    groups = case.replica.parallel.dp
    cache = sum(a.cache_bytes_per_context_token * min(context, a.window_tokens) for a in work.attention)
    return (
        case.replica.parallel.pp
        * (weights + cache * max(1.0, batch / groups))
        / case.replica.gpu.memory_bandwidth_bytes_per_s
    )


def _share(score: Score, *names: str) -> float:
    """Part of the predicted TPOT that some lines make up [-]."""
    ledger = score.estimate.step_ledger
    return sum(line.amount or 0.0 for line in ledger.lines if line.name in names) / max(ledger.total, 1e-12)
