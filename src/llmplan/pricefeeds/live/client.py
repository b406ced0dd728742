"""Asking a source politely: again after a pause where that may help, never for ever, never for more than allowed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from llmplan import __version__
from llmplan.pricefeeds.live.body import Body
from llmplan.pricefeeds.live.limits import AgainError, FeedError, Limits
from llmplan.pricefeeds.live.transport import opened
from llmplan.web import Watch

T = TypeVar("T")
AGENT = f"llmplan/{__version__} (prices update)"


class Client:
    """Fetches within limits. `sleep` is a parameter so that tests need not wait."""

    def __init__(self, limits: Limits | None = None, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.limits = limits or Limits()
        self.bytes_read = 0
        self._sleep = sleep

    def json(self, url: str) -> Any:
        """The JSON at an address."""
        return self.fetch(url, Body.json)

    def whole(self, url: str, limit_bytes: int | None = None) -> bytes:
        """The bytes at an address."""
        return self.fetch(url, lambda body: body.whole(limit_bytes))

    def fetch(self, url: str, consume: Callable[[Body], T]) -> T:
        """What `consume` makes of the answer. Where the answer breaks off, it is called again with a new one."""
        for attempt in range(self.limits.tries):
            try:
                return self._once(url, consume)
            except AgainError as again:
                if attempt + 1 == self.limits.tries:
                    raise FeedError(f"{again.message} ({self.limits.tries} tries)") from None
                self._sleep(self._pause_s(again, attempt))
        raise AssertionError("a source is asked at least once")

    def _once(self, url: str, consume: Callable[[Body], T]) -> T:
        with Watch(self.limits.total_s) as watch, opened(url, self.limits, AGENT, watch) as response:
            return consume(Body(url=url, response=response, limits=self.limits, watch=watch, count=self._count))

    def _pause_s(self, again: AgainError, attempt: int) -> float:
        """Twice as long each time, or as long as the server says."""
        wait_s = self.limits.backoff_s * 2**attempt if again.after_s is None else again.after_s
        if wait_s > self.limits.longest_wait_s:
            raise FeedError(f"{again.message}: asks to wait {wait_s:g} s; try again later") from None
        return wait_s

    def _count(self, read: int) -> None:
        self.bytes_read += read
        if self.bytes_read > self.limits.run_bytes:
            raise FeedError(f"more than {self.limits.run_bytes:,} bytes in one run")
