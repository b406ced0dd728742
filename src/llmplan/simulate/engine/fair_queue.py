"""A queue in which tenants take turns by what they were served: a burst of one does not delay the rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from llmplan.simulate.engine.job import Job

OUTPUT_WEIGHT = 2.0
"""an answer's token over a prompt's, as in the paper's evaluation"""


class FairQueue:
    """First come first served within a tenant; among tenants, whoever has been served least comes first.

    A tenant's counter grows by prompt + 2 x answer tokens when a request leaves the queue for the first time. One that
    comes back after a silence starts no lower than the least of those who wait, so that silence saves up nothing.
    Y. Sheng et al., Fairness in Serving Large Language Models (OSDI 2024): virtual token counter, here with the
    answer's length known beforehand.
    """

    __slots__ = ("_lines", "_served", "_size", "_tenant_of")

    def __init__(self, tenant_of: Callable[[Job], int]) -> None:
        self._tenant_of = tenant_of
        self._lines: dict[int, deque[Job]] = {}
        self._served: dict[int, float] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Job]:
        """Everybody, in the order of arrival."""
        jobs = [job for line in self._lines.values() for job in line]
        return iter(sorted(jobs, key=lambda job: (job.arrival_s, job.index)))

    def __getitem__(self, place: int) -> Job:
        """The next one; only place 0 can be known."""
        if place != 0 or not self._size:
            raise IndexError(place)
        return self._lines[self._next()][0]

    def append(self, job: Job) -> None:
        """At the end of its tenant's line."""
        self._line(job).append(job)
        self._size += 1

    def appendleft(self, job: Job) -> None:
        """Back to the front of its tenant's line."""
        self._line(job).appendleft(job)
        self._size += 1

    def popleft(self) -> Job:
        """The next one leaves."""
        tenant = self._next()
        line = self._lines[tenant]
        job = line.popleft()
        if not line:
            del self._lines[tenant]
        self._size -= 1
        if not job.order:
            self._served[tenant] += job.prompt + OUTPUT_WEIGHT * job.output
        return job

    def clear(self) -> None:
        """Nobody waits."""
        self._lines.clear()
        self._size = 0

    def _next(self) -> int:
        return min(self._lines, key=lambda tenant: (self._served[tenant], tenant))

    def _line(self, job: Job) -> deque[Job]:
        tenant = self._tenant_of(job)
        line = self._lines.get(tenant)
        if line is None:
            least = min((self._served[each] for each in self._lines), default=0.0)
            self._served[tenant] = max(self._served.get(tenant, 0.0), least)
            line = self._lines[tenant] = deque()
        return line
