"""What the system lets this process have: open files and locked memory."""

from __future__ import annotations

from llmplan.hardware.report import LimitsReading

try:
    import resource
except ImportError:  # not a Unix
    resource = None  # type: ignore[assignment]


def read_limits() -> LimitsReading | None:
    """The hard limit of open files, to which engines raise their own, and that of locked memory; None if unknown."""
    if resource is None:
        return None
    try:
        return LimitsReading(
            open_files=_limit(resource.RLIMIT_NOFILE, hard=True),
            locked_memory_bytes=_limit(resource.RLIMIT_MEMLOCK, hard=False),
        )
    except (OSError, ValueError, AttributeError):
        return None


def _limit(which: int, *, hard: bool) -> int | None:
    value = resource.getrlimit(which)[hard]
    return None if value == resource.RLIM_INFINITY else value
