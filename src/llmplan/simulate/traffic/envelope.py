"""The rate of requests through time over its mean: profiles, bursts and pauses multiplied, constant in pieces."""

from __future__ import annotations

import numpy as np

from llmplan.spec.requests import Floats
from llmplan.spec.traffic import Arrivals, RateSeries

_STAYS = 512
"""pairs of stays drawn at a time, so that what is drawn does not depend on who asks for how much"""


class Stays:
    """A process with two states, 0 and 1, that take turns from `start_s` on; `share` is that of state 1."""

    def __init__(
        self,
        rng: np.random.Generator,
        *,
        start_s: float,
        share: float,
        means_s: tuple[float, float],
        grid_s: float = 0.0,
    ) -> None:
        self._rng = rng
        self._means_s = means_s
        self._grid_s = grid_s
        self._state = int(rng.random() < share)
        origin = np.floor(start_s / grid_s) * grid_s if grid_s else start_s
        self._changes = np.array([origin])

    def changes(self, begin_s: float, end_s: float) -> Floats:
        """The times in (begin, end) at which the state changes; earlier ones than `begin` are then forgotten."""
        while self._changes[-1] < end_s:
            self._extend()
        first = int(np.searchsorted(self._changes, begin_s, side="right"))
        if first > 1:
            self._state = (self._state + first - 1) % 2
            self._changes = self._changes[first - 1 :]
            first = 1
        return self._changes[first : np.searchsorted(self._changes, end_s)]

    def states(self, times_s: Floats) -> Floats:
        """The state, 0 or 1, at times that `changes` has reached."""
        passed = np.searchsorted(self._changes, times_s, side="right") - 1
        return ((self._state + passed) % 2).astype(float)

    def _extend(self) -> None:
        """Two states' stays at a time, in the order in which they come."""
        parity = (self._state + len(self._changes) - 1) % 2
        order = (parity, 1 - parity)
        means = np.tile([self._means_s[state] for state in order], _STAYS)
        if self._grid_s:
            stays = self._rng.geometric(np.minimum(1.0, self._grid_s / means)) * self._grid_s
        else:
            stays = self._rng.standard_exponential(2 * _STAYS) * means
        self._changes = np.concatenate([self._changes, self._changes[-1] + np.cumsum(stays)])


class Envelope:
    """The rate over its long-run mean, from `start_s` on, asked for in windows that follow each other."""

    def __init__(self, arrivals: Arrivals, start_s: float, bursts: np.random.Generator, pauses: np.random.Generator):
        self._arrivals = arrivals
        self._bursts = self._pauses = None
        if arrivals.bursts is not None:
            two = arrivals.bursts
            share = two.busy_s / (two.busy_s + two.quiet_s)
            self._bursts = Stays(bursts, start_s=start_s, share=share, means_s=(two.quiet_s, two.busy_s))
        if arrivals.pauses is not None:
            off = arrivals.pauses
            self._pauses = Stays(
                pauses, start_s=start_s, share=off.share, means_s=(off.active_s, off.mean_s), grid_s=off.grid_s
            )

    @property
    def changes_per_s(self) -> float:
        """About how often the rate changes."""
        found = [1 / self._arrivals.profiles[0].bin_s] if self._arrivals.profiles else []
        if (two := self._arrivals.bursts) is not None:
            found.append(2 / (two.busy_s + two.quiet_s))
        if (off := self._arrivals.pauses) is not None:
            found.append(2 / (off.mean_s + off.active_s))
        return sum(found)

    def pieces(self, begin_s: float, end_s: float) -> tuple[Floats, Floats]:
        """Edges of the pieces of a window, and the rate over its mean in each."""
        inner = [grid_between(self._arrivals.profiles[0].bin_s, begin_s, end_s)] if self._arrivals.profiles else []
        inner += [stays.changes(begin_s, end_s) for stays in (self._bursts, self._pauses) if stays is not None]
        edges = np.concatenate([[begin_s], np.unique(np.concatenate(inner)) if inner else [], [end_s]])
        middles = (edges[:-1] + edges[1:]) / 2
        rates = np.ones(len(middles))
        for profile in self._arrivals.profiles:
            rates *= at(profile, middles)
        if self._bursts is not None and (two := self._arrivals.bursts) is not None:
            rates *= np.where(self._bursts.states(middles) > 0, two.ratio, two.quiet_ratio)
        if self._pauses is not None and (off := self._arrivals.pauses) is not None:
            rates *= (1 - self._pauses.states(middles)) / (1 - off.share)
        return edges, rates


def grid_between(step_s: float, begin_s: float, end_s: float) -> Floats:
    """Multiples of a step strictly inside an interval."""
    points: Floats = np.arange(np.floor(begin_s / step_s) + 1, np.ceil(end_s / step_s)) * step_s
    return points


def at(profile: RateSeries, times_s: Floats) -> Floats:
    """A profile's rate over its mean at given times; it repeats in both directions."""
    rates = np.array(profile.rates) / profile.mean
    bins = np.floor(times_s / profile.bin_s).astype(np.int64) % len(rates)
    found: Floats = rates[bins]
    return found
