"""From one question to another in steps, each of which changes one thing, so that each can be planned and priced."""

from __future__ import annotations

from dataclasses import replace

from llmplan.spec.workload import Question

ORDER = "figures and prices, workload, promise, limits, expenses"
"""the order in which the steps go; in another one the same difference would be shared out differently"""


def between(old: Question, new: Question) -> tuple[Question, ...]:
    """The questions that lie between two: first the old one, to be asked of the newer figures and prices, then with
    one part after the other of the new one; the new one itself is left out. None for questions of two models."""
    if old.model_id != new.model_id:
        return ()
    here = replace(old, limits=replace(old.limits, price_date=new.limits.price_date))
    found = [here]
    for part in ("workload", "slo", "limits", "expenses"):
        there = replace(here, **{part: getattr(new, part)})
        if there != here:
            found.append(there)
        here = there
    return tuple(found[:-1]) if len(found) > 1 else ()
