"""All sources that were asked for, one after the other; what goes wrong with one costs only that one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from llmplan.errors import DataError, UnknownIdError
from llmplan.pricefeeds.live import aws, azure, genai_prices, gpuhunt
from llmplan.pricefeeds.live.client import Client
from llmplan.pricefeeds.live.endpoint import Endpoint, endpoint
from llmplan.pricefeeds.live.feed import Asked, Document, Fetched, Source

SOURCES: Final[tuple[Source, ...]] = (azure.SOURCE, aws.SOURCE, gpuhunt.SOURCE, genai_prices.SOURCE)
"""In the order in which they are asked: a seller's own list goes before somebody's copy of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one source. `error` is why there is nothing at all; `failures` name the parts that are missing."""

    source: Source
    url: str
    documents: Mapping[str, Document] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    error: str = ""
    bytes_read: int = 0

    @property
    def failed(self) -> bool:
        """Whether anything that was asked for is missing."""
        return bool(self.error or self.failures)


def source_of(name: str) -> Source:
    """A source by its name."""
    for source in SOURCES:
        if source.id == name.strip().casefold():
            return source
    raise UnknownIdError("source", name, [source.id for source in SOURCES], listing="llmplan prices update --help")


def collect(
    sources: Iterable[Source],
    known: Mapping[str, Document],
    *,
    client: Client,
    mirrors: Mapping[str, Endpoint],
    regions: frozenset[str],
    today: date,
    environ: Mapping[str, str],
    say: Callable[[str], Any],
) -> list[Outcome]:
    """Ask each source. A seller that an earlier one priced is not taken from a later one: a copy is never newer."""
    outcomes: list[Outcome] = []
    for source in sorted(sources, key=SOURCES.index):
        where = mirrors.get(source.id) or endpoint(source.url)
        say(f"asking {where.base} ({source.title})")
        before = client.bytes_read
        asked = Asked(client=client, endpoint=where, known=known, regions=regions, today=today, environ=environ)
        try:
            found = source.fetch(asked)
        except DataError as error:
            found, why = Fetched(documents={}), error.message
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            found, why = Fetched(documents={}), f"its answer has a shape that was not expected: {error!r}"
        else:
            why = ""
        outcomes.append(_outcome(source, where.base, found, why, outcomes, client.bytes_read - before))
    return outcomes


def _outcome(source: Source, url: str, found: Fetched, error: str, earlier: list[Outcome], bytes_read: int) -> Outcome:
    taken = {seller: each.source.id for each in earlier for seller in each.documents}
    twice = [f"{seller} is already read from {taken[seller]}" for seller in found.documents if seller in taken]
    return Outcome(
        source=source, url=url, error=error, bytes_read=bytes_read, failures=found.failures,
        notes=(*found.notes, *twice),
        documents={seller: document for seller, document in found.documents.items() if seller not in taken},
    )  # fmt: skip
