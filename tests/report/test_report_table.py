"""Tables in a terminal: what stands side by side is parted rather than broken."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from llmplan.report.blocks import Column, Row, Table
from llmplan.report.table import render

AMOUNTS = ("₩674,009,652", "₩4,320,438,634", "₩1,822,960,051", "₩705,412,812", "₩5,648,479,113", "₩644,412,358")
GPUS = ("h100-sxm-80gb", "a10-24gb", "l4-24gb", "b200-180gb", "t4-16gb", "h200-sxm-141gb")


def drawn(width: int) -> str:
    table = Table(
        columns=(Column(title=""), *(Column(title=gpu, share=1) for gpu in GPUS)),
        rows=(
            Row(cells=("what", *(f"225 × {gpu} (225 replicas)" for gpu in GPUS))),
            Row(cells=("busy at the peak", *("70 %" for _ in GPUS))),
            Row(cells=("₩/month", *AMOUNTS)),
        ),
    )
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None)
    for each in render((table,)):
        console.print(each)
    return out.getvalue()


@pytest.mark.parametrize(("width", "parts"), [(80, 2), (120, 1), (200, 1)])
def test_no_name_and_no_number_is_broken_at_any_width(width: int, parts: int) -> None:
    """At 80 columns, 62 are left of the names: three of 14 characters and a gap, so two parts of three."""
    text = drawn(width)
    assert all(word in text.split() for word in (*AMOUNTS, *GPUS))
    assert max(map(len, text.splitlines())) <= width
    assert text.count("₩/month") == parts
