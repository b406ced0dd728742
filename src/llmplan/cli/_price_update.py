"""`llmplan prices update`: new prices from the network or from tables on disk, into the user's cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli import _console
from llmplan.cli._flags import takes_flags
from llmplan.cli._options import OutputFlags
from llmplan.errors import DataError, UsageError

if TYPE_CHECKING:
    from llmplan.pricefeeds import Tally, Verdict
    from llmplan.pricefeeds.live import Client, Endpoint, Outcome
    from llmplan.pricefeeds.live.feed import Source

ALL = "all"
FROM_WHERE = (
    "llmplan prices update --source all asks every source (network)",
    "llmplan prices update --from DIR reads tables from a folder",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFlags:
    """Where new prices come from and what is done with them."""

    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source", metavar="azure|aws|gpuhunt|genai-prices|all", help="Ask this source (network; repeatable)."
        ),
    ] = None
    folder: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="Read gpu_prices.csv, serverless_gpu.csv, ... from a folder."),
    ] = None
    mirror: Annotated[
        list[str] | None,
        typer.Option(
            "--mirror", metavar="[SOURCE=]URL", envvar="LLMPLAN_PRICE_MIRROR",
            help="Ask a mirror instead: of one source, or URL/SOURCE for each (repeatable).",
        ),
    ] = None  # fmt: skip
    region: Annotated[
        list[str] | None,
        typer.Option(
            "--region", metavar="ID",
            help="Only this region (repeatable; default: all, of aws us-east-1, us-east-2, us-west-2).",
        ),
    ] = None  # fmt: skip
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change and write nothing.")] = False
    check: Annotated[
        bool, typer.Option("--check", help="As --dry-run; exit 1 if anything is new, held back or refused.")
    ] = False
    accept_jump: Annotated[
        list[str] | None,
        typer.Option(
            "--accept-jump", metavar="PRICE",
            help="Take a price although it jumped, as the answer names it; * matches anything (repeatable).",
        ),
    ] = None  # fmt: skip
    accept_jumps: Annotated[bool, typer.Option("--accept-jumps", help="Take all prices that jumped.")] = False


@dataclass(slots=True)
class Batch:
    """What was read, judged list by list; `known` grows with what was accepted."""

    known: dict[str, Any]
    gpus: frozenset[str]
    accepted: dict[str, Any] = field(default_factory=dict)
    remarks: list[tuple[str, str, str]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    def add(self, documents: Mapping[str, Any], *, today: date, accept: Callable[[str], bool], complete: bool) -> None:
        """Judge a list and take over what may be."""
        from llmplan import pricefeeds

        verdict = pricefeeds.judge(documents, self.known, today=today, accept=accept, complete=complete, gpus=self.gpus)
        self.verdicts.append(verdict)
        self.accepted = pricefeeds.merge_documents(self.accepted, verdict.accepted)
        self.known = pricefeeds.merge_documents(self.known, verdict.accepted)


@dataclass(slots=True, kw_only=True)
class Accept:
    """Whether a price may be taken although it jumped; `used` are the patterns that named one.

    Blanks count alike, since a terminal breaks a long name between its words.
    """

    every: bool
    patterns: tuple[str, ...]
    used: set[str] = field(default_factory=set)

    def __call__(self, name: str) -> bool:
        plain = " ".join(name.split())
        named = {each for each in self.patterns if plain == each or fnmatchcase(plain, each)}
        self.used |= named
        return self.every or bool(named)


@takes_flags
def update(*, feed: FeedFlags, output: OutputFlags) -> int:
    """Read new prices from the network or from a folder into your cache: only from where you say.

    Prices are appended, so that old plans can be quoted again. A source that fails keeps its old prices and costs only
    itself; a price that cannot be right is left out; one that moved by more than a factor of three is held back until
    you accept it. Whatever interrupts an update, the prices from before it stay.

    Exit codes: 0 all that was asked for is done; 1 a source failed, or a price was left out or held back (the rest is
    written all the same), or with --check there is news; 2 usage.
    """
    from llmplan import catalogs, pricefeeds
    from llmplan.catalogs.price_cache import POINTER, price_cache, snapshot_documents, snapshot_in_force
    from llmplan.catalogs.prices import load_prices, read_price_documents

    sources = _wanted(feed)
    now = datetime.now(tz=UTC)
    pointer = price_cache(os.environ) / POINTER
    snapshot = snapshot_in_force(pointer.parent)
    packaged = read_price_documents((catalogs.packaged_profiles(),))
    known = read_price_documents((catalogs.packaged_profiles(), snapshot)) if snapshot else packaged
    batch = Batch(known=known, gpus=_gpus(packaged))
    outcomes = _read(feed, sources, batch, now.date())
    batch.remarks += [("warning", *rate) for rate in pricefeeds.other_rates(packaged, batch.accepted)]
    cached = snapshot_documents(snapshot) if snapshot else {}
    written = None
    if batch.accepted and not (feed.dry_run or feed.check):
        documents = pricefeeds.append(cached, packaged, batch.accepted)
        if documents != cached:
            base = snapshot.name if snapshot else None
            origins = _origins(feed, outcomes, now.date())
            written = pricefeeds.write_snapshot(
                pointer, documents, made=now, origins=origins, base=base,
                verify=lambda folder: load_prices((catalogs.packaged_profiles(), folder), now.date()),
            )  # fmt: skip
    _report(feed, outcomes, batch, written, output)
    return _exit_code(feed, outcomes, batch)


def _gpus(packaged: Mapping[str, Any]) -> frozenset[str]:
    """The GPUs that a price may be of: those with a profile, and those that are packaged with a price anyway."""
    from llmplan import catalogs
    from llmplan.catalogs.gpus import gpu_library

    priced = {entry["gpu"] for document in packaged.values() for entry in document.get("hourly", ())}
    return frozenset({*gpu_library(catalogs.default_layers(os.environ)), *priced})


def _wanted(feed: FeedFlags) -> list[Source]:
    """The sources that were named, once each."""
    from llmplan.pricefeeds.live import SOURCES, source_of

    if feed.folder is not None and not feed.folder.is_dir():
        raise UsageError(f"--from: {feed.folder} is not a folder")
    if not feed.source and feed.folder is None:
        raise UsageError("where should new prices come from?", hints=FROM_WHERE)
    if feed.mirror and not feed.source:
        raise UsageError("--mirror says where a source is asked, and no --source was named", hints=FROM_WHERE)
    names = [name for text in feed.source or () for name in text.split(",")]
    if ALL in names:
        return list(SOURCES)
    return list(dict.fromkeys(source_of(name) for name in names))


def mirrors_of(texts: Sequence[str], sources: Sequence[Source]) -> dict[str, Endpoint]:
    """Where each source is asked instead: `SOURCE=URL` for one, `URL` for all below it."""
    from llmplan.pricefeeds.live import SOURCES, endpoint, source_of

    known = {source.id for source in SOURCES}
    found: dict[str, Endpoint] = {}
    for text in (part for each in texts for part in each.split()):
        name, has_name, url = text.partition("=")
        if has_name and "/" not in name:
            found[source_of(name).id] = endpoint(url, by_user=True)
        else:
            base = endpoint(text, by_user=True)
            found |= {
                source.id: endpoint(base.url(source.id), by_user=True) for source in sources if source.id in known
            }
    return found


def new_client() -> Client:
    """The client of this run."""
    from llmplan.pricefeeds.live import Client

    return Client()


def _read(feed: FeedFlags, sources: Sequence[Source], batch: Batch, today: date) -> list[Outcome]:
    """Tables first, then every source; each is judged against what is known by then."""
    from llmplan import pricefeeds
    from llmplan.pricefeeds.live import collect

    accept = Accept(every=feed.accept_jumps, patterns=tuple(" ".join(each.split()) for each in feed.accept_jump or ()))
    if feed.folder is not None:
        tally = pricefeeds.Tally()
        tables = pricefeeds.build_documents(feed.folder, retrieved=today, tally=tally)
        batch.add(tables, today=today, accept=accept, complete=True)
        batch.remarks += _left_out(tally)
    outcomes = [] if not sources else collect(
        sources, batch.known, client=new_client(), mirrors=mirrors_of(feed.mirror or (), sources),
        regions=frozenset(feed.region or ()), today=today, environ=os.environ, say=_console.say,
    )  # fmt: skip
    for outcome in outcomes:
        batch.add(outcome.documents, today=today, accept=accept, complete=False)
    batch.remarks += [
        ("warning", "--accept-jump", f"{each!r} names no price that jumped") for each in accept.patterns
        if each not in accept.used
    ]  # fmt: skip
    return outcomes


def _left_out(tally: Tally) -> list[tuple[str, str, str]]:
    """The rows of tables that became no price, by reason, with the first of them."""
    return [
        ("warning", name, f"{len(rows)} of {table.rows} rows left out: {reason} (the first: {rows[0]})")
        for name, table in tally.tables.items()
        for reason, rows in table.left_out.items()
    ]


def _origins(feed: FeedFlags, outcomes: Sequence[Outcome], today: date) -> list[dict[str, Any]]:
    tables = [] if feed.folder is None else [{"source": "tables", "url": str(feed.folder.resolve())}]
    asked = [{"source": each.source.id, "url": each.url} for each in outcomes if not each.error]
    return [{**origin, "retrieved": today.isoformat()} for origin in (*tables, *asked)]


def _exit_code(feed: FeedFlags, outcomes: Sequence[Outcome], batch: Batch) -> int:
    refused = any(verdict.refused for verdict in batch.verdicts)
    if not batch.accepted:
        raise DataError("nothing could be used; the old prices stay")
    news = feed.check and any(verdict.changes for verdict in batch.verdicts)
    return 1 if news or refused or any(outcome.failed for outcome in outcomes) else 0


def _report(
    feed: FeedFlags, outcomes: Sequence[Outcome], batch: Batch, written: Path | None, output: OutputFlags
) -> None:
    from llmplan.pricefeeds.atoms import split
    from llmplan.report import price_news as view

    verdicts = batch.verdicts
    news = view.UpdateNews(
        sources=tuple(
            view.SourceNews(
                source=each.source.id, url=each.url, bytes_read=each.bytes_read, notes=each.notes,
                status="failed" if each.error else "partial" if each.failures else "ok",
                prices=sum(len(split(document)) for document in each.documents.values()),
                failures=(each.error,) if each.error else each.failures,
            )
            for each in outcomes
        ),
        changes=tuple((c.provider, c.key, c.old_usd, c.new_usd) for verdict in verdicts for c in verdict.changes),
        held=tuple((h.provider, h.key, h.old_usd, h.new_usd) for verdict in verdicts for h in verdict.held),
        problems=(*_complaints(verdicts), *batch.remarks),
        confirmed=sum(verdict.confirmed for verdict in verdicts),
        older=sum(verdict.older for verdict in verdicts),
        snapshot=str(written) if written else None,
        written=tuple(str(path) for path in sorted((written / "prices").glob("*.yaml"))) if written else (),
        dry_run=feed.dry_run or feed.check,
        command=_command(feed),
    )  # fmt: skip
    _console.answer(output.chosen, record=lambda: view.update_record(news), document=lambda: view.update_document(news))


def _command(feed: FeedFlags) -> tuple[str, ...]:
    """The words that ask the same again."""
    named = (("--source", feed.source), ("--mirror", feed.mirror), ("--region", feed.region))
    words = [word for flag, values in named for value in values or () for word in (flag, value)]
    where = [] if feed.folder is None else ["--from", str(feed.folder)]
    accepted = [word for value in feed.accept_jump or () for word in ("--accept-jump", value)]
    return ("llmplan", "prices", "update", *where, *words, *accepted)


def _complaints(verdicts: Sequence[Verdict]) -> list[tuple[str, str, str]]:
    return [(each.severity, each.provider, each.message) for verdict in verdicts for each in verdict.problems]
