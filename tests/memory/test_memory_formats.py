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
    own = memory.weight_format("w4a16-g32")
    grouped = replace(models["llama-3.1-8b"], checkpoint_format="w4a16", checkpoint_weights=own)
    assert memory.weight_format("AUTO", grouped).group_size == 32


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("w4a16-channel", {"group_size": None}),
        ("w8a16-g64", {"group_size": 64}),
        ("W4A16-asym-g32", {"zero_bits": 4, "group_size": 32}),
        ("gptq-int4-actorder", {"index_bytes_per_input": 4, "loaded_index_bytes_per_input": 8}),
        ("gptq-int3-asym", {"zero_bits": 3, "loaded_zero_bits": None}),
    ],
)
def test_suffixes_say_what_checkpoints_may_state(name: str, changed: dict[str, object]) -> None:
    found = memory.weight_format(name)
    assert {key: getattr(found, key) for key in changed} == changed


@pytest.mark.parametrize("name", ["bf16-asym", "w4a16-g0", "gguf-q4_0-g32", "w4a16-", "fp8-channel", "nf4-actorder"])
def test_suffixes_that_make_no_sense_are_unknown(name: str) -> None:
    with pytest.raises(UnknownIdError):
        memory.weight_format(name)


def test_published_details_stand_in_for_a_bare_name(models: dict[str, ModelSpec]) -> None:
    """`awq-int4` of a checkpoint in groups of 32 means that checkpoint; a size that is named is taken."""
    own = memory.weight_format("awq-int4-g32")
    model = replace(models["llama-3.1-8b"], checkpoint_format="awq-int4", checkpoint_weights=own)
    bare, other = memory.weight_format("awq-int4"), memory.weight_format("awq-int4-g64")
    assert memory.checkpoint_bytes(model, bare) == memory.checkpoint_bytes(model, own)
    assert memory.checkpoint_bytes(model, other) < memory.checkpoint_bytes(model, own)


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
