"""A recorded trace in memory: the whole of it, a part, one tenant's share, or the same with more or fewer users."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmplan.errors import UsageError
from llmplan.spec.request_runs import joined, taken
from llmplan.spec.requests import Requests

JITTER_S = 30.0
"""How far the requests of an added user may lie from those that they are modelled on: within a minute, so that the
profile over minutes and hours stays."""
_FAR_APART = 1 << 40
"""between the ids of one copy's prefixes and the next one's"""
_TENANTS_APART = 1 << 52
"""between those of one tenant's and the next one's"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """All requests of a trace, which lasts `duration_s` from 0 on."""

    name: str
    requests: Requests
    duration_s: float

    @classmethod
    def of(cls, name: str, runs: Iterable[Requests]) -> Recorded:
        """Runs of requests, put together; they last until the last one has come."""
        requests = joined(list(runs))
        return cls(name=name, requests=requests, duration_s=float(requests.arrival_s.max(initial=0.0)))

    def __len__(self) -> int:
        return len(self.requests)

    @property
    def mean_requests_per_s(self) -> float:
        """Requests over the duration [1/s]."""
        return len(self) / self.duration_s if self.duration_s > 0 else 0.0

    def busiest(self, window_s: float) -> tuple[float, float]:
        """The window with the most arrivals, from and to [s]; all of a trace that is no longer than that."""
        arrival_s = self.requests.arrival_s
        if self.duration_s <= window_s:
            return 0.0, self.duration_s
        counts = np.searchsorted(arrival_s, arrival_s + window_s) - np.arange(len(arrival_s))
        start_s = float(arrival_s[int(np.argmax(counts))])
        return start_s, start_s + window_s

    def between(self, start_s: float, end_s: float) -> Recorded:
        """The requests of a time, counted from its start."""
        arrival_s = self.requests.arrival_s
        kept = np.flatnonzero((arrival_s >= start_s) & (arrival_s <= end_s))
        part = taken(self.requests, kept)
        moved = replace(part, arrival_s=part.arrival_s - start_s)
        return replace(self, requests=moved, duration_s=end_s - start_s)

    def of_tenant(self, tenant: int) -> Recorded:
        """One tenant's requests, when they came."""
        if self.requests.tenant is None:
            return self
        return replace(self, requests=taken(self.requests, np.flatnonzero(self.requests.tenant == tenant)))

    @property
    def tenants(self) -> list[int]:
        """All tenants, those with most requests first."""
        if self.requests.tenant is None:
            return [0]
        ids, counts = np.unique(self.requests.tenant, return_counts=True)
        return [int(ids[place]) for place in np.argsort(-counts, kind="stable")]

    def scaled(self, factor: float, *, seed: int = 0) -> Recorded:
        """The same traffic from `factor` times as many users.

        factor [-]: below 1 each request stays with that probability; above, each comes that many times on average,
        copies up to `JITTER_S` away and with prefixes of their own. The rate scales, profiles and lengths stay.
        """
        if not (np.isfinite(factor) and factor > 0):
            raise ValueError(f"traffic is scaled by a factor above 0, not {factor}")
        rng = np.random.default_rng(seed)
        count, whole = len(self), int(factor)
        copies = [np.arange(count)] * whole
        copies.append(np.flatnonzero(rng.random(count) < factor - whole))
        parts = [self._copy(kept, number, rng) for number, kept in enumerate(copies)]
        merged = joined([part for part in parts if len(part)] or [taken(self.requests, np.array([0]))])
        order = np.argsort(merged.arrival_s, kind="stable")
        return replace(self, requests=merged if (np.diff(order) == 1).all() else taken(merged, order))

    def _copy(self, kept: NDArray[np.intp], number: int, rng: np.random.Generator) -> Requests:
        part = taken(self.requests, kept)
        if not number or not len(part):
            return part
        moved_s = part.arrival_s + rng.uniform(-JITTER_S, JITTER_S, len(part))
        moved_s = np.clip(moved_s, 0.0, self.duration_s)
        if part.prefixes is None:
            return replace(part, arrival_s=moved_s)
        own = replace(part.prefixes, ids=part.prefixes.ids + number * _FAR_APART)
        return replace(part, arrival_s=moved_s, prefixes=own)


def together(traces: Sequence[Recorded]) -> Recorded:
    """Traces of one tenant each as one trace, all from the same start; it lasts as long as the longest of them.

    Tenants that a trace names itself are not told apart. Prefixes of different traces are different texts.
    """
    sizes = {trace.requests.prefixes.block_tokens for trace in traces if trace.requests.prefixes is not None}
    if len(sizes) > 1:
        raise UsageError(f"the traces hash prefixes in blocks of different size: {sorted(sizes)} tokens")
    parts = []
    for number, trace in enumerate(traces):
        requests, prefixes = trace.requests, trace.requests.prefixes
        if prefixes is not None:
            prefixes = replace(prefixes, ids=prefixes.ids + number * _TENANTS_APART)
        tenant = np.full(len(trace), number, dtype=np.int64)
        parts.append(replace(requests, tenant=tenant, prefixes=prefixes))
    whole = joined(parts)
    return Recorded(
        name=" + ".join(trace.name for trace in traces),
        requests=taken(whole, np.argsort(whole.arrival_s, kind="stable")),
        duration_s=max(trace.duration_s for trace in traces),
    )
