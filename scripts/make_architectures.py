"""Write docs/reference/architectures.md: every model type that is read, and what its layers are made of.

python scripts/make_architectures.py            writes the page
python scripts/make_architectures.py --check    exits 1 if the page is not up to date
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from llmplan.catalogs.hf_config import known_types, read_config
from llmplan.catalogs.hf_config.registry import TEXT_TYPES, families
from llmplan.catalogs.hf_config.style import Family
from llmplan.catalogs.hf_config.windows import full
from llmplan.catalogs.hf_config.wrappers import WRAPPERS
from llmplan.errors import DataError
from llmplan.spec.model import (
    CompressedAttention,
    GqaAttention,
    Mixer,
    MlaAttention,
    MoeFeedForward,
    RecurrentKind,
    RecurrentMixer,
)  # fmt: skip

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "architectures.md"
LAYERS = 32
SIZES: dict[str, Any] = {
    "torch_dtype": "bfloat16", "vocab_size": 1024, "hidden_size": 2048, "intermediate_size": 4096,
    "num_hidden_layers": LAYERS, "num_attention_heads": 64, "num_key_value_heads": 64, "max_position_embeddings": 4096,
}  # fmt: skip
LISTS: dict[str, Any] = {
    "layer_types": ["full_attention"] * LAYERS, "interleaved_sliding_window": [512] * LAYERS,
    "tie_word_embeddings": True, "hybrid_override_pattern": "M-*E" * (LAYERS // 4),
    "block_configs": [{"attention": {"n_heads_in_group": 8}, "ffn": {"ffn_mult": 2.0}}] * LAYERS,
}  # fmt: skip
_COMPRESSED = ["sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention", "sliding_attention"]
OWN: dict[str, dict[str, Any]] = {
    "mamba2": {"num_heads": 64, "head_dim": 64},
    "nemotron_h": {"layers_block_type": ["mamba", "mlp", "attention", "moe"] * (LAYERS // 4)},
    "deepseek_v4": {"layer_types": _COMPRESSED * (LAYERS // 4)},
    "deepseek_ref": {"layer_types": _COMPRESSED * (LAYERS // 4)},
    "mimo_v2_flash": {"swa_num_key_value_heads": 64, "swa_num_attention_heads": 64},
}  # fmt: skip
"""keys without which a file of the type contradicts itself"""
MISSING = re.compile(r"key `([\w.]+)`: missing")
RECURRENCES = {
    RecurrentKind.MAMBA1: "Mamba 1", RecurrentKind.MAMBA2: "Mamba 2", RecurrentKind.GATED_DELTA: "gated delta rule",
    RecurrentKind.LINEAR: "linear attention", RecurrentKind.SHORT_CONV: "short convolution",
}  # fmt: skip
INTRODUCTION = """# Architectures

Every `model_type` of a `config.json` that is read, and what its layers are made of; a test keeps this page up to date
(`python scripts/make_architectures.py` writes it). {types} types are read, in {families} families. A type that is not
here is refused: its memory is not guessed.

- *Mixers* are what lets a token see others. Attention keeps keys and values of every token, or of those in a window;
  latent attention keeps one compressed vector; a recurrence keeps a state of constant size for each sequence; an
  encoder keeps nothing.
