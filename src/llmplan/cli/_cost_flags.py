"""The flags of `cost` alone: gates, an older answer to be held against, another currency, and CSV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmplan.cli import _parse
from llmplan.cli._options import FORMATS, OutputFlags, amount
from llmplan.errors import UsageError, nearest

if TYPE_CHECKING:
    from llmplan.report.currency import Currency

COST_FORMATS = (*FORMATS, "csv")
MOST_USD = 1e12
MOST_PER_USD = 1e6
LEAST_PER_USD = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFlags:
    """What the recommended strategy has to keep to, besides --max-usd-per-month: exit 4 where it does not."""

    max_usd_per_million_tokens: Annotated[
        float | None,
        amount(
            "--max-usd-per-million-tokens",
            "Most that a million tokens, input and output together, may cost; else exit 4.",
            above=0,
            at_most=MOST_USD,
            metavar="USD",
        ),
    ] = None
    require_slo: Annotated[
        bool,
        typer.Option("--require-slo", help="Exit 4 unless the promised latency is predicted to be kept."),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstFlags:
    """What the answer is held against."""

    against: Annotated[
        Path | None,
        typer.Option(
            "--against", metavar="OLD",
            help="Show what changed since OLD, and why: a plan.yaml, or what cost --json or recommend --json printed.",
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyFlags:
    """In which money the answer is printed."""

    currency: Annotated[
        str | None,
        typer.Option("--currency", metavar="CODE", help="Print money in this currency (ISO 4217), at --usd-rate."),
    ] = None
    usd_rate: Annotated[
        float | None,
        amount("--usd-rate", "Units of --currency for one US dollar, as you state it.", above=0, at_most=MOST_PER_USD),
    ] = None

    def chosen(self) -> Currency:
        """The currency that was asked for, checked; dollars unless one was."""
        from llmplan.report.currency import MINOR_DIGITS, USD, Currency

        if self.currency is None:
            if self.usd_rate is not None:
                raise UsageError("--usd-rate is a rate for --currency, which is missing", hints=["add --currency EUR"])
            return USD
        code = self.currency.strip().upper()
        if code not in MINOR_DIGITS:
            near = nearest(code, MINOR_DIGITS, count=2)
            raise UsageError(
                f"--currency must be a currency code of ISO 4217, not {self.currency!r}",
                hints=[*([f"did you mean {', '.join(near)}?"] if near else []), f"known: {', '.join(MINOR_DIGITS)}"],
            )
        if code == USD.code:
            if self.usd_rate not in (None, 1.0):
                raise UsageError("a US dollar is one US dollar", hints=["leave out --usd-rate"])
            return USD
        if self.usd_rate is None:
            raise UsageError(
                f"at which rate? --currency {code} needs --usd-rate: no exchange rate is kept here",
                hints=[f"--currency {code} --usd-rate 0.92    # {code} for one US dollar"],
            )
        if self.usd_rate < LEAST_PER_USD:
            raise UsageError(f"--usd-rate must be at least {LEAST_PER_USD:g}, not {self.usd_rate:g}")
        return Currency(code=code, per_usd=self.usd_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostOutputFlags(OutputFlags):
    """How the answer is printed, CSV too."""

    format: Annotated[
        str,
        typer.Option(
            "--format", parser=_parse.choice("--format", COST_FORMATS), metavar="|".join(COST_FORMATS),
            envvar="LLMPLAN_FORMAT", help="How to print the answer; markdown fits a pull-request comment.",
        ),
    ] = "table"  # fmt: skip
