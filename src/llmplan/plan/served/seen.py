"""What a server did between two looks at it, or since it started: traffic, latency, and how full it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from llmplan.plan.load import Load
from llmplan.plan.served.histogram import Histogram
from llmplan.plan.served.snapshot import Snapshot
from llmplan.spec.workload_lengths import Lengths

ENOUGH_REQUESTS = 20
"""fewer answered requests are too few to judge a mean latency by"""
SAME_MIX = 0.25
"""relative difference of prompt tokens per answered token up to which lengths may be those that were planned"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`span_s`: between the first and the last look; None: since the server started, or nobody knows. `looks` are all
    of the same process, of `asked` in all; None wherever the engine does not say. `lengths`: whose lengths its requests
    are taken to have, where the engine counts tokens and no requests. `in_turns`: a process answered again after
    another one had, as behind a load balancer."""

    looks: tuple[Snapshot, ...]
    asked: int = 1
    span_s: float | None = None
    lengths: Load | None = None
    in_turns: bool = False

    @property
    def last(self) -> Snapshot:
        """The newest look."""
        return self.looks[-1]

    @property
    def since_start(self) -> bool:
        """Whether the counts are those of the whole life of the server."""
        return len(self.looks) < 2

    def total(self, name: str) -> float | None:
        """How much a counter grew."""
        value = self.last.totals.get(name)
        if value is None or self.since_start:
            return value
        return value - self.looks[0].totals.get(name, 0.0)

    def histogram(self, name: str) -> Histogram | None:
        """What a histogram gained."""
        found = self.last.histograms.get(name)
        if found is None or self.since_start:
            return found
        earlier = self.looks[0].histograms.get(name)
        return found if earlier is None else found.since(earlier)

    def mean(self, name: str) -> float | None:
        """The mean of a histogram."""
        found = self.histogram(name)
        return None if found is None else found.mean

    def gauge(self, name: str) -> float | None:
        """A value of the moment, as a mean over the looks."""
        values = [look.gauges[name] for look in self.looks if name in look.gauges]
        return sum(values) / len(values) if values else None

    def per_s(self, name: str) -> float | None:
        """Growth of a counter per second."""
        grown = self.total(name)
        return None if grown is None or not self.span_s else grown / self.span_s

    @property
    def requests(self) -> float | None:
        """Requests that were answered."""
        return self.total("requests")

    @property
    def answered(self) -> float | None:
        """Requests that were answered, counted or worked out from tokens and lengths."""
        tokens = self.total("output_tokens")
        if self.requests is not None or self.lengths is None or tokens is None:
            return self.requests
        return tokens / self.lengths.output_tokens.mean

    @property
    def is_idle(self) -> bool:
        """Whether nothing was answered: no request, and where none are counted no token."""
        return (self.requests if self.requests is not None else self.total("output_tokens")) == 0.0

    @property
    def input_tokens(self) -> float | None:
        """Mean tokens of a prompt."""
        return self._per_request("input", "prompt_tokens")

    @property
    def output_tokens(self) -> float | None:
        """Mean tokens of an answer."""
        return self._per_request("output", "output_tokens")

    def _per_request(self, histogram: str, total: str) -> float | None:
        mean = self.mean(histogram)
        tokens, requests = self.total(total), self.requests
        if mean is not None or tokens is None or requests is None or requests < 1.0:
            return mean
        return tokens / requests

    @property
    def tpot_s(self) -> float | None:
        """Mean time per output token: over requests where the engine has it so, else over tokens."""
        means = (mean for name in ("tpot", "itl", "per_token") if (mean := self.mean(name)) is not None)
        return next(means, None)

    @property
    def tpot_after_first_s(self) -> float | None:
        """The same without first tokens, where they are counted along and the length of answers is known."""
        counts_first = self.mean("tpot") is None and self.mean("itl") is None
        tokens = self.lengths.output_tokens.mean if self.lengths else self.output_tokens
        if self.tpot_s is None or not counts_first or tokens is None or tokens <= 1.0:
            return self.tpot_s
        return self.tpot_s * tokens / (tokens - 1.0)

    @property
    def prefix_share(self) -> float | None:
        """Share of prompt tokens that the prefix cache held."""
        hits, queries, misses = (self.total(f"prefix_{name}") for name in ("hits", "queries", "misses"))
        if queries is None and hits is not None and misses is not None:
            queries = hits + misses
        if queries is None:
            queries = self.total("prompt_tokens")
        return min(1.0, hits / queries) if hits is not None and queries else None

    @property
    def in_flight(self) -> float | None:
        """Mean requests in the server. Little's law: seconds that answered requests spent there per second; where the
        engine has none or only some of these, the mean of running and waiting ones at the looks if that is more."""
        spent = self.histogram("e2e")
        if spent is not None and self.span_s:
            return spent.total / self.span_s
        at_looks, least = None if self.since_start else self.at_looks, self.least_in_flight
        return at_looks if least is None else max(least, at_looks or 0.0)

    @property
    def at_looks(self) -> float | None:
        """Mean requests that ran or waited at the looks."""
        running = self.gauge("running")
        return None if running is None else running + (self.gauge("waiting") or 0.0)

    @property
    def least_in_flight(self) -> float | None:
        """Little's law with seconds of generation, and of one request while any prompt is read; None without them."""
        generated = self.histogram("per_token")
        if generated is None or not self.span_s:
            return None
        return (generated.total + (self.total("prefill_s") or 0.0)) / self.span_s

    @property
    def tokens_in_per_out(self) -> float | None:
        """Prompt tokens for each token of an answer, cached ones among them."""
        read, answered = self.total("prompt_tokens"), self.total("output_tokens")
        if self.total("prefix_misses") is not None:  # there `prompt_tokens` are those that no cache held
            read = (read or 0.0) + (self.total("prefix_hits") or 0.0)
        return read / answered if read and answered else None

    def with_lengths(self, planned: Load | None) -> Seen:
        """The same with the lengths of a plan, where the engine tells none and its tokens are in that proportion."""
        mix = self.tokens_in_per_out
        if planned is None or mix is None or self.output_tokens is not None:
            return self
        wanted = planned.input_tokens.mean / max(1.0, planned.output_tokens.mean)
        alike = 1.0 / (1.0 + SAME_MIX) <= mix / wanted <= 1.0 + SAME_MIX
        return replace(self, lengths=planned) if alike else self

    @property
    def load(self) -> Load | None:
        """The traffic as a closed loop of the mean number of requests in flight, at least one; None where unknown.

        From outside nobody can tell a queue that grows from clients that wait: a closed loop has the batch right in
        both cases.
        """
        flying, isl, osl = self.in_flight, self.input_tokens, self.output_tokens
        if self.lengths is not None:
            isl, osl = self.lengths.input_tokens.mean, self.lengths.output_tokens.mean
        if flying is None or isl is None or osl is None or isl < 1.0 or osl < 1.0:
            return None
        return Load(
            kind="concurrency",
            value=max(1.0, flying),
            input_tokens=Lengths(mean=isl),
            output_tokens=Lengths(mean=osl),
            prefix_share=self.prefix_share or 0.0,
        )


