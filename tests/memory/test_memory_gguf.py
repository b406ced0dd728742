"""llama.cpp's per-tensor mixes against the sizes that llama.cpp publishes."""

from __future__ import annotations

import pytest

from llmplan import memory
from llmplan.catalogs.hf_config import read_config
from llmplan.spec.formats import GGUF_WEIGHT_FORMATS
from llmplan.spec.gguf import gguf_header_bytes
from llmplan.spec.gguf_mixes import MIXES
from llmplan.spec.model import ModelSpec
from llmplan.units import GB, MIB

# llama.cpp tools/quantize/README.md: bits per weight of meta-llama/Llama-3.1-8B
PUBLISHED_BITS = {
    "iq1_s": 2.0042, "iq1_m": 2.1460, "iq2_xxs": 2.3824, "iq2_xs": 2.5882, "iq2_s": 2.7403, "iq2_m": 2.9294,
    "iq3_xxs": 3.2548, "iq3_xs": 3.4977, "iq3_s": 3.6606, "iq3_m": 3.7628, "iq4_xs": 4.4597, "iq4_nl": 4.6818,
    "gguf-f16": 16.0005, "q2_k_s": 2.9697, "q2_k": 3.1593, "q3_k_s": 3.6429, "q3_k_l": 4.2979, "q4_k_s": 4.6672,
    "q4_k_m": 4.8944,
    "q5_k_s": 5.5704, "q5_k_m": 5.7036, "q6_k": 6.5633, "q8_0": 8.5008,
}  # fmt: skip


@pytest.mark.parametrize(("name", "bits"), PUBLISHED_BITS.items())
def test_bits_per_weight_of_llama_3_1_8b(models: dict[str, ModelSpec], name: str, bits: float) -> None:
    """The table counts tensors, the file has a header."""
    model = models["llama-3.1-8b"]
    size = memory.checkpoint_bytes(model, memory.weight_format(name)) - gguf_header_bytes(model.vocab_size)
    assert size * 8 / model.total_parameters == pytest.approx(bits, abs=0.0001)


def test_every_type_of_the_registry_has_a_mix() -> None:
    assert set(MIXES) == {weights.id for weights in GGUF_WEIGHT_FORMATS}


def test_llama_3_3_70b_q4_k_m(models: dict[str, ModelSpec]) -> None:
    """42.5 GB is what the files of several publishers weigh."""
    size = memory.checkpoint_bytes(models["llama-3.3-70b"], memory.weight_format("q4_k_m"))
    assert size / GB == pytest.approx(42.5, abs=0.05)


@pytest.mark.parametrize(
    ("config", "weights", "buffers_mib", "tolerance"),
    [
        # llama.cpp#9451: CUDA0 2228.84 + CPU 52.84 MiB; older rule for the fused projection
        (
            {
                "model_type": "phi3", "hidden_size": 3072, "num_hidden_layers": 32, "num_attention_heads": 32,
                "num_key_value_heads": 32, "intermediate_size": 8192, "vocab_size": 32064,
            },
            "q4_k_m", 2228.84 + 52.84, 2e-3,
        ),
        # llama.cpp#12012: 4163.91 + 4190.80 + 275.62 MiB
        (
            {
                "model_type": "phi3", "hidden_size": 5120, "num_hidden_layers": 40, "num_attention_heads": 40,
                "num_key_value_heads": 10, "intermediate_size": 17920, "vocab_size": 100352,
            },
            "q4_k_m", 4163.91 + 4190.80 + 275.62, 2e-3,
        ),
    ],
)  # fmt: skip
def test_buffers_of_loaded_files(config: dict[str, object], weights: str, buffers_mib: float, tolerance: float) -> None:
    shape = {
        "rms_norm_eps": 1e-5, "torch_dtype": "bfloat16", "max_position_embeddings": 4096,
        "tie_word_embeddings": False,
    }  # fmt: skip
    model = read_config({**shape, **config}, model_id="phi")
    size = memory.checkpoint_bytes(model, memory.weight_format(weights)) - gguf_header_bytes(model.vocab_size)
    assert size / MIB == pytest.approx(buffers_mib, rel=tolerance)