- *Windows*: whether layers can be windowed. Which ones are is read from the file (`sliding_window`, `layer_types`, the
  family's own keys), with the model class's defaults for what it leaves out.
- *Drafts*: whether layers of multi-token prediction are read from the checkpoint's description.
"""
EXCEPTIONS = """## What to know

- Keys that a file leaves out have the value of the model class that `transformers` releases, or of the published code
  for types that it does not have. Width, number of layers, number of heads and width of the MLP are never assumed.
- `null` differs from a missing key for `num_key_value_heads` (as many as heads), `head_dim` (width over heads),
  `sliding_window` (none), `q_lora_rank` and `kv_lora_rank` (not compressed).
- The context length is the one that vLLM derives: the smallest of the length keys, times the factor of a `linear` or
  `dynamic` RoPE scaling. `yarn` does not lengthen it in vLLM 0.32 and later; earlier releases multiplied the length
  before scaling. Under `longrope`, vLLM starts with `original_max_position_embeddings` unless `--max-model-len` asks
  for more, up to the length shown here.
- A window wider than the context is kept as a window: vLLM gives its layers a block table of their own.
- Cohere 2 counts the tokens before a token, so that its windows are one token wider in the engine than in the file.
- Encoders (BERT and its kin, EmbeddingGemma) keep no cache. What stands behind their layers (a pooler, a classifier, a
  head for masked words) follows from `architectures`; vLLM leaves out a pooler that it does not need.
- RoBERTa's position table starts behind the padding token, so that inputs are shorter than `max_position_embeddings`.
- A decoder whose file says `is_causal: false` is read as a decoder. An engine that runs it in both directions keeps no
  cache for it, so that the cache shown is an upper bound.
- A decoder published without its output matrix (`MistralModel`, for embeddings) is counted with it.
- GPT-2 stores its matrices transposed; they are listed as [out, in] like all others. Norms that StableLM and Cohere
  keep for each head are listed as one tensor of all heads.
- Encoder-decoder models (T5, BART, Whisper) are refused: they keep a cache of their input beside that of their output.
- Without a class in `transformers`, and read from published code and parameter counts instead: `aquila`, `baichuan`,
  `chatglm`, `internlm`, `internlm2`, `jais`, `mimo`, `minicpm`, `new`, `orion`, `plamo3`, `qwen`, `RefinedWeb`,
  `solar`, `step1`, `telechat`, `telechat3`, `TeleFLM`, `xverse`, `Yi`.
"""


def example(family: Family) -> dict[str, Any]:
    """Keys that make a file of this family, found by asking what is missing; as far as that leads."""
    keys: dict[str, Any] = {**SIZES, "model_type": family.model_types[0]}
    if family.style.layer_kinds:
        keys["layer_types"] = (["full_attention", *sorted(family.style.layer_kinds)] * LAYERS)[:LAYERS]
    keys |= OWN.get(family.model_types[0], {})
    for _ in range(60):
        try:
            read_config(keys, model_id="example")
        except DataError as error:
            missing = MISSING.search(error.message)
            if missing is None or missing[1] in keys:
                break
            keys[missing[1]] = LISTS.get(missing[1], 8)
        else:
            break
    return keys


def named(mixer: Mixer) -> str:
    """A mixer's kind in a few words."""
    match mixer:
        case GqaAttention():
            if mixer.encoder:
                return "attention in both directions"
            if mixer.cross:
                return "cross-attention"
            return "attention with an index" if mixer.indexer else "attention"
        case MlaAttention():
            return "latent attention with an index" if mixer.indexer else "latent attention"
        case CompressedAttention():
            return "compressed attention"
        case RecurrentMixer():
            return RECURRENCES[mixer.kind]


def made_of(family: Family) -> tuple[str, str]:
    """Mixers and feed-forwards of an example, or what the style says of them where none can be made."""
    style = family.style
    try:
        model = read_config(example(family), model_id="example")
    except DataError:
        kinds = ["latent attention" if style.latent else "attention", *(["recurrence"] if style.recurrent_of else [])]
        return ", ".join(kinds), "dense or experts" if style.moe else "dense"
    mixers = sorted({named(mixer) for mixer in model.mixers()})
    routed = {isinstance(group.feed_forward, MoeFeedForward) for group in model.layers if group.feed_forward}
    if routed == {True, False}:
        return ", ".join(mixers), "dense and experts"
    if routed == {True}:
        return ", ".join(mixers), "experts"
    return ", ".join(mixers), "dense or experts" if style.moe else "dense"


def row(family: Family) -> str:
    """A family's line of the table."""
    cells = (
        ", ".join(f"`{name}`" for name in family.model_types), *made_of(family),
        "" if family.style.windows is full else "yes", "yes" if family.draft else "", "; ".join(family.notes),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |".replace("  ", " ")


def page() -> str:
    """The whole page."""
    lines = [
        INTRODUCTION.format(types=len(known_types()), families=len(families())),
        "| model types | mixers | feed-forward | windows | drafts | note |", "|---|---|---|---|---|---|",
        *sorted((row(family) for family in families()), key=str.lower), "",
        "## Multimodal models", "",
        "The decoder is one of the above; encoders are counted with it where they are listed.", "",
        "| model type | decoder | encoders |", "|---|---|---|",
    ]  # fmt: skip
    for wrapper in sorted(WRAPPERS, key=lambda wrapper: wrapper.model_type.lower()):
        decoder = TEXT_TYPES.get(wrapper.text_type, wrapper.text_type)
        encoders = ", ".join(f"`{key}`" for key in wrapper.towers) or "not counted"
        lines.append(f"| `{wrapper.model_type}` | `{decoder}` | {encoders} |")
    return "\n".join([*lines, "", EXCEPTIONS])


if __name__ == "__main__":
    text = page()
    if "--check" in sys.argv[1:]:
        sys.exit(PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
