"""ggml's numbering: types of tensors with their block sizes, and file types."""

from __future__ import annotations

from typing import Final

from llmplan.spec.gguf_mixes import BLOCKS

TYPES: Final[dict[int, str]] = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K",
    12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
    20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64",
    29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0",
}  # fmt: skip
"""The name of each type's number (ggml.h)."""

BLOCK_SIZES: Final = {
    **BLOCKS,
    "Q8_1": (36, 32), "Q8_K": (292, 256), "I8": (1, 1), "I16": (2, 1), "I32": (4, 1), "I64": (8, 1), "F64": (8, 1),
    "NVFP4": (36, 64), "Q1_0": (18, 128),
}  # fmt: skip
"""Bytes per block and weights per block (ggml-common.h), also of types that no mix of llama.cpp uses."""

FILE_TYPES: Final[dict[int, str]] = {
    0: "f32", 1: "f16", 2: "q4_0", 3: "q4_1", 7: "q8_0", 8: "q5_0", 9: "q5_1", 10: "q2_k", 11: "q3_k_s", 12: "q3_k_m",
    13: "q3_k_l", 14: "q4_k_s", 15: "q4_k_m", 16: "q5_k_s", 17: "q5_k_m", 18: "q6_k", 19: "iq2_xxs", 20: "iq2_xs",
    21: "q2_k_s", 22: "iq3_xs", 23: "iq3_xxs", 24: "iq1_s", 25: "iq4_nl", 26: "iq3_s", 27: "iq3_m", 28: "iq2_s",
    29: "iq2_m", 30: "iq4_xs", 31: "iq1_m", 32: "bf16", 36: "tq1_0", 37: "tq2_0", 38: "mxfp4_moe", 39: "nvfp4",
    40: "q1_0",
}  # fmt: skip
"""`general.file_type` (llama.h, `llama_ftype`)."""

PLAIN: Final = {"F32": "fp32", "F16": "fp16", "BF16": "bf16"}
"""types that are formats of their own"""
