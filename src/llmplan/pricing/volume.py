"""Tokens of a month."""

from __future__ import annotations

from dataclasses import dataclass

from llmplan.spec.workload import Workload
from llmplan.units import SECONDS_PER_MONTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """Tokens and requests per month; None where the traffic states no rate (a closed loop of users)."""

    input_tokens: float | None
    output_tokens: float | None
    requests: float | None = None


def monthly_volume(workload: Workload) -> Volume:
    """Tokens that go in and come out in a month of 730 hours.

    Parameters
    ----------
    workload : traffic; its rate is the mean over all time [1/s], its lengths are means [tokens]

    Notes
    -----
    tokens = requests_per_s x 2,628,000 s x mean length. Percentiles and peaks do not matter to what is billed.

    References
    ----------
    A month is 365 x 24 / 12 = 730 hours, as in every price here.

    >>> from llmplan.spec.workload import Lengths
    >>> traffic = Workload(requests_per_s=1.0, input_tokens=Lengths.fixed(1000), output_tokens=Lengths.fixed(100))
    >>> monthly_volume(traffic)
    Volume(input_tokens=2628000000.0, output_tokens=262800000.0, requests=2628000.0)
    """
    if workload.requests_per_s is None:
        return Volume(input_tokens=None, output_tokens=None)
    requests = workload.requests_per_s * SECONDS_PER_MONTH
    return Volume(
        input_tokens=requests * workload.input_tokens.mean,
        output_tokens=requests * workload.output_tokens.mean,
        requests=requests,
    )