def see(looks: Sequence[Snapshot]) -> Seen:
    """All looks together: of the process that was seen for the longest time, where several answered."""
    groups = _processes(looks)
    best = max(groups, key=lambda group: (len(group), looks.index(group[-1])))
    changes = sum(not later.follows(earlier) for earlier, later in pairwise(looks))
    in_turns = changes >= len(groups) > 1
    return Seen(looks=tuple(best), asked=len(looks), span_s=_span_s(best), in_turns=in_turns)


def steps(looks: Sequence[Snapshot]) -> tuple[Seen, ...]:
    """What happened from each look to the next one, where the same process answered both."""
    pairs = pairwise(looks)
    return tuple(Seen(looks=pair, asked=2, span_s=_span_s(pair)) for pair in pairs if pair[1].follows(pair[0]))


def _processes(looks: Sequence[Snapshot]) -> list[list[Snapshot]]:
    groups: list[list[Snapshot]] = []
    for look in looks:
        group = next((group for group in groups if look.follows(group[-1])), None)
        if group is None:
            groups.append([look])
        else:
            group.append(look)
    return groups


def _span_s(looks: Sequence[Snapshot]) -> float | None:
    first, last = looks[0].at_s, looks[-1].at_s
    return last - first if first is not None and last is not None and last > first else None
