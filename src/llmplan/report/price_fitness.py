"""Whether the prices in force are fit to be quoted, as text and for machines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from llmplan.report.blocks import Block, Column, Document, Facts, Items, Paragraph, Row, Table
from llmplan.report.json import Record, schema
from llmplan.report.numbers import MISSING, percent


@dataclass(frozen=True, slots=True, kw_only=True)
class SellerLine:
    """One seller: prices in force, how many of them undated, the newest and oldest day, the age of the newest."""

    provider: str
    prices: int
    undated: int
    newest: date | None
    oldest: date | None
    age_days: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckNews:
    """What `prices check` found. `problems` are (severity, seller or file, text)."""

    today: date
    stale_after_days: int
    snapshot: str | None
    made: str | None
    origins: tuple[str, ...]
    files: int
    sellers: tuple[SellerLine, ...]
    problems: tuple[tuple[str, str, str], ...]

    @property
    def errors(self) -> int:
        """Findings that make the prices unfit."""
        return sum(severity == "error" for severity, _, _ in self.problems)


def check_record(news: CheckNews) -> Record:
    """The findings for machines."""
    return {
        "schema": schema("prices-check"),
        "today": news.today.isoformat(),
        "stale_after_days": news.stale_after_days,
        "snapshot": news.snapshot,
        "made": news.made,
        "origins": list(news.origins),
        "files_verified": news.files,
        "sellers": [
            {
                "provider": each.provider, "prices": each.prices, "undated": each.undated,
                "newest": each.newest.isoformat() if each.newest else None,
                "oldest": each.oldest.isoformat() if each.oldest else None, "age_days": each.age_days,
            }
            for each in news.sellers
        ],
        "problems": [
            {"severity": severity, "subject": subject, "message": message}
            for severity, subject, message in news.problems
        ],
    }  # fmt: skip


def check_document(news: CheckNews) -> Document:
    """The findings as tables: where the prices come from, the sellers with the oldest first, what is wrong."""
    prices, undated = sum(each.prices for each in news.sellers), sum(each.undated for each in news.sellers)
    pairs = [("snapshot", news.snapshot or "none; the packaged prices alone")]
    if news.made:
        pairs += [("made", news.made), ("from", "; ".join(news.origins)), ("checksums", f"{news.files} files verified")]
    share = f" ({percent(undated / prices)})" if prices else ""
    pairs.append(("prices", f"{prices:,} of {len(news.sellers)} sellers, {undated:,} undated{share}"))
    columns = (
        Column(title="seller"), Column(title="prices", align="right"), Column(title="undated", align="right"),
        Column(title="newest"), Column(title="oldest"), Column(title="age", align="right"),
    )  # fmt: skip
    ordered = sorted(news.sellers, key=lambda each: (each.age_days is not None, -(each.age_days or 0), each.provider))
    rows = tuple(
        Row(
            cells=(
                each.provider, f"{each.prices}", f"{each.undated}", _day(each.newest), _day(each.oldest),
                MISSING if each.age_days is None else f"{each.age_days} days",
            ),
            tone="warn" if each.age_days is None or each.age_days > news.stale_after_days else "plain",
        )
        for each in ordered
    )  # fmt: skip
    blocks: list[Block] = [Facts(pairs=tuple(pairs)), Table(columns=columns, rows=rows)]
    said = tuple(f"{severity}: {subject}: {text}" for severity, subject, text in sorted(news.problems))
    blocks += [Items(items=said, tone="warn")] if said else []
    warnings = len(news.problems) - news.errors
    text = f"{news.errors} errors, {warnings} warnings" if news.problems else "nothing is wrong"
    return (*blocks, Paragraph(text=text, tone="strong"))


def _day(day: Any) -> str:
    return day.isoformat() if day else "undated"
