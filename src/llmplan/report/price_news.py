"""What an update of the prices found, how two sets of prices differ, and whether they are fit to be quoted."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from llmplan.report.blocks import Block, Column, Document, Drawing, Facts, Items, Paragraph, Row, Table
from llmplan.report.json import Record, schema
from llmplan.report.numbers import MISSING
from llmplan.spec.price_difference import Difference, Moved

SHOWN_CHANGES = 40
SHOWN_PROBLEMS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceNews:
    """One source of an update: `ok`, `partial` (some of it is missing) or `failed`, and why."""

    source: str
    url: str
    status: str
    prices: int
    bytes_read: int
    failures: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateNews:
    """An update. Changed and held prices are (seller, key, old, new), complaints are (severity, seller, text)."""

    sources: tuple[SourceNews, ...]
    changes: tuple[tuple[str, str, float | None, float], ...]
    held: tuple[tuple[str, str, float, float], ...]
    problems: tuple[tuple[str, str, str], ...]
    confirmed: int
    older: int
    snapshot: str | None
    written: tuple[str, ...]
    dry_run: bool
    command: tuple[str, ...]
    """the words that ask the same again"""


def update_record(news: UpdateNews) -> Record:
    """The news for machines."""
    return {
        "schema": schema("prices-update"),
        "sources": [
            {
                "source": each.source, "url": each.url, "status": each.status, "prices": each.prices,
                "bytes_read": each.bytes_read, "failures": list(each.failures), "notes": list(each.notes),
            }
            for each in news.sources
        ],
        "changes": [
            {"provider": provider, "price": key, "old_usd": old, "new_usd": new}
            for provider, key, old, new in news.changes
        ],
        "held": [
            {"provider": provider, "price": key, "old_usd": old, "new_usd": new, "accept": f"{provider}: {key}"}
            for provider, key, old, new in news.held
        ],
        "problems": [
            {"severity": severity, "provider": provider, "message": message}
            for severity, provider, message in news.problems
        ],
        "confirmed": news.confirmed,
        "older": news.older,
        "snapshot": news.snapshot,
        "written": list(news.written),
    }  # fmt: skip


def update_document(news: UpdateNews) -> Document:
    """The news as tables: the sources, what changed, what is held back and how to accept it."""
    blocks: list[Block] = [_sources(news.sources)] if news.sources else []
    if news.changes:
        blocks.append(_changes(news.changes[:SHOWN_CHANGES]))
    if len(news.changes) > SHOWN_CHANGES:
        blocks.append(Paragraph(text=f"... and {len(news.changes) - SHOWN_CHANGES} more; --json has all", tone="dim"))
    if news.held:
        blocks += _held(news.held, news.command)
    blocks += _problems([f"{severity}: {provider}: {text}" for severity, provider, text in news.problems])
    blocks.append(Paragraph(text=_outcome(news), tone="strong"))
    return tuple(blocks)


def _sources(sources: Sequence[SourceNews]) -> Table:
    columns = (
        Column(title="source"), Column(title="status"), Column(title="prices", align="right"),
        Column(title="read", align="right"), Column(title="remarks", share=1),
    )  # fmt: skip
    rows = tuple(
        Row(
            cells=(
                each.source, each.status, f"{each.prices:,}", _size(each.bytes_read),
                "\n".join((*each.failures, *each.notes)) or MISSING,
            ),
            tone="plain" if each.status == "ok" else "warn",
        )
        for each in sources
    )  # fmt: skip
    return Table(columns=columns, rows=rows)


def _changes(changes: Sequence[tuple[str, str, float | None, float]]) -> Table:
    columns = (
        Column(title="seller"), Column(title="price", share=1), Column(title="old USD", align="right"),
        Column(title="new USD", align="right"), Column(title="change", align="right"),
    )  # fmt: skip
    rows = tuple(
        Row(cells=(provider, key, "new" if old is None else f"{old:g}", f"{new:g}", _percent(old, new)))
        for provider, key, old, new in changes
    )
    return Table(columns=columns, rows=rows)


def _held(held: Sequence[tuple[str, str, float, float]], command: Sequence[str]) -> list[Block]:
    """The prices that jumped, and the flags that let them through."""
    lines = [
        f"{provider}: {key}: {old:g} became {new:g} USD ({_percent(old, new)})" for provider, key, old, new in held
    ]
    shown, more = lines[:SHOWN_PROBLEMS], len(lines) - SHOWN_PROBLEMS
    again = shlex.join([*command, "--accept-jump", f"{held[0][0]}: {held[0][1]}"])
    blocks: list[Block] = [
        Items(title="Held back, the old price stays until you confirm:", items=tuple(shown), tone="warn")
    ]
    if more > 0:
        blocks.append(Paragraph(text=f"... and {more} more; --json has all", tone="dim"))
    blocks += [Paragraph(text="To accept:"), Drawing(lines=(again,))]
    if len(held) > 1:
        blocks.append(Paragraph(text="--accept-jump is repeatable, * matches anything; --accept-jumps takes them all"))
    return blocks


def _outcome(news: UpdateNews) -> str:
    parts = [f"{len(news.changes)} prices new or changed", f"{news.confirmed} confirmed"]
    parts += [f"{news.older} older than what is known"] if news.older else []
    parts += [f"{len(news.held)} held back"] if news.held else []
    if news.snapshot:
        done = f"{len(news.written)} files written to {news.snapshot}"
    else:
        done = "dry run, nothing written" if news.dry_run else "nothing written"
    return f"{', '.join(parts)}; {done}"


def diff_record(old: str, new: str, lines: Sequence[Difference], groups: Sequence[Moved]) -> Record:
    """The differences for machines."""
    return {
        "schema": schema("prices-diff"),
        "old": old,
        "new": new,
        "groups": [
            {
                "provider": each.provider, "subject": each.subject, "moved": each.moved, "added": each.added,
                "gone": each.gone, "median_change": each.median_change,
            }
            for each in groups
        ],
        "differences": [
            {
                "sign": each.sign, "provider": each.provider, "subject": each.subject, "term": each.term,
                "price": each.key, "unit": each.unit, "old_usd": each.old_usd, "new_usd": each.new_usd,
                "change": each.change,
                "old_as_of": each.old_day.isoformat() if each.old_day else None,
                "new_as_of": each.new_day.isoformat() if each.new_day else None,
            }
            for each in lines
        ],
    }  # fmt: skip


def diff_document(old: str, new: str, lines: Sequence[Difference], groups: Sequence[Moved], limit: int) -> Document:
    """The differences as tables: by seller and GPU first, then price by price."""
    blocks: list[Block] = [Facts(pairs=(("old", old), ("new", new)))]
    if not lines:
        return (*blocks, Paragraph(text="no price differs", tone="strong"))
    shown_groups = groups[:limit] if limit else groups
    shown = lines[:limit] if limit else lines
    blocks += [_groups(shown_groups), _lines(shown)]
    signs = [each.sign for each in lines]
    more = f"; {len(shown)} of {len(lines)} shown" if len(shown) < len(lines) else ""
    text = f"~ {signs.count('~')} moved, + {signs.count('+')} new, - {signs.count('-')} gone{more}"
    return (*blocks, Paragraph(text=text, tone="strong"))


def _groups(groups: Sequence[Moved]) -> Table:
    columns = (
        Column(title="seller"), Column(title="GPU or model", share=1), Column(title="~", align="right"),
        Column(title="+", align="right"), Column(title="-", align="right"),
        Column(title="median change", align="right"),
    )  # fmt: skip
    rows = tuple(
        Row(
            cells=(
                each.provider, each.subject, f"{each.moved}", f"{each.added}", f"{each.gone}",
                MISSING if each.median_change is None else f"{each.median_change * 100:+.1f} %",
            )
        )
        for each in groups
    )  # fmt: skip
    return Table(columns=columns, rows=rows)


def _lines(lines: Sequence[Difference]) -> Table:
    columns = (
        Column(title=""), Column(title="seller"), Column(title="price", share=1), Column(title="old", align="right"),
        Column(title="new", align="right"), Column(title="change", align="right"), Column(title="unit"),
    )  # fmt: skip
    rows = tuple(
        Row(
            cells=(
                each.sign, each.provider, each.key, MISSING if each.old_usd is None else f"{each.old_usd:g}",
                MISSING if each.new_usd is None else f"{each.new_usd:g}", _percent(each.old_usd, each.new_usd),
                each.unit,
            )
        )
        for each in lines
    )  # fmt: skip
    return Table(columns=columns, rows=rows)


def _problems(lines: Sequence[str]) -> list[Block]:
    blocks: list[Block] = [Items(items=tuple(lines[:SHOWN_PROBLEMS]), tone="warn")] if lines else []
    if len(lines) > SHOWN_PROBLEMS:
        blocks.append(Paragraph(text=f"... and {len(lines) - SHOWN_PROBLEMS} more; --json has all", tone="dim"))
    return blocks


def _size(count: int) -> str:
    if not count:
        return MISSING
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"


def _percent(old: float | None, new: float | None) -> str:
    return f"{(new / old - 1) * 100:+.1f} %" if old and new is not None else ""
