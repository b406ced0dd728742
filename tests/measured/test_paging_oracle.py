"""Block tables against what vLLM 0.33.0's own planner makes of the same layers, and SGLang 0.5.23's pools.

The rows were read by running `v1/core/kv_cache_planning.py` and `kv_cache_utils.py` of the vLLM 0.33.0 wheel on the
layer specifications that its models make, for a pool of 40 GiB; SGLang's by running `pool_configurator.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from llmplan import memory
from llmplan.catalogs.hf_config import read_config_file
from llmplan.memory.kv_cache import in_flight_tokens
from llmplan.memory.paging import Paging, cache_layout
from llmplan.spec.model import RecurrentKind
from llmplan.units import GIB
from tests_support import DATA

CONFIGS = DATA / "configs"
POOL_BYTES = 40.0 * GIB


@dataclass(frozen=True, slots=True)
class Row:
    """A launch, and what vLLM makes of it."""

    config: str
    kv: str
    tp: int
    pp: int
    block_tokens: int
    max_model_len: int
    max_num_batched_tokens: int
    prefix_caching: bool
    hopper: bool
    groups: int
    block_bytes: int
    blocks: int
    tokens: int

    @property
    def paging(self) -> Paging:
        """GPUs from Hopper on have kernels that write states of the delta rule from inside a prompt."""
        writes = {RecurrentKind.MAMBA2} | ({RecurrentKind.GATED_DELTA} if self.hopper else set())
        return Paging(state_blocks=2 if self.prefix_caching else 1, checkpoints=frozenset(writes))


ROWS = [
    Row(*values)
    for values in (
        ("google__gemma-3-12b-it", "bf16", 1, 1, 16, 32768, 8192, True, True,
         6, 1048576, 40960, 179124),
        ("google__gemma-4-26B-A4B", "bf16", 1, 1, 16, 32768, 8192, True, True,
         6, 655360, 65536, 331965),
        ("google__gemma-4-26B-A4B", "fp8", 2, 1, 32, 32768, 8192, True, True,
         6, 327680, 131072, 1326835),
        ("google__gemma-4-E2B-it", "bf16", 1, 2, 16, 32768, 8192, True, True,
         5, 98304, 436906, 2759548),
        ("openai__gpt-oss-120b", "bf16", 2, 1, 16, 32768, 8192, True, True,
         2, 294912, 145635, 1548902),
        ("openai__gpt-oss-20b", "fp8", 1, 1, 64, 4096, 2048, True, True,
         2, 786432, 54613, 1734068),
        ("stepfun-ai__Step-3.7-Flash", "bf16", 4, 2, 16, 32768, 8192, True, True,
         4, 98304, 436906, 2119398),
        ("meta-llama__Llama-4-Scout-17B-16E-Instruct", "bf16", 8, 1, 16, 32768, 8192, True, True,
         4, 98304, 436906, 2150921),
        ("LiquidAI__LFM2-2.6B", "bf16", 1, 1, 16, 32768, 8192, True, True,
         4, 262144, 163840, 2613782),
        ("LiquidAI__LFM2-2.6B", "bf16", 1, 1, 16, 32768, 8192, False, True,
         4, 262144, 163840, 2617605),
        ("Qwen__Qwen3-Next-80B-A3B-Instruct", "bf16", 2, 1, 16, 32768, 8192, True, True,
         4, 7077888, 6068, 3012670),
        ("Qwen__Qwen3-Next-80B-A3B-Instruct", "bf16", 2, 1, 16, 32768, 8192, True, False,
         4, 6684672, 6425, 3142304),
        ("Qwen__Qwen3-Next-80B-A3B-Instruct", "bf16", 2, 1, 16, 32768, 8192, False, True,
         4, 6684672, 6425, 3289600),
        ("Qwen__Qwen3.6-35B-A3B", "fp8", 1, 1, 16, 32768, 8192, True, True,
         4, 21626880, 1985, 2601779),
        ("Qwen__Qwen3.6-35B-A3B", "fp8", 1, 1, 16, 32768, 8192, True, False,
         4, 21463040, 2001, 2980398),
        ("Qwen__Qwen3.6-35B-A3B", "fp8", 1, 1, 16, 32768, 8192, False, True,
         4, 21463040, 2001, 3450987),
        ("Qwen__Qwen3.5-397B-A17B", "bf16", 8, 2, 16, 32768, 8192, True, True,
         4, 4718592, 9102, 4519005),
        ("Qwen__Qwen3.5-397B-A17B", "bf16", 8, 2, 16, 32768, 8192, True, False,
         4, 4325376, 9929, 4715267),
        ("Qwen__Qwen3.5-397B-A17B", "bf16", 8, 2, 16, 32768, 8192, False, True,
         4, 4325376, 9929, 4929598),
        ("nvidia__NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "bf16", 1, 1, 16, 32768, 8192, True, True,
         5, 12877824, 3335, 3902902),
        ("nvidia__NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "bf16", 1, 1, 16, 32768, 8192, False, True,
         5, 12877824, 3335, 5464064),
        ("nvidia__Nemotron-H-56B-Base-8K", "bf16", 4, 4, 16, 4096, 2048, True, True,
         7, 12681216, 3386, 729950),
        ("nvidia__Nemotron-H-56B-Base-8K", "bf16", 4, 4, 16, 4096, 2048, False, True,
         7, 12681216, 3386, 1981293),
        ("ibm-granite__granite-4.0-h-1b", "bf16", 1, 1, 32, 4096, 2048, True, True,
         10, 3407872, 12603, 1395186),
        ("ibm-granite__granite-4.0-h-1b", "bf16", 1, 1, 32, 4096, 2048, False, True,
         10, 3407872, 12603, 2716941),
        ("moonshotai__Kimi-K3", "bf16", 8, 1, 16, 32768, 8192, True, True,
         4, 21233664, 2022, 1274171),
        ("moonshotai__Kimi-K3", "bf16", 8, 1, 16, 32768, 8192, True, False,
         4, 21233664, 2022, 1352181),
        ("moonshotai__Kimi-K3", "bf16", 8, 1, 16, 32768, 8192, False, True,
         4, 21233664, 2022, 1440367),
        ("moonshotai__Kimi-K3", "fp8_ds_mla", 8, 1, 16, 32768, 8192, True, True,
         4, 24182784, 1776, 1877289),
        ("moonshotai__Kimi-K3", "fp8_ds_mla", 8, 1, 16, 32768, 8192, True, False,
         4, 24182784, 1776, 2078427),
        ("moonshotai__Kimi-K3", "fp8_ds_mla", 8, 1, 16, 32768, 8192, False, True,
         4, 24182784, 1776, 2327838),
        ("zai-org__GLM-5.2", "fp8_ds_mla", 8, 1, 16, 32768, 8192, True, True,
         1, 3452160, 12441, 796224),
        ("MiniMaxAI__MiniMax-M3", "bf16", 4, 1, 16, 32768, 8192, True, True,
         1, 5799936, 7405, 947840),
        ("deepseek-ai__DeepSeek-V4-Flash", "fp8_ds_mla", 4, 1, 16, 32768, 8192, True, True,
         5, 1002240, 42853, 206197),
        ("deepseek-ai__DeepSeek-V4-Flash", "bf16", 4, 2, 16, 32768, 8192, True, True,
         5, 837120, 51306, 165831),
        ("deepseek-ai__DeepSeek-V4-Pro", "fp8_ds_mla", 8, 4, 16, 32768, 8192, True, True,
         5, 382464, 112297, 273709),
        ("deepseek-ai__DeepSeek-V4-Pro", "fp8", 8, 1, 16, 1048576, 16384, True, True,
         5, 1275904, 33662, 2024616),
        ("tiiuae__falcon-mamba-7b", "bf16", 1, 1, 16, 2048, 2048, True, True,
         1, 19922944, 2155, 4413440),
        ("allenai__Olmo-3-32B-Think", "bf16", 1, 4, 16, 4096, 2048, True, True,
         4, 262144, 163840, 653445),
    )
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.config}-{row.kv}-tp{row.tp}pp{row.pp}-{row.blocks}")
def test_pools_are_cut_as_vllm_cuts_them(row: Row) -> None:
    path = CONFIGS / f"{row.config}.json"
    if not path.is_file():
        pytest.skip(f"no {path} (set LLMPLAN_DATA)")
    model = read_config_file(path, dtype="bf16")
    layout = cache_layout(model, memory.kv_format(row.kv), row.tp, row.pp, row.block_tokens, row.paging)
    blocks = layout.blocks_in(POOL_BYTES)
    each = layout.blocks_per_request(row.max_model_len, in_flight_tokens(row.max_num_batched_tokens, row.pp))
    found = (len(layout.groups), layout.block_bytes, blocks, int(blocks / each * row.max_model_len))
    assert found == (row.groups, row.block_bytes, row.blocks, row.tokens)
