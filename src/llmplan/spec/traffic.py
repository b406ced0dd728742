"""How traffic comes through time: when requests arrive, how long they are, and what text they have in common.

A `Workload` states figures of the steady state; a `TrafficShape` adds what a generator needs to make traffic that looks
like a trace. Every part is optional: what nobody knows is derived from the workload's own figures.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import pairwise

from llmplan.spec.workload_lengths import Lengths


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSeries:
    """Rates in bins of equal length, one after the other and again from the start after the last.

    Only their proportions matter: the workload's own rate is their mean.
    """

    bin_s: float
    rates: tuple[float, ...]

    def __post_init__(self) -> None:
        if not (math.isfinite(self.bin_s) and self.bin_s > 0):
            raise ValueError(f"a bin has a length above 0 s, not {self.bin_s}")
        if not self.rates or not all(math.isfinite(rate) and rate >= 0 for rate in self.rates) or not any(self.rates):
            raise ValueError("rates are zero or more, and some of them are more than zero")

    @property
    def span_s(self) -> float:
        """Seconds until it begins again."""
        return self.bin_s * len(self.rates)

    @property
    def mean(self) -> float:
        """The mean rate, in the rates' own unit."""
        return math.fsum(self.rates) / len(self.rates)

    @property
    def peak_to_mean(self) -> float:
        """The busiest bin over the mean."""
        return max(self.rates) / self.mean

    @property
    def idle_share(self) -> float:
        """Bins without any request."""
        return self.rates.count(0.0) / len(self.rates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bursts:
    """A busy and a quiet state which take turns at random (a Markov-modulated process of two states).

    `ratio` is the rate while busy over the mean; stays are exponential with the means `busy_s` and `quiet_s`.
    """

    ratio: float
    busy_s: float
    quiet_s: float

    def __post_init__(self) -> None:
        if not (self.busy_s > 0 and self.quiet_s > 0 and math.isfinite(self.busy_s + self.quiet_s)):
            raise ValueError("busy and quiet stays have a length above 0 s")
        if not 1 <= self.ratio <= self.most * (1 + 1e-9):
            raise ValueError(f"a burst's rate is from 1 to {self.most:.6g} times the mean here, not {self.ratio:g}")

    @property
    def most(self) -> float:
        """The ratio at which no request is left for the quiet state."""
        return (self.busy_s + self.quiet_s) / self.busy_s

    @property
    def quiet_ratio(self) -> float:
        """The rate while quiet over the mean."""
        return max(0.0, (self.busy_s + self.quiet_s - self.ratio * self.busy_s) / self.quiet_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """Times without any request: a share of all time, in runs with the mean length `mean_s`.

    With `grid_s`, runs begin and end at multiples of it and are geometric; else they are exponential.
    """

    share: float
    mean_s: float
    grid_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"pauses take a share between 0 and 1, not {self.share:g}")
        if not (math.isfinite(self.mean_s) and self.grid_s >= 0 and self.mean_s > 0):
            raise ValueError("a pause has a length above 0 s")
        if min(self.mean_s, self.active_s) < self.grid_s * (1 - 1e-9):
            raise ValueError("pauses and the times between them last at least one bin of the grid")

    @property
    def active_s(self) -> float:
        """Mean length of a run with requests."""
        return self.mean_s * (1 - self.share) / self.share


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """When requests come: the rate at any time is the mean rate x profiles x bursts x pauses.

    Gaps vary by `gap_cv` around that rate (1 is Poisson; else they are gamma distributed). Each of `profiles` nests in
    the next: 24 hours in the days of a week.
    """

    gap_cv: float = 1.0
    profiles: tuple[RateSeries, ...] = ()
    bursts: Bursts | None = None
    pauses: Pauses | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.gap_cv) and self.gap_cv >= 0):
            raise ValueError(f"a coefficient of variation is zero or more, not {self.gap_cv}")
        for inner, outer in pairwise(self.profiles):
            if not math.isclose(inner.span_s, outer.bin_s):
                raise ValueError(f"a profile of {inner.span_s:g} s does not fill a bin of {outer.bin_s:g} s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Tokens in bins: bin i holds `shares[i]` of the requests, evenly from `edges[i]` to below `edges[i + 1]`."""

    edges: tuple[int, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.edges) != len(self.shares) + 1 or not self.shares:
            raise ValueError(f"{len(self.shares)} bins have {len(self.shares) + 1} edges, not {len(self.edges)}")
        if self.edges[0] < 1 or any(high <= low for low, high in pairwise(self.edges)):
            raise ValueError("edges rise, from one token on")
        if not all(math.isfinite(share) and share >= 0 for share in self.shares) or not any(self.shares):
            raise ValueError("shares are zero or more, and some of them are more than zero")

    @property
    def mean(self) -> float:
        """Mean tokens."""
        middles = ((low + high - 1) / 2 for low, high in pairwise(self.edges))
        return math.fsum(s * m for s, m in zip(self.shares, middles, strict=True)) / math.fsum(self.shares)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Conversations: a geometric number of turns, whose prompts hold all prompts and answers before them.

    `turns` is their mean, `think_s` the mean time from one turn's arrival to the next one's (exponential). `first` and
    `added` are the lengths of the first prompt, and of what each later one adds to the history; None: both alike, such
    that the prompts' mean is the workload's.
    """

    turns: float
    think_s: float
    first: Lengths | Histogram | None = None
    added: Lengths | Histogram | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.turns) and self.turns >= 1):
            raise ValueError(f"a conversation has at least one turn, not {self.turns:g}")
        if not (math.isfinite(self.think_s) and self.think_s > 0):
            raise ValueError(f"time between turns is above 0 s, not {self.think_s:g}")
        if (self.first is None) != (self.added is None):
            raise ValueError("give the lengths of first prompts and of what is added, or neither")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPrefix:
    """Text at the start of every prompt: one of `prefixes`, each `tokens` long; a shorter prompt is part of it."""

    prefixes: int
    tokens: int

    def __post_init__(self) -> None:
        if self.prefixes < 1 or self.tokens < 1:
            raise ValueError("there is at least one prefix, of at least one token")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficShape:
    """What is known of traffic beyond its steady figures. None: derived from those figures."""

    arrivals: Arrivals | None = None
    input_tokens: Histogram | None = None
    output_tokens: Histogram | None = None
    sessions: Sessions | None = None
    prefix: SharedPrefix | None = None
    tenant_weights: tuple[float, ...] = ()
    """shares of the tenants, in any proportion; empty: all alike"""

    def __post_init__(self) -> None:
        weights = self.tenant_weights
        if weights and not (all(math.isfinite(weight) and weight >= 0 for weight in weights) and any(weights)):
            raise ValueError("tenants' weights are zero or more, and some of them are more than zero")

    def without(self, changed: Collection[str]) -> TrafficShape:
        """The shape of a workload some of whose figures were replaced: the parts that said more of them are dropped."""
        changed = set(changed)
        sessions = self.sessions
        if changed & {"prefix_share", "prefixes"}:
            sessions = None
        elif sessions is not None and "input_tokens" in changed:
            sessions = replace(sessions, first=None, added=None)
        return TrafficShape(
            arrivals=None if changed & _OF_ARRIVALS else self.arrivals,
            input_tokens=None if "input_tokens" in changed else self.input_tokens,
            output_tokens=None if "output_tokens" in changed else self.output_tokens,
            sessions=sessions,
            prefix=None if changed & {"input_tokens", "prefix_share", "prefixes"} else self.prefix,
            tenant_weights=() if "tenants" in changed else self.tenant_weights,
        )


_OF_ARRIVALS = {"peak_to_mean", "cv_interarrival", "idle_share", "idle_bin_s", "hours_per_day"}
