"""Runs of requests as lists, which a loop reads faster than arrays, and one by one for users in a closed loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from llmplan.simulate.engine import Job
from llmplan.spec.request_runs import part
from llmplan.spec.requests import Prefixes, Requests

PIECE_ROWS = 4096
"""requests between two reports of progress"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """A closed loop: so many users, each of whom sends a request when the last one is answered and some time has gone
    by [s]. Arrival times of the traffic count for nothing then."""

    count: int
    think_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Rows:
    """Columns of a run whose first request has the index `first`."""

    first: int
    arrival_s: list[float]
    input_tokens: list[int]
    output_tokens: list[int]
    tenants: list[int] | None
    prefixes: Prefixes | None

    @classmethod
    def of(cls, requests: Requests, first: int) -> Rows:
        """The same as lists."""
        tenants = None if requests.tenant is None else requests.tenant.tolist()
        columns = (requests.arrival_s.tolist(), requests.input_tokens.tolist(), requests.output_tokens.tolist())
        return cls(first, *columns, tenants, requests.prefixes)

    def __len__(self) -> int:
        return len(self.arrival_s)

    def job(self, at: int) -> Job:
        """One request on its way."""
        prefix = self.prefixes.of(at) if self.prefixes is not None else ()
        return Job(self.first + at, self.arrival_s[at], self.input_tokens[at], self.output_tokens[at], prefix)


@dataclass(frozen=True, slots=True)
class Row:
    """A request without a time."""

    input_tokens: int
    output_tokens: int
    tenant: int
    prefix: tuple[int, ...]


def pieces(requests: Requests, most: int = PIECE_ROWS) -> Iterator[Requests]:
    """A run in runs of at most so many."""
    if len(requests) <= most:
        yield requests
        return
    for begin in range(0, len(requests), most):
        yield part(requests, begin, begin + most)


def each_row(traffic: Iterable[Requests], begin: Callable[[Requests], None]) -> Iterator[Row]:
    """One request after the other; `begin` sees each run before its requests."""
    for requests in traffic:
        begin(requests)
        for piece in pieces(requests):
            rows = Rows.of(piece, 0)
            for at in range(len(rows)):
                tenant = rows.tenants[at] if rows.tenants is not None else 0
                prefix = rows.prefixes.of(at) if rows.prefixes is not None else ()
                yield Row(rows.input_tokens[at], rows.output_tokens[at], tenant, prefix)
