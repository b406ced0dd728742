"""What a server did between two looks at it, or since it started: traffic, latency, and how full it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from llmplan.plan.load import Load
from llmplan.plan.served.histogram import Histogram
from llmplan.plan.served.snapshot import Snapshot
from llmplan.spec.workload_lengths import Lengths

ENOUGH_REQUESTS = 20
"""fewer answered requests are too few to judge a mean latency by"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`span_s`: between the first and the last look; None: since the server started, or nobody knows. `looks` are all
    of the same process, of `asked` in all; None wherever the engine does not say."""

    looks: tuple[Snapshot, ...]
    asked: int = 1
    span_s: float | None = None

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
        mean = self.mean("tpot")
        return self.mean("itl") if mean is None else mean

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
        engine has no such seconds, the mean of running and waiting ones at the looks."""
        spent = self.histogram("e2e")
        if spent is not None and self.span_s:
            return spent.total / self.span_s
        running, waiting = self.gauge("running"), self.gauge("waiting")
        return None if running is None or self.since_start else running + (waiting or 0.0)

    @property
    def load(self) -> Load | None:
        """The traffic as a closed loop of the mean number of requests in flight, at least one; None where unknown.

        From outside nobody can tell a queue that grows from clients that wait: a closed loop has the batch right in
        both cases.
        """
        flying, isl, osl = self.in_flight, self.input_tokens, self.output_tokens
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
    best = max(_processes(looks), key=lambda group: (len(group), looks.index(group[-1])))
    return Seen(looks=tuple(best), asked=len(looks), span_s=_span_s(best))


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
