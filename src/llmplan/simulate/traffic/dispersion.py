"""How unevenly traffic comes: the dispersion of counts by the length of the bins, in closed form and its inverse."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from llmplan.spec.traffic import Bursts, Pauses


@dataclass(frozen=True, slots=True, kw_only=True)
class Swing:
    """A rate that swings around its mean: its squared coefficient of variation, and how fast it forgets [1/s]."""

    variance: float
    decay_per_s: float

    @classmethod
    def of_pauses(cls, pauses: Pauses) -> Swing:
        """Of on and off."""
        return cls(variance=pauses.share / (1 - pauses.share), decay_per_s=1 / pauses.mean_s + 1 / pauses.active_s)

    @classmethod
    def of_bursts(cls, bursts: Bursts) -> Swing:
        """Of busy and quiet."""
        busy = bursts.busy_s / (bursts.busy_s + bursts.quiet_s)
        variance = busy * bursts.ratio**2 + (1 - busy) * bursts.quiet_ratio**2 - 1
        return cls(variance=max(0.0, variance), decay_per_s=1 / bursts.busy_s + 1 / bursts.quiet_s)


def dispersion(requests_per_s: float, bin_s: float, swings: tuple[Swing, ...]) -> float:
    """Variance over mean of the requests in a bin (index of dispersion for counts) [-].

    Parameters
    ----------
    requests_per_s : mean rate r [1/s]
    bin_s : length t of the bin [s]
    swings : independent factors of the rate with the variance v and the decay d each [-, 1/s]

    Equation: IDC(t) = 1 + 2 r / t x integral from 0 to t of (t - s) (product of (1 + v exp(-d s)) - 1) ds.

    Notes
    -----
    Valid for Poisson arrivals at a rate that is a product of independent two-state Markov processes.

    References
    ----------
    Fischer and Meier-Hellstern, The Markov-Modulated Poisson Process Cookbook, Performance Evaluation 18 (1993).

    >>> dispersion(2.0, 60.0, ())
    1.0
    >>> round(dispersion(1.0, 1e6, (Swing(variance=1.0, decay_per_s=0.1),)), 2)
    21.0
    """
    terms = [(1.0, 0.0)]
    for swing in swings:
        terms += [(v * swing.variance, d + swing.decay_per_s) for v, d in terms]
    return 1 + 2 * requests_per_s * sum(v * _shape(d, bin_s) for v, d in terms if d > 0)


def _shape(decay_per_s: float, bin_s: float) -> float:
    """Integral of (1 - s / t) exp(-d s) from 0 to t [s]."""
    x = decay_per_s * bin_s
    return (bin_s / 2 - decay_per_s * bin_s**2 / 6) if x < 1e-6 else (1 - (1 - math.exp(-x)) / x) / decay_per_s


def fitted_swing(requests_per_s: float, measured: Mapping[float, float], others: tuple[Swing, ...]) -> Swing | None:
    """The one further factor of the rate with which the dispersions measured at some lengths of bins come out best.

    Parameters
    ----------
    requests_per_s : mean rate [1/s]
    measured : index of dispersion by length of the bin [-, by s]
    others : factors that are known already

    None where the others leave nothing over. The fit is least squares of logarithms, over a grid of both parameters.
    """
    if not measured or all(found <= dispersion(requests_per_s, t, others) * 1.05 for t, found in measured.items()):
        return None

    def error(swing: Swing) -> float:
        made = ((dispersion(requests_per_s, t, (*others, swing)), found) for t, found in measured.items())
        return sum(math.log(a / max(b, 1.0)) ** 2 for a, b in made)

    longest = max(measured)
    decays = [10 ** (step / 10) / longest for step in range(-10, 31)]
    variances = [10 ** (step / 20) for step in range(-60, 31)]
    return min((Swing(variance=v, decay_per_s=d) for v in variances for d in decays), key=error)


def bursts_of(swing: Swing, ratio: float) -> Bursts:
    """Two states with a swing's variance and decay, and the rate while busy over the mean (at least 1 + variance)."""
    ratio = max(ratio, 1 + swing.variance)
    busy = swing.variance / ((ratio - 1) ** 2 + swing.variance)
    return Bursts(ratio=ratio, busy_s=1 / (swing.decay_per_s * (1 - busy)), quiet_s=1 / (swing.decay_per_s * busy))
