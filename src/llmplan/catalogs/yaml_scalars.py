"""What a YAML scalar means in a data file: text, a number, a date, true, false or nothing, and no guessing."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, Final

TAG: Final = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_SCIENTIFIC = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WORDS = {"true": True, "True": True, "false": False, "False": False}


def value_of(tag: str, text: str, *, is_plain: bool) -> Any:
    """The value of a scalar whose tag is resolved; `is_plain`: written without quotes. `ValueError` says what is wrong.

    >>> value_of(TAG + "str", "2e3", is_plain=True), value_of(TAG + "str", "2e3", is_plain=False)
    (2000.0, '2e3')
    """
    if tag == TAG + "str":
        return float(text) if is_plain and _SCIENTIFIC.fullmatch(text) else text
    if tag == TAG + "null":
        return None
    if tag == TAG + "bool" and text in _WORDS:
        return _WORDS[text]
    if tag == TAG + "int" and _INT.fullmatch(text) and len(text) < 40:
        return int(text.replace("_", ""))
    if tag == TAG + "float" and ":" not in text:
        return float(text.lower().replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
    if tag == TAG + "timestamp" and _DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError as error:
            raise ValueError(f"not a date: {error}") from None
    raise ValueError(f"{text!r} reads as a YAML {tag.rsplit(':', 1)[-1]}; put text in quotes")
