"""What was taken for granted, and what a server does not say: remarks beside a comparison, none of them drift."""

from __future__ import annotations

from collections.abc import Iterator

from llmplan.plan.served.comparing import SETTINGS, number
from llmplan.plan.served.expected import Expected
from llmplan.plan.served.seen import Seen
from llmplan.units import format_rate


def remarks(seen: Seen, expected: Expected | None) -> Iterator[str]:
    """Every remark on one comparison."""
    yield from of_lengths(seen, expected)
    if seen.mean("per_token") is not None and seen.lengths is None:
        yield (
            "TPOT: seconds of generation over all tokens, first ones included, which come with the prompt; a client's "
            "is longer by one token in an answer"
        )
    if expected is not None and (silent := tuple(unstated(seen, expected))):
        yield f"not compared, since {seen.last.engine} does not say it: {', '.join(silent)}"


def of_lengths(seen: Seen, expected: Expected | None) -> Iterator[str]:
    """Whose lengths the requests are taken to have, where tokens are counted and requests are not."""
    mix = seen.tokens_in_per_out
    if expected is None or mix is None or seen.output_tokens is not None:
        return
    engine, load = seen.last.engine, expected.load
    if load is None:
        yield f"{engine} counts no requests: without --isl, --osl and --concurrency their lengths are not known"
        return
    isl, osl = load.input_tokens.mean, load.output_tokens.mean
    if seen.lengths is None:
        yield f"{engine} counts no requests, and its tokens are not of the planned lengths: latency is not compared"
        return
    yield (
        f"assumed: requests of {isl:,.0f} tokens in and {osl:,.0f} out, as planned; {engine} counts no requests, and "
        f"its tokens are in that proportion ({format_rate(mix)} in for one out)"
    )


def unstated(seen: Seen, expected: Expected) -> Iterator[str]:
    """Settings of the plan of which the server tells nothing."""
    stated = seen.last.settings
    if expected.replica.engine.id != seen.last.engine:
        return
    for name, label, _, attribute in SETTINGS:
        # an engine that has no such setting cannot differ in it
        pool = expected.replica.engine.kv_pool_rule == "explicit_context"
        idle = pool and attribute in ("memory_fraction", "block_tokens")
        if number(stated.get(name)) is None and not idle:
            yield label
    if not isinstance(stated.get("kv_cache"), str):
        yield f"KV cache format ({expected.replica.kv.id} planned)"
    if not isinstance(stated.get("weights"), str) and "weights_bytes" not in seen.last.gauges:
        yield f"weight format ({expected.replica.weights.id} planned)"
