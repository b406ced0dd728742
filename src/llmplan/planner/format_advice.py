"""Why a number format is faster or slower here, in a sentence; every number in it is this comparison's own."""

from __future__ import annotations

from typing import Final

from llmplan.plan.format_rows import Aspect, FormatSpeed
from llmplan.plan.outcome import Option

SAME_BYTES: Final = 0.03
"""sizes that differ by less are called equal"""
SAME_SPEED: Final = 0.005


def advice_for(aspect: Aspect, mine: FormatSpeed, base: FormatSpeed) -> str:
    """One sentence on one format beside the baseline."""
    return weights_advice(mine, base) if aspect == "weights" else cache_advice(mine, base)


def weights_advice(mine: FormatSpeed, base: FormatSpeed) -> str:
    """Bytes to read, arithmetic to run, the number of requests where the two change places, and the pools."""
    bytes_read, math, turns = reads(mine, base), arithmetic(mine), mine.crossover_requests
    because = f"{bytes_read}, {math}" if math else bytes_read
    name, starved = base.replica.weights.id, is_starved(base)
    match mine.faster_alone:
        case None:
            text = f"as fast as {name}: {because}"
        case True if turns is None:
            text = f"faster up to {mine.most_requests:,} requests at once: {because}"
        case True if starved and base.pool_requests < turns:
            text = (
                f"faster: {bytes_read}; {math or 'with room for both'} it would lose from about {turns:,} requests at "
                f"once, more than the {name} pool holds"
            )
        case True:
            text = f"faster below about {turns:,} requests at once: {bytes_read}; slower from there on" + (
                f": {math}" if math else ""
            )
        case False if turns is None:
            text = f"slower up to {mine.most_requests:,} requests at once: {because}"
        case False:
            text = f"slower below about {turns:,} requests at once, faster from there on: {because}"
    return text + (f"; {at_saturation(mine, base, name)}" if starved else "")


def cache_advice(mine: FormatSpeed, base: FormatSpeed) -> str:
    """Bytes of the cache, how many requests its pool holds, and what is not known."""
    replica, gain = mine.replica, base.budget.kv_bytes_per_token / mine.budget.kv_bytes_per_token
    support = replica.engine.kv_formats.get(replica.kv.id)
    capability = replica.gpu.compute_capability
    foreign = support is not None and capability is not None and not support.native_on(capability)
    text = f"the cache takes {times(gain)} bytes: {held(base, base.replica.kv.id)} and this one {requests(mine)}"
    if foreign:
        text += f"; the engine has no kernel for {replica.kv.id} arithmetic on this GPU"
    return f"{text}; what converting it costs in the kernel is not modelled, so that the ratios are an upper bound"


def reads(mine: FormatSpeed, base: FormatSpeed) -> str:
    """The weights' bytes beside the baseline's."""
    return f"its weights take {times(base.budget.weights_bytes / mine.budget.weights_bytes)} bytes"


def times(gain: float) -> str:
    """`3.3× fewer`, `as many`, `2.0× more`.

    >>> times(3.31), times(1.01), times(0.5)
    ('3.3× fewer', 'as many', '2.0× more')
    """
    if abs(gain - 1.0) < SAME_BYTES:
        return "as many"
    return f"{gain:.1f}× fewer" if gain > 1.0 else f"{1.0 / gain:.1f}× more"


def arithmetic(mine: FormatSpeed) -> str:
    """What the format computes in; nothing to say of 16-bit floats."""
    weights = mine.replica.weights
    if weights.family == "float":
        return ""
    if mine.native:
        return f"computed in {weights.compute}"
    lacks = "" if weights.weight_only else f"with no {weights.compute} arithmetic used on this GPU "
    return f"{lacks}expanded to 16 bit to compute"


def is_starved(base: FormatSpeed) -> bool:
    """Whether memory, not the scheduler, limits the requests that the baseline admits."""
    replica = base.replica
    return base.pool_requests < replica.settings.max_num_seqs * replica.parallel.dp


def at_saturation(mine: FormatSpeed, base: FormatSpeed, name: str) -> str:
    """The sign when both are full, and the two pools."""
    full, turned = mine.ratio_saturated or 1.0, mine.crossover_requests is not None
    if abs(full - 1.0) <= SAME_SPEED:
        word = "equal"
    elif full > 1.0:
        word = "faster again" if mine.faster_alone and turned and _reached(mine, base) else "faster"
    else:
        word = "slower all the same" if mine.pool_requests > base.pool_requests else "slower"
    return f"{word} at saturation, where {held(base, name)} and this one {requests(mine)}"


def _reached(mine: FormatSpeed, base: FormatSpeed) -> bool:
    return base.pool_requests >= (mine.crossover_requests or 0)


def held(base: FormatSpeed, name: str) -> str:
    """What the baseline's pool holds."""
    return f"the {name} pool holds {requests(base)} such requests"


def requests(found: FormatSpeed) -> str:
    """Requests in the pool, no more than the scheduler admits."""
    replica = found.replica
    return f"{min(found.pool_requests, replica.settings.max_num_seqs * replica.parallel.dp):,.3g}"


def quality_note(option: Option) -> str | None:
    """What a converted format costs in quality, as one line; None where the weights are as published or 16 bit."""
    replica = option.deployment.replica
    if replica is None or not replica.weights.is_quantized or replica.weights.id == replica.model.checkpoint_format:
        return None
    known = option.quality.describe() if option.quality is not None else "no figures known"
    return f"{replica.weights.id} quality: {known}"
