"""A process for each compute capability of the plans: engines ask for it once and remember. Standard library only."""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from outcome import Case

Row = tuple[str, str, str | None]
"""file, case, problem"""


def run(cases: list[Case], work: Callable[[list[Case]], list[Row]]) -> list[Row]:
    """`work` on the cases of each capability in turn, in a child of this process, which has imported what knows of no
    GPU."""
    groups: dict[tuple[int, ...], list[Case]] = defaultdict(list)
    for case in cases:
        groups[tuple(case[1]["capability"])].append(case)
    found: list[Row] = []
    for capability, own in sorted(groups.items()):
        found += _in_child(own, work) or [("-", intent["case"], "the process died") for _, intent in own]
        print(f"capability {capability}: {len(own)} plans", file=sys.stderr, flush=True)
    return found


def figures(cases: list[Case]) -> dict[str, Any]:
    """What the plans differ in."""
    names = {"models": "model", "GPUs": "gpu", "strategies": "strategy", "weight formats": "weights"}
    return {"plans": len(cases)} | {
        title: sorted({str(intent[name]) for _, intent in cases}) for title, name in names.items()
    }


def _in_child(cases: list[Case], work: Callable[[list[Case]], list[Row]]) -> list[Row]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        code = 1
        try:
            rows = work(cases)
            with os.fdopen(writer, "w") as stream:
                json.dump(rows, stream)
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return [(file, case, problem) for file, case, problem in json.loads(text)] if text else []
