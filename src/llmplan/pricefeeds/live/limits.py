"""How long and how much a price source may take before it is given up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llmplan.errors import DataError

MIB: Final = 1 << 20


class FeedError(DataError):
    """A source could not be read, or said something that cannot be a price list."""

    code = "feed"


class AgainError(FeedError):
    """It may work a little later. `after_s` is what the server asked for, None if it asked for nothing."""

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on every answer. `quiet_s`: no byte for so long; `total_s`: one answer from the connection to its last
    byte, redirects included; `answer_bytes`: after unpacking; `run_bytes`: all answers together."""

    quiet_s: float = 30.0
    total_s: float = 900.0
    answer_bytes: int = 4096 * MIB
    run_bytes: int = 65536 * MIB
    line_bytes: int = MIB
    text_bytes: int = 64 * MIB
    """an answer that is held in memory as a whole"""
    tries: int = 4
    backoff_s: float = 1.0
    longest_wait_s: float = 60.0
