"""Rows of the cost-facts table into figures and committed prices, by the rules of `fact_rules.py`."""

from __future__ import annotations

import re
from typing import Any, Final

from llmplan.errors import DataError
from llmplan.pricefeeds.dates import first_day
from llmplan.pricefeeds.fact_rules import COMMITMENTS, LEFT_OUT, RULES, FactRule
from llmplan.pricefeeds.sources import SourceBook
from llmplan.pricefeeds.tables import Row
from llmplan.pricefeeds.tally import Tally

TABLE: Final = "cost_facts"
GB_PER_TB: Final = 1000.0
"""Tiers in TB are read in decimal, as the file that the tables quote for them does."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_FREE = re.compile(r"(\d+) (GB|TB)(?:/month)? free")
_RATE = re.compile(r"\d*\.\d+")
_BOUND = re.compile(r" to (\d+) TB")
_CONFIDENCE = re.compile(r"(?:low|medium|high)(?:-(?:low|medium|high))?")


def numbers(text: str) -> list[float]:
    """The numbers of a cell in order.

    >>> numbers("320000-420000 (typical 370000)"), numbers("0.045/h + 0.045/GB")
    ([320000.0, 420000.0, 370000.0], [0.045, 0.045])
    """
    return [float(found) for found in _NUMBER.findall(text)]


def tiers(text: str, bounds_gb: tuple[float, ...] = ()) -> list[dict[str, float]]:
    """Rates by monthly quantity as a cell tells them: `up_to` counts from the first GB.

    >>> tiers("AWS internet out: 100 GB free, then 0.09 to 10 TB, 0.05")
    [{'up_to': 100.0, 'usd': 0}, {'up_to': 10000.0, 'usd': 0.09}, {'usd': 0.05}]
    >>> tiers("Azure internet out: 100 GB free, 0.087/0.05", (10_000.0,))
    [{'up_to': 100.0, 'usd': 0}, {'up_to': 10000.0, 'usd': 0.087}, {'usd': 0.05}]
    """
    free = _FREE.search(text)
    rates = [float(found) for found in _RATE.findall(text)]
    bounds = [float(found) * GB_PER_TB for found in _BOUND.findall(text)] or list(bounds_gb)
    if not rates or len(bounds) != len(rates) - 1:
        raise DataError(f"cost_facts: {text!r} states {len(rates)} rates and {len(bounds)} bounds of tiers")
    result: list[dict[str, float]] = []
    if free:
        result.append({"up_to": float(free[1]) * (GB_PER_TB if free[2] == "TB" else 1.0), "usd": 0})
    result += [{"up_to": bound, "usd": rate} for bound, rate in zip(bounds, rates[:-1], strict=True)]
    return [*result, {"usd": rates[-1]}]


def split_confidence(text: str) -> tuple[str | None, str]:
    """A collector's word for how sure he is, and what he adds to it.

    >>> split_confidence("low-medium (not GPU specific)"), split_confidence("high"), split_confidence("")
    (('low-medium', 'not GPU specific'), ('high', ''), (None, ''))
    """
    found = _CONFIDENCE.search(text)
    if found is None:
        return None, text
    return found[0], text[found.end() :].strip(" ()")


def owned_facts(rows: list[Row], owner: str, sources: SourceBook) -> dict[str, dict[str, Any]]:
    """The `facts:` mapping of one document. A row that its collector could not verify is left out."""
    facts = {}
    for rule in (rule for rule in RULES if rule.owner == owner):
        row = _find(rows, rule.topic, rule.item)
        if row is not None and "UNVERIFIED" not in row["confidence"]:
            facts[rule.id] = _fact(rule, row, rows, sources)
    return facts


def commitments(rows: list[Row], owner: str, sources: SourceBook) -> list[tuple[str, dict[str, Any]]]:
    """(instance, offer) for each commitment of one seller."""
    result = []
    for rule in (rule for rule in COMMITMENTS if rule.owner == owner):
        row = _find(rows, "commitment", rule.item)
        if row is None:
            continue
        derived = rule.hours != 1.0
        confidence, remark = split_confidence(row["confidence"])
        offer: dict[str, Any] = {
            "from": first_day(row["as_of"]), "source": sources.id_of(row["source"]),
            "term": rule.term, "upfront": rule.upfront,
        }  # fmt: skip
        offer |= {"quality": "derived"} if derived else {}
        offer |= {"confidence": confidence} if confidence else {}
        offer["note"] = "; ".join(filter(None, (rule.note, remark)))
        offer["usd_per_hour"] = {rule.region: round(numbers(row["value"])[0] / rule.hours, 4)}
        result.append((rule.instance, offer))
    return result


def account(rows: list[Row], tally: Tally) -> None:
    """Say of each row how many figures the rules make of it, or why none."""
    for row in rows:
        used = sum(_find(rows, rule.topic, rule.item) is row for rule in RULES)
        used += sum(_find(rows, "commitment", rule.item) is row for rule in COMMITMENTS)
        if used and "UNVERIFIED" not in row["confidence"]:
            tally.use(TABLE, used)
        else:
            stated = (why for topic, item, why in LEFT_OUT if row["topic"] == topic and row["item"].startswith(item))
            tally.leave_out(TABLE, row, next(stated, "no rule reads it"))


def _fact(rule: FactRule, row: Row, rows: list[Row], sources: SourceBook) -> dict[str, Any]:
    steps = tiers(row["item"].partition(":")[2], rule.bounds_gb) if rule.tiers else []
    found = numbers(row[rule.cell])
    mean = rule.span and not rule.pick
    value = (found[0] + found[1]) / 2 if mean else found[rule.pick]
    if steps:
        value = next(step["usd"] for step in steps if step["usd"])
    entry: dict[str, Any] = {"value": value}
    if rule.span or rule.low_high:
        low, high = rule.low_high or (0, 1)
        entry["low"], entry["high"] = found[low], found[high]
    derived = mean or rule.low_high or "fit on" in row["source"] or row["source"] == "same"
    source = _find(rows, "cpu", "AWS x86") if row["source"] == "same" else row
    entry |= {"unit": rule.unit, "as_of": first_day(row["as_of"])}
    entry["source"] = sources.id_of((source or row)["source"])
    entry["kind"] = "derived" if derived else "published"
    entry |= {"gpu": list(rule.gpu), "gpus": rule.gpus} if rule.gpu else {}
    confidence, remark = split_confidence(row["confidence"])
    entry |= {"confidence": confidence} if confidence else {}
    note = "; ".join(dict.fromkeys(filter(None, (rule.note or row["note"], remark))))
    entry |= {"note": note} if note else {}
    return entry | ({"tiers": steps} if steps else {})


def _find(rows: list[Row], topic: str, item: str) -> Row | None:
    return next((row for row in rows if row["topic"] == topic and row["item"].startswith(item)), None)
