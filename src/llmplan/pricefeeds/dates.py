"""When a row held, as far as its table says: a day, a month, `D; spot D2`, `D; od D2`, or undated."""

from __future__ import annotations

import re
from datetime import date

_DAY = re.compile(r"\b(\d{4})-(\d{2})(?:-(\d{2}))?\b")


def first_day(text: str) -> date | None:
    """The first day that `text` can mean; a month counts from its first day, and what has no month is undated.

    >>> first_day("2026-10-10"), first_day("2026-08"), first_day("undated (2025-26)"), first_day("2026 (undated page)")
    (datetime.date(2026, 10, 10), datetime.date(2026, 8, 1), None, None)
    """
    if "undated" in text.casefold():
        return None
    found = _DAY.search(text)
    if found is None:
        return None
    year, month, day = int(found[1]), int(found[2]), int(found[3] or 1)
    try:
        return date(year, month, day)
    except ValueError:
        return None


def on_demand_and_spot(text: str) -> tuple[date | None, date | None]:
    """The days of a row's on-demand and spot price.

    >>> on_demand_and_spot("2026-07-20; spot 2025-06-28")
    (datetime.date(2026, 7, 20), datetime.date(2025, 6, 28))
    >>> on_demand_and_spot("2026-10-10; od 2026-06-18")
    (datetime.date(2026, 6, 18), datetime.date(2026, 10, 10))
    """
    main, _, rest = text.partition("; ")
    if rest.startswith("spot "):
        return first_day(main), first_day(rest)
    if rest.startswith("od "):
        return first_day(rest), first_day(main)
    return first_day(text), first_day(text)
