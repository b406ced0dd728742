"""What became of each request: times of arrival, of its slot, of first and last token, in columns."""

from __future__ import annotations

from array import array

import numpy as np

from llmplan.spec.requests import Floats, Integers, Requests

NEVER = -1.0
"""in the columns of times: it has not happened"""


class RequestLog:
    """Columns by request, in order of arrival [s, tokens]. A time that never came is `NEVER`.

    Prompt tokens are `cached` or `computed` as they are admitted: again where a request was preempted.
    """

    __slots__ = (
        "arrival_s", "cached_tokens", "computed_tokens", "done_s", "first_s", "input_tokens", "output_tokens",
        "preemptions", "refused", "slot_s", "tenant",
    )  # fmt: skip

    def __init__(self) -> None:
        self.arrival_s, self.slot_s = array("d"), array("d")
        self.first_s, self.done_s = array("d"), array("d")
        self.input_tokens, self.output_tokens, self.tenant = array("l"), array("l"), array("l")
        self.preemptions = 0
        self.refused = 0
        self.cached_tokens = 0
        self.computed_tokens = 0

    def __len__(self) -> int:
        return len(self.arrival_s)

    def extend(self, requests: Requests) -> int:
        """Make room for a run of requests; the index of its first one."""
        start, count = len(self.arrival_s), len(requests)
        self.arrival_s.extend(requests.arrival_s.tolist())
        for times in (self.slot_s, self.first_s, self.done_s):
            times.extend([NEVER] * count)
        self.input_tokens.extend(requests.input_tokens.tolist())
        self.output_tokens.extend(requests.output_tokens.tolist())
        self.tenant.extend([0] * count if requests.tenant is None else requests.tenant.tolist())
        return start

    def add(self, arrival_s: float, input_tokens: int, output_tokens: int, tenant: int = 0) -> int:
        """Make room for one request; its index."""
        self.arrival_s.append(arrival_s)
        for times in (self.slot_s, self.first_s, self.done_s):
            times.append(NEVER)
        self.input_tokens.append(input_tokens)
        self.output_tokens.append(output_tokens)
        self.tenant.append(tenant)
        return len(self.arrival_s) - 1

    def column(self, name: str) -> Floats | Integers:
        """A column as numpy sees it: a copy, which later requests leave as it is."""
        values: array[float] | array[int] = getattr(self, name)
        return np.array(values)
