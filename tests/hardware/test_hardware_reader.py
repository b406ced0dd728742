"""One field at a time, with bindings and drivers that lack functions or answer oddly."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from llmplan.hardware.device import read_device
from llmplan.hardware.reader import FieldReader, text
from llmplan.hardware.report import HostReading

GIB = 1024**3


class NvmlError(Exception):
    def __init__(self, value: int, message: str = "refused") -> None:
        super().__init__(message)
        self.value = value


def refuse(value: int, message: str = "refused") -> Callable[..., Any]:
    def function(*_: Any) -> Any:
        raise NvmlError(value, message)

    return function


def binding(**functions: Callable[..., Any]) -> Any:
    return SimpleNamespace(NVMLError=NvmlError, **functions)


def test_a_binding_without_the_function_costs_one_field() -> None:
    reader = FieldReader(binding())
    assert reader.read("name", "nvmlDeviceGetName", convert=str) is None
    assert reader.unread == {"name": "Function Not Found"}


def test_older_functions_are_tried_and_success_clears_the_reason() -> None:
    reader = FieldReader(binding(new=refuse(13, "Function Not Found"), old=lambda: 7))
    assert reader.first("field", [("new", ()), ("old", ())], convert=int) == 7
    assert reader.unread == {}


def test_why_the_newer_function_refused_is_not_hidden_by_a_missing_older_one() -> None:
    reader = FieldReader(binding(new=refuse(15, "GPU is lost")))
    assert reader.first("field", [("new", ()), ("missing", ())], convert=int) is None
    assert reader.unread == {"field": "GPU is lost"}
    assert reader.lost == "GPU is lost"


def test_names_that_are_no_text_are_unread() -> None:
    reader = FieldReader(binding(name=b"\xff\xfe".decode))
    assert reader.read("name", "name", convert=str) is None
    assert "name" in reader.unread


@pytest.mark.parametrize("value", [b"0000:01:00.0", "0000:01:00.0"])
def test_text_fields_come_as_bytes_or_text(value: bytes | str) -> None:
    assert text(value) == "0000:01:00.0"


def test_a_device_that_answers_nothing_but_its_handle_is_still_a_reading() -> None:
    gpu = read_device(binding(nvmlDeviceGetHandleByIndex=lambda index: index), 3, HostReading())
    assert (gpu.index, gpu.access, gpu.name, gpu.memory) == (3, "ok", None, None)
    assert gpu.unread["name"] == "Function Not Found"


@pytest.mark.parametrize(("code", "access"), [(15, "lost"), (28, "lost"), (4, "no_permission"), (999, "error")])
def test_a_handle_that_is_refused_says_why(code: int, access: str) -> None:
    gpu = read_device(binding(nvmlDeviceGetHandleByIndex=refuse(code, "why")), 0, HostReading())
    assert (gpu.access, gpu.access_error) == (access, "why")


@pytest.mark.parametrize(
    ("memory_info", "source"),
    [
        (refuse(3), "host-ram"),
        (lambda *_: SimpleNamespace(total=0, used=0, free=0, reserved=0), "host-ram"),
        (refuse(4), None),
        (refuse(999), None),
    ],
)
def test_only_not_supported_or_nothing_at_all_means_unified_memory(memory_info: Any, source: str | None) -> None:
    host = HostReading(memory_total_bytes=128 * GIB, memory_available_bytes=100 * GIB)
    nvml = binding(nvmlDeviceGetHandleByIndex=lambda index: index, nvmlDeviceGetMemoryInfo=memory_info)
    memory = read_device(nvml, 0, host).memory
    assert (memory.source if memory else None) == source
    assert memory is None or memory.free_bytes == 100 * GIB
