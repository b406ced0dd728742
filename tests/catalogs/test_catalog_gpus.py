"""GPUs by the names that people write."""

from __future__ import annotations

import pytest

from llmplan.errors import UnknownIdError
from llmplan.spec.catalog import Catalog


@pytest.mark.parametrize(
    ("written", "gpu_id"),
    [
        ("NVIDIA H100 80GB", "h100-sxm-80gb"),
        ("NVIDIA H100", "h100-sxm-80gb"),
        ("NVIDIA A100 80GB", "a100-sxm-80gb"),
        ("nvidia_l4", "l4-24gb"),
        ("AMD MI300X", "mi300x-192gb"),
    ],
)
def test_the_makers_name_and_spaces_say_nothing_new(catalog: Catalog, written: str, gpu_id: str) -> None:
    assert catalog.gpus[written].id == gpu_id


def test_an_ambiguous_name_is_refused_with_the_choices(catalog: Catalog) -> None:
    """There are four A100s: SXM and PCIe, 40 and 80 GB."""
    with pytest.raises(UnknownIdError) as caught:
        catalog.gpus["A100"]
    assert any("a100" in hint for hint in caught.value.hints)
