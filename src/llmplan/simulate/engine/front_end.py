"""What happens to a request before the scheduler sees it: parsing and tokenizing, in one process for all that come."""

from __future__ import annotations

import math
from collections import deque

from llmplan.simulate.engine.fair_queue import FairQueue
from llmplan.simulate.engine.job import Job


class FrontEnd:
    """Serves requests in rounds: all that have come by the start of one are passed on at its end.

    A round of k requests takes k / `servers` times `each_s`, so that one request alone waits `each_s`, and a thousand
    at once wait for all of them: an event loop parses every body before it hands on the first prompt, and prompts are
    tokenized in a single thread. Reference: vLLM issue 25301 (`ThreadPoolExecutor(max_workers=1)`).
    """

    __slots__ = ("_busy_until_s", "_come", "_served", "each_s", "next_s", "servers")

    def __init__(self, each_s: float, servers: int) -> None:
        self.each_s, self.servers = each_s, servers
        self.next_s = math.inf
        """when the next request may be passed on [s]; none is before"""
        self._busy_until_s = -math.inf
        self._come: deque[Job] = deque()
        self._served: deque[Job] = deque()

    def __len__(self) -> int:
        return len(self._come) + len(self._served)

    def add(self, job: Job, at_s: float) -> None:
        """A request comes, not before any other did."""
        job.ready_s = at_s
        if not self._come and not self._served:
            self.next_s = max(self._busy_until_s, at_s) + self.each_s
        self._come.append(job)

    def pass_on(self, now_s: float, waiting: deque[Job] | FairQueue) -> None:
        """Whatever is through by now goes to the scheduler's queue."""
        come, served = self._come, self._served
        while True:
            while served and served[0].ready_s <= now_s:
                waiting.append(served.popleft())
            if served:
                self.next_s = served[0].ready_s
                return
            if not come:
                self.next_s = math.inf
                return
            start_s = max(self._busy_until_s, come[0].ready_s)
            if start_s > now_s:
                self.next_s = start_s + self.each_s
                return
            served.append(come.popleft())
            while come and come[0].ready_s <= start_s:
                served.append(come.popleft())
            self._busy_until_s = end_s = start_s + -(-len(served) // self.servers) * self.each_s
            for job in served:
                job.ready_s = end_s

    def take(self) -> list[Job]:
        """All that are here, in order: they go elsewhere."""
        taken = [*self._served, *self._come]
        self._served.clear()
        self._come.clear()
        self._busy_until_s, self.next_s = -math.inf, math.inf
        return taken
