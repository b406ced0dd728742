"""What befalls replicas: failures, spot preemptions, restarts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """When replicas go, and whether they are told.

    `mtbf_s`: mean time of a replica between being ready and failing, exponential [s]; None: never. `at`: failures that
    are known, as (time [s], place among the replicas that are ready then). `notice_s`: a replica that will go is told
    so much earlier, as spot machines are (two minutes on AWS, 30 s on Google Cloud and Azure): it takes no more
    requests, and finishes what it can; 0: it just fails. `restarts_s`: times at which all replicas are restarted, one
    after the other.
    """

    mtbf_s: float | None = None
    at: tuple[tuple[float, int], ...] = ()
    notice_s: float = 0.0
    restarts_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.mtbf_s is not None and not self.mtbf_s > 0:
            raise ValueError(f"a mean time between failures is above 0 s, not {self.mtbf_s}")
        if not 0 <= self.notice_s < math.inf:
            raise ValueError(f"a notice is 0 s or more, not {self.notice_s}")

    def lifetime_s(self, seed: int, instance: int) -> float | None:
        """How long a replica will live once it is ready: the same for a seed, whatever else happens."""
        if self.mtbf_s is None:
            return None
        return float(np.random.default_rng((seed, instance)).exponential(self.mtbf_s))
