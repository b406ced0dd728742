"""What emitters keep of the engines beside the catalogue says the same as the catalogue."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.engine_flags import flag_table
from llmplan.emit import llama_cpp, sglang_flags, tensorrt_llm, vllm_flags
from llmplan.emit.flags import Flag
from llmplan.emit.llama_cpp_args import OPTIONS
from random_plans import catalog

PACKAGED = [packaged_profiles()]


@pytest.mark.parametrize(
    ("engine", "version", "options"),
    [
        ("vllm", vllm_flags.VERSION, vllm_flags.VLLM_FLAGS),
        ("sglang", sglang_flags.VERSION, sglang_flags.SGLANG_FLAGS),
        ("llama-cpp", "b11434", OPTIONS),
    ],
)
def test_every_option_is_in_the_packaged_list_of_that_version(
    engine: str, version: str, options: Iterable[str]
) -> None:
    table = flag_table(PACKAGED, engine, version)
    assert table is not None
    assert table.ref == f"{engine}@{version}"
    assert set(options) <= set(table.flags)


@pytest.mark.parametrize(("engine", "flags"), [("vllm", vllm_flags.VLLM_FLAGS), ("sglang", sglang_flags.SGLANG_FLAGS)])
def test_switches_are_switches_and_choices_are_among_the_engine_s(engine: str, flags: dict[str, Flag]) -> None:
    table = flag_table(PACKAGED, engine, "99")
    assert table is not None
    for name, flag in flags.items():
        known = table.flags[name]
        assert known.takes_value == (flag.type != "switch"), name
        choices = {*known.choices, *table.late_choices.get(known.name, ())}
        assert not choices or set(flag.allowed) <= choices, name


@pytest.mark.parametrize(
    ("engine", "image"),
    [
        ("vllm", vllm_flags.IMAGE), ("sglang", sglang_flags.IMAGE), ("tensorrt-llm@1.2.1", tensorrt_llm.IMAGE),
        ("llama-cpp", llama_cpp.IMAGE),
    ],
)  # fmt: skip
def test_the_image_for_a_plan_of_another_engine_is_the_catalogue_s(engine: str, image: str) -> None:
    assert catalog().engines[engine].image == image
