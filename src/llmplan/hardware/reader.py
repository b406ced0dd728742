"""Ask NVML for one field at a time, so that one unanswered question costs one field and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from llmplan.hardware.errors import ERROR_LOST

T = TypeVar("T")

_FUNCTION_NOT_FOUND: Final = "Function Not Found"


class FieldReader:
    """Calls NVML functions by name and remembers why a field stayed empty.

    Functions are named by text because drivers and bindings of different ages lack different ones: a missing
    function is an unread field, like any other refusal.
    """

    def __init__(self, binding: Any) -> None:
        self._binding = binding
        self.unread: dict[str, str] = {}
        self.codes: dict[str, int | None] = {}

    def read(self, field: str, function: str, *arguments: Any, convert: Callable[[Any], T]) -> T | None:
        """The converted answer of one function, or None with the reason kept under `field`."""
        return self.call(field, lambda: getattr(self._binding, function)(*arguments), convert=convert)

    def call(self, field: str, ask: Callable[[], Any], *, convert: Callable[[Any], T]) -> T | None:
        """The same for a question that takes more than one call."""
        try:
            answer = convert(ask())
        except AttributeError:
            self._miss(field, _FUNCTION_NOT_FOUND, 13)
            return None
        except UnicodeDecodeError as error:
            self._miss(field, str(error), None)
            return None
        except self._binding.NVMLError as error:
            self._miss(field, str(error), int(error.value))
            return None
        self.unread.pop(field, None)
        self.codes.pop(field, None)
        return answer

    def first(
        self, field: str, calls: Sequence[tuple[str, tuple[Any, ...]]], *, convert: Callable[[Any], T]
    ) -> T | None:
        """The first of several functions that answers: newest first, older ones for older drivers."""
        for function, arguments in calls:
            answer = self.read(field, function, *arguments, convert=convert)
            if answer is not None:
                return answer
        return None

    @property
    def lost(self) -> str | None:
        """What NVML said when the GPU had gone, if it has."""
        return next((self.unread[field] for field, code in self.codes.items() if code in ERROR_LOST), None)

    def _miss(self, field: str, reason: str, code: int | None) -> None:
        """Keep the reason; that an older fallback does not exist either says less than why the newer one refused."""
        if reason == _FUNCTION_NOT_FOUND and field in self.unread:
            return
        self.unread[field] = reason
        self.codes[field] = code


def text(value: Any) -> str:
    """Text of a structure's field, which bindings give as bytes or as text."""
    return value.decode() if isinstance(value, bytes) else str(value)
