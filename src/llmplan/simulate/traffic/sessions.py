"""Conversations as they unfold: starts in, the requests of all their turns out, in the order of arrival."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from llmplan.simulate.traffic.columns import Columns, joined
from llmplan.simulate.traffic.quantiles import Quantiles
from llmplan.spec.requests import Floats, Integers
from llmplan.spec.traffic import Sessions

WARM_UP = 7.0
"""mean lengths of a conversation for which conversations began before the traffic does: all but 0.1 % of those that
are under way at its start"""

Number = TypeVar("Number", np.float64, np.int64)
First = Callable[[Floats], Columns]
"""the first requests of conversations that start at these times"""


def warm_up_s(sessions: Sessions) -> float:
    """How long before the start of the traffic conversations begin."""
    return WARM_UP * (sessions.turns - 1) * sessions.think_s


def in_turns(
    starts: Iterable[tuple[Floats, float]],
    first: First,
    sessions: Sessions,
    added: Quantiles,
    answers: Quantiles,
    rng: np.random.Generator,
) -> Iterator[Columns]:
    """Batches of requests in order: what has arrived by the end of each window of starts."""
    waiting: Columns | None = None
    number = 0
    for times, until_s in starts:
        opening = replace(first(times), session=number + np.arange(len(times)))
        number += len(times)
        new = _turns(opening, sessions, added, answers, rng)
        rows = new if waiting is None else joined([waiting, new])
        rows = rows.taken(np.argsort(rows.arrival_s, kind="stable"))
        ready = int(np.searchsorted(rows.arrival_s, until_s))
        waiting = rows.taken(slice(ready, None))
        yield rows.taken(slice(0, ready))


def _turns(
    opening: Columns, sessions: Sessions, added: Quantiles, answers: Quantiles, rng: np.random.Generator
) -> Columns:
    """All turns of conversations given by their first requests; each conversation's turns stand together.

    The prompt of a turn is the one before it, its answer, and what is added: sums along the conversation.
    """
    turns = rng.geometric(1 / sessions.turns, len(opening))
    row = np.repeat(np.arange(len(opening)), turns)
    begin = np.cumsum(turns) - turns
    opens = np.zeros(len(row), dtype=bool)
    opens[begin] = True
    think_s = np.where(opens, 0.0, rng.standard_exponential(len(row)) * sessions.think_s)
    uniform = rng.random((2, len(row)))
    output = np.where(opens, opening.output_tokens[row], answers.at(uniform[0]))
    before = np.where(opens, 0, np.concatenate([[0], output[:-1]]))
    grown = np.where(opens, opening.input_tokens[row], added.at(uniform[1]) + before)
    prompts = _sums(grown, begin, row)
    ends = np.concatenate([opens[1:], [True]]) if len(row) else opens
    history = np.where(opens, 0, np.concatenate([[0], prompts[:-1]]))
    rows = opening.taken(row)
    return replace(
        rows,
        arrival_s=rows.arrival_s + _sums(think_s, begin, row),
        input_tokens=prompts,
        output_tokens=output,
        own_tokens=np.where(ends, history, prompts),
    )


def _sums(values: NDArray[Number], begin: Integers, row: Integers) -> NDArray[Number]:
    """Sums from the begin of each conversation up to and with each of its turns."""
    total: NDArray[Number] = np.cumsum(values)
    if not len(total):
        return total
    before: NDArray[Number] = (total - values)[begin]
    sums: NDArray[Number] = total - before[row]
    return sums
