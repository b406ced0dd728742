"""Which replica gets a request."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

from llmplan.simulate.engine import Job
from llmplan.simulate.fleet.instance import Instance

RouterId: TypeAlias = Literal["round-robin", "least-loaded", "prefix-affine", "packed"]
ROUTER_IDS: tuple[RouterId, ...] = ("round-robin", "least-loaded", "prefix-affine", "packed")

MOST_OVER_MEAN = 1.25
"""Load over the mean from which a replica is passed over: V. Mirrokni, M. Thorup, M. Zadimoghaddam, Consistent Hashing
with Bounded Loads (2016), as HAProxy's `hash-balance-factor` suggests it (125 to 200)."""
_WORD = (1 << 64) - 1


class Router(Protocol):
    """Chooses among replicas, of which there is at least one."""

    def pick(self, replicas: Sequence[Instance], job: Job, tenant: int, now_s: float) -> Instance:
        """The replica for a request."""

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

    def forget(self) -> None:
        """Go on from the same place."""


class LeastLoaded:
    """Fewest requests in flight; of equals, the one that was launched first."""

    __slots__ = ()

    def pick(self, replicas: Sequence[Instance], job: Job, tenant: int, now_s: float) -> Instance:
        """The one with the fewest."""
        del job, tenant
        return least_loaded(replicas, now_s)

    def forget(self) -> None:
        """Nothing is remembered."""


class PrefixAffine:
    """Requests that begin alike go to the same replica: by the first block of their prefix, else by tenant. A replica
    with more than `most_over_mean` times the mean load is passed over for the least loaded one."""

    __slots__ = ("_homes", "most_over_mean")

    def __init__(self, most_over_mean: float = MOST_OVER_MEAN) -> None:
        self.most_over_mean = most_over_mean
        self._homes: dict[tuple[int, int], int] = {}

    def pick(self, replicas: Sequence[Instance], job: Job, tenant: int, now_s: float) -> Instance:
        """The home of its beginning, unless that has too much to do."""
        key = (1, job.prefix[0]) if job.prefix else (0, tenant)
        place = self._homes.get(key)
        if place is None or place >= len(replicas):
            place = self._homes[key] = _home(key, replicas)
        home = replicas[place]
        total = sum(replica.held(now_s) for replica in replicas) + 1
        if home.held(now_s) + 1 > math.ceil(self.most_over_mean * total / len(replicas)):
            return least_loaded(replicas, now_s)
        return home

    def forget(self) -> None:
        """Where the replicas are others, so are the homes of the keys that lived on those that are gone."""
        self._homes.clear()


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


def least_loaded(replicas: Sequence[Instance], now_s: float) -> Instance:
    """Fewest requests in flight; of equals, the first."""
    best, fewest = replicas[0], replicas[0].held(now_s)
    for replica in replicas[1:]:
        held = replica.held(now_s)
        if held < fewest:
            best, fewest = replica, held
    return best


def _home(key: tuple[int, int], replicas: Sequence[Instance]) -> int:
    """Rendezvous hashing: when a replica goes, only its own keys move (D. Thaler, C. Ravishankar, 1998)."""
    seed = _mixed(_mixed(key[1] & _WORD) + key[0])
    return max(range(len(replicas)), key=lambda place: _mixed(seed ^ _mixed(replicas[place].id + 1)))


def _mixed(value: int) -> int:
    """SplitMix64's finalizer (G. Steele, D. Lea, C. Flood, 2014): the same on every machine."""
    value = (value + 0x9E3779B97F4A7C15) & _WORD
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _WORD
    return value ^ (value >> 31)
