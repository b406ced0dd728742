"""A run that may take long: a bar on a terminal after a second, and Ctrl-C that stops it with what there is."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

QUIET_S = 1.0
"""a run that is done by then shows nothing"""
BETWEEN_S = 0.1
Step = TypeVar("Step")


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C only says so, and the loop stops at a good point; the second one interrupts."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a shell: that Ctrl-C is not for us
        yield lambda: False
        return
    try:
        before = signal.signal(signal.SIGINT, ask)
    except ValueError:  # not the main thread
        yield lambda: False
        return
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)


def watched(
    steps: Iterable[Step], describe: Callable[[Step], str], share: Callable[[Step], float | None]
) -> Iterator[Step]:
    """The steps of a run, with a bar on stderr if that is a terminal. `share` says how much is done, None if nobody
    knows."""
    if not sys.stderr.isatty():
        yield from steps
        return
    started_s = drawn_s = time.monotonic()
    bar: Bar | None = None
    task: Any = None
    try:
        for step in steps:
            now_s = time.monotonic()
            if now_s - started_s >= QUIET_S and now_s - drawn_s >= BETWEEN_S:
                drawn_s = now_s
                done = share(step)
                shown: dict[str, Any] = {"description": describe(step), "completed": done or 0.0}
                shown["total"] = None if done is None else 1.0
                if bar is None:
                    bar = _bar()
                    task = bar.add_task(**shown)
                    bar.start()
                bar.update(task, refresh=True, **shown)
            yield step
    finally:
        if bar is not None:
            bar.stop()


@contextmanager
def watching() -> Iterator[Callable[[str, int, int], None]]:
    """Somebody to tell what is being tried, and how much of it is done: a bar on stderr if that is a terminal and a
    second has gone by."""
    started_s = drawn_s = time.monotonic()
    bar: Bar | None = None
    task: Any = None

    def tell(what: str, done: int, total: int) -> None:
        nonlocal bar, task, drawn_s
        now_s = time.monotonic()
        if not sys.stderr.isatty() or now_s - started_s < QUIET_S or now_s - drawn_s < BETWEEN_S:
            return
        drawn_s = now_s
        if bar is None:
            bar = _bar()
            task = bar.add_task("", total=None)
            bar.start()
        bar.update(task, description=what, completed=done, total=max(1, total))
        bar.refresh()

    try:
        yield tell
    finally:
        if bar is not None:
            bar.stop()


def _bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=sys.stderr, highlight=False)
    columns = (BarColumn(bar_width=30), TextColumn("{task.description}"), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, auto_refresh=False)
