"""Traffic in figures, in one pass: memory does not grow with the number of requests."""

from __future__ import annotations

import math

import numpy as np

from llmplan.errors import DataError
from llmplan.simulate.traffic.counts import BinCounts, Hours
from llmplan.simulate.traffic.lengths import LengthCounts
from llmplan.simulate.traffic.prefix_hits import PrefixHits
from llmplan.spec.requests import Floats, Integers, Requests, Traffic
from llmplan.spec.traffic_statistics import TenantStatistics, TrafficStatistics
from llmplan.units import SECONDS_PER_HOUR, SECONDS_PER_MINUTE

BINS_S = (1.0, 10.0, SECONDS_PER_MINUTE, 600.0, SECONDS_PER_HOUR)
"""lengths of bins in which requests are counted"""


class Statistics:
    """Takes runs of requests in order and says what they look like together."""

    def __init__(self) -> None:
        self._requests = self._longest = 0
        self._first_s = self._last_s = 0.0
        self._squared_gaps = 0.0
        self._equal_stamps = 0
        self._bins = [BinCounts(bin_s) for bin_s in BINS_S]
        self._hours = Hours(SECONDS_PER_HOUR)
        self._inputs, self._outputs = LengthCounts(), LengthCounts()
        self._prefixes = PrefixHits()
        self._tenant_requests: Integers = np.zeros(0, dtype=np.int64)
        self._tenant_tokens: Integers = np.zeros(0, dtype=np.int64)

    def add(self, run: Requests) -> None:
        """The next requests."""
        if not len(run):
            return
        self._arrivals(run.arrival_s)
        self._inputs.add(run.input_tokens)
        self._outputs.add(run.output_tokens)
        tokens = run.input_tokens + run.output_tokens
        self._longest = max(self._longest, int(tokens.max()))
        if run.prefixes is not None:
            self._prefixes.add(run.prefixes, run.input_tokens)
        if run.tenant is not None:
            self._tenants(run.tenant, tokens)

    def _arrivals(self, arrival_s: Floats) -> None:
        if self._requests == 0:
            self._first_s = self._last_s = float(arrival_s[0])
        gaps = np.diff(arrival_s, prepend=self._last_s)
        self._squared_gaps += float((gaps**2).sum())
        self._equal_stamps += int((gaps == 0).sum()) - (self._requests == 0)
        for counts in self._bins:
            counts.add(arrival_s)
        self._hours.add(arrival_s)
        self._requests += len(arrival_s)
        self._last_s = float(arrival_s[-1])

    def _tenants(self, tenant: Integers, tokens: Integers) -> None:
        size = max(len(self._tenant_requests), int(tenant.max()) + 1)
        requests = np.bincount(tenant, minlength=size)
        requests[: len(self._tenant_requests)] += self._tenant_requests
        spent = np.zeros(size, dtype=np.int64)
        np.add.at(spent, tenant, tokens)
        spent[: len(self._tenant_tokens)] += self._tenant_tokens
        self._tenant_requests, self._tenant_tokens = requests, spent

    def finish(self) -> TrafficStatistics:
        """The figures of all that was added."""
        if not self._requests:
            raise DataError("no request came: there is nothing to describe")
        duration_s, gaps = self._last_s, self._requests - 1
        found = ((counts, counts.finish(duration_s)) for counts in self._bins)
        return TrafficStatistics(
            requests=self._requests,
            duration_s=duration_s,
            requests_per_s=self._requests / duration_s if duration_s > 0 else math.inf,
            gap_cv=self._gap_cv(self._last_s - self._first_s, gaps),
            bins={each.bin_s: each for _, each in found if each is not None},
            input_tokens=self._inputs.finish(),
            output_tokens=self._outputs.finish(),
            longest_request_tokens=self._longest,
            equal_stamp_share=self._equal_stamps / self._requests,
            prefixes=self._prefixes.finish(),
            tenants=self._tenant_shares(),
            hourly_requests=self._hours.finish(duration_s),
        )

    def _gap_cv(self, between_s: float, gaps: int) -> float | None:
        if gaps < 2 or between_s <= 0:
            return None
        mean = between_s / gaps
        return math.sqrt(max(0.0, self._squared_gaps / gaps / mean**2 - 1))

    def _tenant_shares(self) -> tuple[TenantStatistics, ...]:
        """The largest first."""
        order = np.argsort(-self._tenant_requests, kind="stable").tolist()
        return tuple(
            TenantStatistics(
                tenant=number,
                request_share=float(self._tenant_requests[number] / self._requests),
                token_share=float(self._tenant_tokens[number] / self._tenant_tokens.sum()),
            )
            for number in order
        )


def describe(traffic: Traffic) -> TrafficStatistics:
    """The figures of whole traffic."""
    statistics = Statistics()
    for run in traffic:
        statistics.add(run)
    return statistics.finish()
