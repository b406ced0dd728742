"""The JSON of `llmplan cost` read again, so that a bill can be held against one that was printed."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, Final

from llmplan.errors import DataError
from llmplan.plan.codec import Decoder
from llmplan.plan.deployment import STRATEGY_IDS, StrategyId
from llmplan.plan.money.side import Bill, Scalar, Side
from llmplan.plan.outcome import QuoteLine
from llmplan.plan.plain import Plain, check_bounds, expect, fail

SCHEMA: Final = "llmplan.cost/v1"
_ANY_VERSION: Final = re.compile(r"llmplan\.cost/v([0-9]{1,6})")
_PRINT_AGAIN: Final = "llmplan cost ... --json prints one that can be compared"


def is_cost(document: Plain) -> bool:
    """Whether this is an answer of `llmplan cost`, of whatever version."""
    schema = document.get("schema") if isinstance(document, dict) else None
    return isinstance(schema, str) and _ANY_VERSION.fullmatch(schema) is not None


def side_from(document: dict[str, Plain], name: str) -> Side:
    """The bills that the JSON of `llmplan cost` states; a `DataError` names the key that is wrong or missing."""
    check_bounds(document)
    if document["schema"] != SCHEMA:
        raise DataError(
            f"schema: this answer is {document['schema']}, which this version of llmplan does not know (it reads "
            f"{SCHEMA})",
            hints=["python3 -m pip install --upgrade llmplan"],
        )
    for key in ("model", "strategies", "recommended", "price_date", "made_with", "question", "figures"):
        if key not in document:
            raise DataError(f"{key} is missing: an older llmplan printed this answer", hints=[_PRINT_AGAIN])
    decode = Decoder().decode
    rows = expect(document["strategies"], list, "strategies")
    bills = dict(_bill(row, f"strategies[{place}]") for place, row in enumerate(rows))
    return Side(
        name=name,
        model_id=decode(document["model"], str, "model"),
        price_date=decode(document["price_date"], date, "price_date"),
        made_with=decode(document["made_with"], str, "made_with"),
        question={path: _scalar(value, path) for path, value in _mapping(document, "question").items()},
        bills=bills,
        recommended=decode(document["recommended"], StrategyId | None, "recommended"),
        figures={path: decode(value, float, path) for path, value in _mapping(document, "figures").items()},
    )


def _bill(row: Plain, path: str) -> tuple[StrategyId, Bill | str]:
    decode = Decoder().decode
    for key in ("strategy", "status"):
        if key not in expect(row, dict, path):
            raise fail(f"{path}.{key}", "is missing")
    if row["strategy"] not in STRATEGY_IDS:
        raise fail(f"{path}.strategy", f"expected one of {', '.join(STRATEGY_IDS)}, found {row['strategy']!r}")
    if row["status"] != "option":
        rejection = row.get("rejection")
        reason = rejection.get("reason") if isinstance(rejection, dict) else None
        return row["strategy"], reason if isinstance(reason, str) else "not feasible"
    quote = expect(row.get("quote"), dict, f"{path}.quote")
    lines = decode(quote.get("lines"), tuple[QuoteLine, ...], f"{path}.quote.lines")
    built = {key: str(value) for key, value in _mapping(row, "built").items()}
    rests_on = decode(row.get("rests_on", []), tuple[str, ...], f"{path}.rests_on")
    return row["strategy"], Bill(lines=lines, built=built, rests_on=rests_on)


def _mapping(document: dict[str, Plain], key: str) -> dict[str, Any]:
    found: dict[str, Any] = expect(document.get(key), dict, key)
    return found


def _scalar(value: Plain, path: str) -> Scalar:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise fail(f"question.{path}", "expected a text, a number, true, false or null")
