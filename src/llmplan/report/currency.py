"""Money in another currency, at a rate that the user gave. Prices are kept in USD; this is how they are shown."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from llmplan.report.blocks import Block, Document, Drawing, Facts, Items, Paragraph, Row, Table
from llmplan.report.numbers import LOWER_BOUND, MISSING
from llmplan.units import format_usd

MINOR_DIGITS: Final[Mapping[str, int]] = {
    "AED": 2, "ARS": 2, "AUD": 2, "BDT": 2, "BGN": 2, "BHD": 3, "BRL": 2, "CAD": 2, "CHF": 2, "CLP": 0, "CNY": 2,
    "COP": 2, "CZK": 2, "DKK": 2, "EGP": 2, "EUR": 2, "GBP": 2, "GEL": 2, "HKD": 2, "HUF": 2, "IDR": 2, "ILS": 2,
    "INR": 2, "ISK": 0, "JOD": 3, "JPY": 0, "KES": 2, "KRW": 0, "KWD": 3, "KZT": 2, "MAD": 2, "MXN": 2, "MYR": 2,
    "NGN": 2, "NOK": 2, "NZD": 2, "OMR": 3, "PEN": 2, "PHP": 2, "PKR": 2, "PLN": 2, "QAR": 2, "RON": 2, "RSD": 2,
    "SAR": 2, "SEK": 2, "SGD": 2, "THB": 2, "TND": 3, "TRY": 2, "TWD": 2, "UAH": 2, "USD": 2, "UYU": 2, "VND": 0,
    "ZAR": 2,
}  # fmt: skip
"""ISO 4217 codes with the digits of their minor unit"""
SYMBOLS: Final[Mapping[str, str]] = {"EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "KRW": "₩", "USD": "$"}
"""signs that mean one currency here; every other one goes by its code"""
LEAST_DIGITS: Final = 3
_AMOUNT: Final = re.compile(r"(?<![A-Za-z])\$(?P<number>[0-9][0-9,]*(?:\.[0-9]+)?)")
_PER: Final = re.compile(r"(?<![A-Za-z])\$/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Currency:
    """How money is shown. `per_usd`: units of it for one US dollar [1/USD]."""

    code: str = "USD"
    per_usd: float = 1.0

    @property
    def digits(self) -> int:
        """Digits of the minor unit."""
        return MINOR_DIGITS[self.code]

    @property
    def sign(self) -> str:
        """What stands before an amount."""
        return SYMBOLS.get(self.code, f"{self.code} ")

    @property
    def unit(self) -> str:
        """What stands in a column's title: `$`, `€`, `CHF`."""
        return self.sign.strip()

    def rounded(self, amount_usd: float | None, *, complete: bool = True) -> str:
        """As many digits as carry meaning; with a line missing it is a lower bound.

        >>> Currency(code="EUR", per_usd=0.92).rounded(1594.2), Currency().rounded(12.5, complete=False)
        ('€1,467', '≥ $12.50')
        """
        if amount_usd is None:
            return MISSING
        text = format_usd(amount_usd * self.per_usd).replace("$", self.sign)
        return ("" if complete else LOWER_BOUND) + text

    def rounded_minor(self, minor: int, *, complete: bool = True) -> str:
        """The same of whole minor units.

        >>> Currency().rounded_minor(61903), Currency().rounded_minor(159420, complete=False)
        ('$619.03', '≥ $1,594')
        """
        text = format_usd(minor / 10**self.digits).replace("$", self.sign)
        return ("" if complete else LOWER_BOUND) + text

    def exact(self, amount_usd: float | None) -> str:
        """To the minor unit, as lines are printed and added.

        >>> Currency().exact(1594.204), Currency(code="JPY", per_usd=150.0).exact(10.01), Currency().exact(-3.0)
        ('$1,594.20', '¥1,502', '-$3.00')
        """
        return MISSING if amount_usd is None else self.written(self.minor(amount_usd))

    def minor(self, amount_usd: float) -> int:
        """Whole minor units, so that a printed total is the sum of the printed lines."""
        return round(amount_usd * self.per_usd * math.pow(10, self.digits))

    def written(self, minor: int, *, signed: bool = False) -> str:
        """Whole minor units as an amount; `signed` also says that something is more.

        >>> Currency().written(123456), Currency().written(-5, signed=True), Currency().written(5, signed=True)
        ('$1,234.56', '-$0.05', '+$0.05')
        """
        mark = "-" if minor < 0 else "+" if signed and minor > 0 else ""
        return f"{mark}{self.sign}{abs(minor) / 10**self.digits:,.{self.digits}f}"

    def unit_price(self, amount_usd: float) -> str:
        """A price of one unit with every digit that counts.

        >>> Currency().unit_price(0.00055), Currency(code="EUR", per_usd=0.92).unit_price(2)
        ('$0.00055', '€1.84')
        """
        value = amount_usd * self.per_usd
        if value == 0:
            return f"{self.sign}0"
        return self.sign + (f"{value:,.6g}" if abs(value) >= 1e-4 else f"{value:.3g}")

    def said(self) -> str:
        """The rate, and whose it is; nothing for USD."""
        if self == USD:
            return ""
        return f"{self.code} at {self.per_usd:g} per USD, a rate given with --usd-rate; prices are kept in USD"

    def converted(self, text: str) -> str:
        """A text with its dollar amounts in this currency, in as many digits as they had.

        >>> Currency(code="EUR", per_usd=0.92).converted("2 GPUs stay unused, $1,234 of it, $0.02/h; US$5")
        '2 GPUs stay unused, €1,135 of it, €0.0184/h; US$5'
        """
        if self == USD:
            return text
        return _PER.sub(f"{self.unit}/", _AMOUNT.sub(lambda found: self._like(found["number"]), text))

    def _like(self, number: str) -> str:
        """An amount in the style of the one that was written."""
        value = float(number.replace(",", "")) * self.per_usd
        whole, _, fraction = number.partition(".")
        if len(fraction) == 2 and value >= 1:
            return f"{self.sign}{value:,.{self.digits}f}"
        digits = max(LEAST_DIGITS, len((whole + fraction).replace(",", "").lstrip("0")))
        if value == 0:
            return f"{self.sign}{number}"
        places = max(0, digits - 1 - math.floor(math.log10(value)))
        text = f"{value:,.{places}f}"
        return self.sign + (text.rstrip("0").rstrip(".") if "." in text else text)


USD: Final = Currency()


def converted(document: Document, currency: Currency) -> Document:
    """Every text of a document with its dollar amounts in another currency."""
    if currency == USD:
        return document
    return tuple(_block(block, currency) for block in document)


def _block(block: Block, currency: Currency) -> Block:
    said = currency.converted
    match block:
        case Paragraph():
            return replace(block, text=said(block.text))
        case Items():
            return replace(block, title=said(block.title), items=tuple(map(said, block.items)))
        case Facts():
            return replace(block, pairs=tuple((name, said(value)) for name, value in block.pairs))
        case Drawing():
            return block
        case Table():
            return replace(
                block,
                title=said(block.title),
                columns=tuple(replace(column, title=said(column.title)) for column in block.columns),
                rows=tuple(Row(cells=tuple(map(said, row.cells)), tone=row.tone) for row in block.rows),
                footer=tuple(map(said, block.footer)),
            )
