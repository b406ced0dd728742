"""Why a number format is faster or slower here, in a sentence; every number in it is this comparison's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from llmplan.plan.format_rows import Aspect, FormatSpeed
from llmplan.plan.outcome import Option
from llmplan.spec.formats import SpeedFigure

SAME_BYTES: Final = 0.03
"""sizes that differ by less are called equal"""
WHOLE_FROM: Final = 10
SAME_SPEED: Final = 0.02
"""speeds that differ by less are called equal: repeats of one benchmark differ by as much"""

NOTABLE: Final = 0.1
"""how far from equal a ratio must be to contradict equal speed"""


def advice_for(aspect: Aspect, mine: FormatSpeed, base: FormatSpeed) -> str:
    """One sentence on one format beside the baseline."""
    return weights_advice(mine, base) if aspect == "weights" else cache_advice(mine, base)


def weights_advice(mine: FormatSpeed, base: FormatSpeed) -> str:
    """The sign by requests at once, bytes to read and arithmetic to run, and what the pools make of it."""
    math = arithmetic(mine)
    text = f"{by_requests(mine)}: {reads(mine, base)}" + (f", {math}" if math else "")
    return text + (f"; {at_saturation(mine, base)}" if is_starved(base) else "")


def by_requests(mine: FormatSpeed) -> str:
    """`faster up to 59 requests at once, slower from 60 on`."""
    words = {True: "faster", False: "slower", None: "as fast"}
    first, *others = mine.stretches
    if not others:
        return f"{words[first.faster]} at any number of requests at once up to {mine.most_requests:,}"
    ends = [each.requests - 1 for each in others]
    parts = [f"{words[first.faster]} up to {ends[0]:,} request{'s' if ends[0] > 1 else ''} at once"]
    parts += [f"{words[each.faster]} up to {end:,}" for each, end in zip(others[:-1], ends[1:], strict=True)]
    return ", ".join((*parts, f"{words[others[-1].faster]} from {others[-1].requests:,} on"))


def cache_advice(mine: FormatSpeed, base: FormatSpeed) -> str:
    """Bytes of the cache, how many requests its pool holds, and what is not known."""
    replica = mine.replica
    if not mine.budget.kv_bytes_per_token:
        return "nothing is kept for each token, so that the format of the cache changes nothing"
    gain = base.budget.kv_bytes_per_token / mine.budget.kv_bytes_per_token
    support = replica.engine.kv_formats.get(replica.kv.id)
    capability = replica.gpu.compute_capability
    foreign = support is not None and capability is not None and not support.native_on(capability)
    text = f"the cache takes {times(gain)} bytes: {held(base, base.replica.kv.id)} and this one {requests(mine)}"
    if foreign:
        text += "; the engine states no kernel of its own for it on this GPU"
    return f"{text}; what converting it costs in the kernel is not modelled: the ratios are an upper bound"


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
    lacks = "" if weights.weight_only else f" (no {weights.compute} arithmetic here)"
    return f"expanded to 16 bit to compute{lacks}"


def is_starved(base: FormatSpeed) -> bool:
    """Whether memory, not the scheduler, limits the requests that the baseline admits."""
    replica = base.replica
    return base.pool_requests < replica.settings.max_num_seqs * replica.parallel.dp


def at_saturation(mine: FormatSpeed, base: FormatSpeed) -> str:
    """The sign when both are full, and the two pools."""
    full, slower_from = mine.ratio_saturated or 1.0, mine.crossover_requests
    met = slower_from is not None and base.pool_requests >= slower_from
    if abs(full - 1.0) <= SAME_SPEED:
        word = "as fast"
    elif full > 1.0:
        word = "faster again" if met else "faster"
    else:
        word = "slower"
    beyond = ", so never so many at once" if slower_from is not None and not met else ""
    pools = f"{held(base, base.replica.weights.id)}{beyond}{',' if beyond else ''} and this one {requests(mine)}"
    return f"{word} at saturation, where {pools}"


def held(base: FormatSpeed, name: str) -> str:
    """What the baseline's pool holds."""
    return f"the {name} pool holds {requests(base)} such requests"


def requests(found: FormatSpeed) -> str:
    """Requests in the pool, no more than the scheduler admits."""
    replica = found.replica
    most = min(found.pool_requests, replica.settings.max_num_seqs * replica.parallel.dp)
    return f"{most:,.0f}" if most >= WHOLE_FROM else f"{most:.1f}"


def disputed_by(mine: FormatSpeed, published: Iterable[SpeedFigure]) -> tuple[SpeedFigure, ...]:
    """Published ratios on this kind of GPU whose sign is another than the one predicted for as many requests.

    Their models and lengths are not those of this load: a hint to measure, not a proof.
    """
    here = (each for each in published if each.gpu_id == mine.replica.gpu.id)
    return tuple(each for each in here if contradicts(each.ratio, sign_at(mine, each.requests)))


def contradicts(published: float, predicted: bool | None) -> bool:
    """Whether a ratio has another sign than predicted; where equal speed is, whether it is far from that."""
    if predicted is None:
        return abs(published - 1.0) > NOTABLE
    return side(published) not in (None, predicted)


def sign_at(mine: FormatSpeed, requests_at_once: int) -> bool | None:
    """The sign predicted for a number of requests at once: beyond what the pool holds, that of saturation."""
    if requests_at_once > min(mine.pool_requests, mine.most_requests):
        return side(mine.ratio_saturated or 1.0)
    return [each.faster for each in mine.stretches if each.requests <= requests_at_once][-1]


def side(value: float) -> bool | None:
    """Above 1, below it, or (None) about 1."""
    return None if abs(value - 1.0) <= SAME_SPEED else value > 1.0


def quality_note(option: Option) -> str | None:
    """What a converted format costs in quality, as one line; None where the weights are as published or 16 bit."""
    replica = option.deployment.replica
    if replica is None or not replica.weights.is_quantized or replica.weights.id == replica.model.checkpoint_format:
        return None
    known = option.quality.summary() if option.quality is not None else "no figures known"
    return f"{replica.weights.id} quality: {known}"
