"""Names of formats, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmplan import memory
from llmplan.errors import UnknownIdError, UsageError
from llmplan.spec.formats import KV_FORMATS, WEIGHT_FORMATS
from llmplan.spec.model import ModelSpec


def test_names_are_unique() -> None:
    for table in (WEIGHT_FORMATS, KV_FORMATS):
        names = [name for entry in table for name in (entry.id, *entry.aliases)]
        assert len(names) == len(set(names))


def test_auto_is_the_checkpoint(models: dict[str, ModelSpec]) -> None:
    assert memory.weight_format("auto", models["gpt-oss-20b"]).id == "mxfp4"
    assert memory.kv_format("auto", models["gpt-oss-20b"]).id == "bf16"
    grouped = replace(models["llama-3.1-8b"], checkpoint_format="w4a16", checkpoint_group_size=32)
    assert memory.weight_format("AUTO", grouped).group_size == 32
    per_row = replace(grouped, checkpoint_group_size=0)
    assert memory.weight_format("auto", per_row).group_size is None


def test_a_slip_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownIdError) as caught:
        memory.weight_format("gguf-q4km")
    assert "gguf-q4_k_m" in caught.value.hints[0]
    with pytest.raises(UnknownIdError):
        memory.kv_format("fp7")
    with pytest.raises(UsageError):
        memory.weight_format("auto")
    with pytest.raises(UnknownIdError):
        memory.weight_format("bf16-g32")
