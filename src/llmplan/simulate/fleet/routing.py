"""Which replica gets a request."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from heapq import heapify, heapreplace
from typing import Literal, Protocol, TypeAlias

from llmplan.simulate.engine import Job
from llmplan.simulate.fleet.instance import Instance

RouterId: TypeAlias = Literal["round-robin", "least-loaded", "prefix-affine", "packed"]
ROUTER_IDS: tuple[RouterId, ...] = ("round-robin", "least-loaded", "prefix-affine", "packed")

LEAST_MATCH = 0.3
MOST_APART = 64
MOST_OVER = 1.5
"""The defaults of the cache-aware policy of SGLang's model gateway (`--cache-threshold`, `--balance-abs-threshold`,
`--balance-rel-threshold`; its "Load Balancing" page, 2026)."""
MOST_REMEMBERED = 1 << 20
"""ends of prefixes of which a router knows the replica"""
_WORD = (1 << 64) - 1


class Router(Protocol):
    """Chooses among replicas, of which there is at least one."""

    def pick(self, replicas: Sequence[Instance], job: Job, tenant: int, now_s: float) -> Instance:
        """The replica for a request."""

    def places(self, replicas: Sequence[Instance], now_s: float, slots: int | None) -> Iterator[Instance] | None:
        """The same for many requests at once, while replicas have room; None where it depends on the request."""

    def forget(self) -> None:
        """The replicas are others now."""


class RoundRobin:
    """One after the other, whatever they have to do."""

    __slots__ = ("turn",)

    def __init__(self) -> None:
        self.turn = 0

    def pick(self, replicas: Sequence[Instance], job: Job, tenant: int, now_s: float) -> Instance:
        """The next one."""
        del job, tenant, now_s
        chosen = replicas[self.turn % len(replicas)]
        self.turn = (self.turn + 1) % len(replicas)
        return chosen

    def places(self, replicas: Sequence[Instance], now_s: float, slots: int | None) -> None:
        """One by one."""

    def forget(self) -> None:
        """Go on from the same place."""


class LeastLoaded:
    """Fewest requests in flight; of equals, the one that has been ready for longest."""

    __slots__ = ()

    def pick(self, replicas: Sequence[Instance], job: Job, tenant: int, now_s: float) -> Instance:
        """The one with the fewest."""
        del job, tenant
        return least_loaded(replicas, now_s)

    def places(self, replicas: Sequence[Instance], now_s: float, slots: int | None) -> Iterator[Instance]:
        """Always the one with the fewest."""
        return evened([replica.held(now_s) for replica in replicas], replicas, slots)

    def forget(self) -> None:
        """Nothing is remembered."""


class PrefixAffine:
    """Requests go where most of their beginning was computed last: to the replica that had a request whose prefix ended
    with a block of theirs (or with the one before: the last may be cut short), if that is at least `least_match` of
    their prefix. Others, new conversations under a prompt that all share, go to the least loaded one, of equals to who
    got fewest of them; without prefixes, equal tenants have the same home. While the fullest replica has `most_apart`
    requests more than the emptiest and `most_over` times as many, all go to the least loaded.
    """

    __slots__ = ("_given", "_homes", "_last", "least_match", "most_apart", "most_over")

    def __init__(
        self, least_match: float = LEAST_MATCH, most_apart: int = MOST_APART, most_over: float = MOST_OVER
    ) -> None:
        self.least_match, self.most_apart, self.most_over = least_match, most_apart, most_over
        self._last: dict[int, Instance] = {}
        self._homes: dict[int, Instance] = {}
        self._given: dict[int, int] = {}

    def pick(self, replicas: Sequence[Instance], job: Job, tenant: int, now_s: float) -> Instance:
        """The home of its beginning, unless that has too much to do."""
        home = self._home(replicas, job, tenant)
        if home is None or self._is_uneven([replica.held(now_s) for replica in replicas]):
            home = min(replicas, key=lambda replica: (replica.held(now_s), self._given.get(replica.id, 0)))
            self._given[home.id] = self._given.get(home.id, 0) + 1
        for block in job.prefix[-2:]:
            self._remember(block, home)
        return home

    def places(self, replicas: Sequence[Instance], now_s: float, slots: int | None) -> None:
        """One by one."""

    def forget(self) -> None:
        """Where the replicas are others, so are the homes of the tenants who lived on those that are gone."""
        self._homes.clear()

    def _home(self, replicas: Sequence[Instance], job: Job, tenant: int) -> Instance | None:
        if not job.prefix:
            if tenant not in self._homes:
                self._homes[tenant] = _hashed(tenant, replicas)
            home = self._homes[tenant]
            return home if home in replicas else None
        last, least = self._last, max(1, math.ceil(self.least_match * len(job.prefix)))
        for block in reversed(job.prefix[least - 1 :]):
            known = last.get(block)
            if known is not None and known in replicas:
                return known
        return None

    def _is_uneven(self, held: Sequence[int]) -> bool:
        return max(held) - min(held) > self.most_apart and max(held) > self.most_over * min(held)

    def _remember(self, block: int, home: Instance) -> None:
        last = self._last
        last.pop(block, None)
        if len(last) >= MOST_REMEMBERED:
            del last[next(iter(last))]
        last[block] = home


class Packed:
    """The fullest replica with fewer than `up_to` requests, so that others run empty and may go; where all have as
    many, the least loaded."""

    __slots__ = ("up_to",)

    def __init__(self, up_to: int) -> None:
        self.up_to = up_to

    def pick(self, replicas: Sequence[Instance], job: Job, tenant: int, now_s: float) -> Instance:
        """The one with most requests that has room within the target."""
        del job, tenant
        best, most = None, -1
        for replica in replicas:
            held = replica.held(now_s)
            if most < held < self.up_to:
                best, most = replica, held
        return best if best is not None else least_loaded(replicas, now_s)

    def places(self, replicas: Sequence[Instance], now_s: float, slots: int | None) -> Iterator[Instance]:
        """First the fullest up to the target, one after the other, then always the one with the fewest."""
        held = [replica.held(now_s) for replica in replicas]
        full = self.up_to if slots is None else min(self.up_to, slots)
        for place in sorted(range(len(replicas)), key=lambda place: -held[place]):
            while held[place] < full:
                held[place] += 1
                yield replicas[place]
        yield from evened(held, replicas, slots)

    def forget(self) -> None:
        """Nothing is remembered."""


def make_router(router: RouterId, up_to: int = 1) -> Router:
    """A router by its name; `up_to`: requests in flight up to which a replica is packed."""
    match router:
        case "round-robin":
            return RoundRobin()
        case "least-loaded":
            return LeastLoaded()
        case "prefix-affine":
            return PrefixAffine()
        case "packed":
            return Packed(up_to)


def evened(held: Sequence[int], replicas: Sequence[Instance], slots: int | None) -> Iterator[Instance]:
    """Always the replica with the fewest requests, of equals the first, while it has room for more than it holds."""
    order = [(count, place) for place, count in enumerate(held)]
    heapify(order)
    while order and (slots is None or order[0][0] < slots):
        count, place = order[0]
        heapreplace(order, (count + 1, place))
        yield replicas[place]


def least_loaded(replicas: Sequence[Instance], now_s: float) -> Instance:
    """Fewest requests in flight; of equals, the first."""
    best, fewest = replicas[0], replicas[0].held(now_s)
    for replica in replicas[1:]:
        held = replica.held(now_s)
        if held < fewest:
            best, fewest = replica, held
    return best


def _hashed(tenant: int, replicas: Sequence[Instance]) -> Instance:
    """Rendezvous hashing: when a replica goes, only its own tenants move (D. Thaler, C. Ravishankar, 1998)."""
    seed = _mixed(tenant & _WORD)
    return max(replicas, key=lambda replica: _mixed(seed ^ _mixed(replica.id + 1)))


def _mixed(value: int) -> int:
    """SplitMix64's finalizer (G. Steele, D. Lea, C. Flood, 2014): the same on every machine."""
    value = (value + 0x9E3779B97F4A7C15) & _WORD
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _WORD
    return value ^ (value >> 31)
