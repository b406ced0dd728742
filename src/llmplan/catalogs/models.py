"""`models/<org>--<name>.yaml` -> ModelSpec, through the same reader as a config.json: they cannot disagree.

A profile states the architecture under the names that Hugging Face uses: numbers under `figures`, everything else
under `architecture`. A dotted figure (`rope_scaling.factor`) belongs into a nested object.

```yaml
id: meta-llama/Llama-3.1-8B-Instruct
aliases: [llama-3.1-8b]
defaults: {source: config, as_of: 2026-11-25, kind: published}
architecture: {model_type: llama, architectures: [LlamaForCausalLM], torch_dtype: bfloat16, tie_word_embeddings: false}
figures: {hidden_size: 4096, num_hidden_layers: 32, ...}
sources: {config: {title: "...", url: "..."}}
```
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Final, TypeAlias

from pydantic import field_validator, model_validator
from pydantic_core import PydanticCustomError

from llmplan.catalogs.entity_file import EntityFile, Figure, Strict, Text, complain
from llmplan.catalogs.hf_config import read_config
from llmplan.catalogs.library import Library
from llmplan.catalogs.model_keys import MORE_FACTS, MORE_FIGURES
from llmplan.catalogs.yaml_file import Key, validate
from llmplan.errors import DataError
from llmplan.spec.model import ModelSpec
from llmplan.spec.provenance import FigureKind, Provenance

_HUB_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_ROPE: Final = ("rope_scaling.factor", "rope_scaling.original_max_position_embeddings")
UNCOUNTED: Final = "uncounted_parameters"
"""The one figure that no config.json has: parameters of an encoder of a kind that is not read."""

ENCODERS: Final = ("vision_config", "audio_config", "img_processor", "perceiver_config", "projector_config")
"""parts of a file that describe an encoder of images or sound, kept as they are nested"""

Plain: TypeAlias = str | bool | int | list[Any] | dict[str, Any] | None


class Fact(Strict):
    """An architecture entry that is not a number, with a source of its own."""

    value: Plain
    source: Text | None = None
    kind: FigureKind | None = None
    as_of: date | None = None
    note: Text | None = None


class ModelFile(EntityFile):
    """One model."""

    KNOWN_FIGURES: ClassVar[tuple[str, ...]] = (
        "hidden_size", "n_embd", "d_model", "intermediate_size", "ffn_hidden_size", "n_inner", "expansion_ratio",
        "num_hidden_layers", "num_layers", "n_layer", "n_layers", "num_attention_heads", "n_head", "n_heads",
        "num_key_value_heads", "multi_query_group_num", "num_kv_heads", "head_dim", "kv_channels",
        "vocab_size", "padded_vocab_size", "max_position_embeddings", "n_positions", "seq_length", "max_seq_len",
        "max_sequence_length", "model_max_length", *_ROPE,
        "sliding_window", "sliding_window_pattern", "max_window_layers", "attention_chunk_size",
        "num_experts", "num_local_experts", "n_routed_experts", "num_experts_per_tok", "moe_intermediate_size",
        "n_shared_experts", "shared_expert_intermediate_size", "intermediate_size_mlp", "first_k_dense_replace",
        "moe_layer_freq", "decoder_sparse_step", "interleave_moe_layer_step", "num_nextn_predict_layers",
        "num_mtp_modules", UNCOUNTED,
        "kv_lora_rank", "q_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim",
        "mm_tokens_per_image", "vision_soft_tokens_per_image", "audio_soft_tokens_per_image", "image_seq_length",
        "max_image_tokens", "spatial_merge_size", "downsample_factor", "downsample_ratio", "scale_factor",
        "projector_hidden_size", "alignment_intermediate_size", "out_hidden_size", *MORE_FIGURES,
    )  # fmt: skip
    KNOWN_FACTS: ClassVar[tuple[str, ...]] = (
        "model_type", "architectures", "torch_dtype", "tie_word_embeddings", "hidden_act", "attention_bias",
        "mlp_bias", "bias", "use_qk_norm", "use_qkv_bias", "lm_head_bias", "add_qkv_bias", "add_bias_linear",
        "multi_query", "multi_query_attention", "new_decoder_architecture", "parallel_attn", "use_parallel_residual",
        "use_sliding_window", "sliding_window", "sliding_window_pattern", "q_lora_rank", "layer_types",
        "rope_scaling", "quantization_config", "expert_dtype", *ENCODERS, "multimodal_projector_bias", "projector_bias",
        "projector_use_layernorm", "vision_feature_layer", "vision_feature_layers", *MORE_FACTS,
    )  # fmt: skip

    architecture: dict[str, Fact | Plain]

    @classmethod
    def accepts_id(cls, value: str) -> bool:
        """A Hub id: an owner, a slash and a name."""
        return _HUB_ID.fullmatch(value) is not None

    @field_validator("id")
    @classmethod
    def _id_is_plain(cls, value: str) -> str:
        if not cls.accepts_id(value):
            raise PydanticCustomError("file", "a model's id is its Hub id, owner/name")
        return value

    @model_validator(mode="after")
    def _figures_are_meaningful(self) -> ModelFile:
        for name, figure in self.figures.items():
            if name not in self.KNOWN_FIGURES:
                raise complain(
                    ("figures", name), f"not a figure of a model; known are {', '.join(self.KNOWN_FIGURES)}"
                )  # fmt: skip
            if (figure.value if isinstance(figure, Figure) else figure) < 0:
                raise complain(("figures", name), "is negative")
            self.provenance(name)
        for name in self.architecture:
            if name not in self.KNOWN_FACTS:
                raise complain(
                    ("architecture", name), f"not a fact of a model; known are {', '.join(self.KNOWN_FACTS)}"
                )  # fmt: skip
            self.provenance(name)
        return self

    def cited(self) -> Iterator[tuple[tuple[Key, ...], str]]:
        """Also the sources of facts."""
        yield from super().cited()
        for name, fact in self.architecture.items():
            if isinstance(fact, Fact) and fact.source is not None:
                yield ("architecture", name, "source"), fact.source

    def dated(self) -> Iterator[tuple[tuple[Key, ...], date]]:
        """Also the dates of facts."""
        yield from super().dated()
        for name, fact in self.architecture.items():
            if isinstance(fact, Fact) and fact.as_of is not None:
                yield ("architecture", name, "as_of"), fact.as_of

    def provenance(self, name: str) -> Provenance:
        """Source, date and kind of a figure or of a fact.

        Where a file extends another there are no defaults; a fact is then from where the first figure is.
        """
        if name in self.figures:
            return super().provenance(name)
        fact = self.architecture[name]
        own = fact if isinstance(fact, Fact) else Fact(value=fact)
        if own.source is None and self.defaults.source is None and self.figures:
            first = super().provenance(next(iter(self.figures)))
            return replace(first, kind=own.kind or first.kind, note=own.note)
        return self.cite(("architecture", name), own.source, own.as_of, own.kind, own.note)

    def config(self) -> dict[str, Any]:
        """The keys as a config.json has them."""
        config: dict[str, Any] = {
            name: fact.value if isinstance(fact, Fact) else fact for name, fact in self.architecture.items()
        }  # fmt: skip
        for name, figure in self.figures.items():
            value = figure.value if isinstance(figure, Figure) else figure
            whole = int(value) if float(value).is_integer() else value
            outer, _, inner = name.rpartition(".")
            if outer:
                config[outer] = {**config.get(outer, {}), inner: whole}
            else:
                config[name] = whole
        return config


def load_models(layers: Sequence[Path]) -> Mapping[str, ModelSpec]:
    """The models of the catalogue by Hub id or alias, in any case. Only the file that is asked for is read."""
    return ModelLibrary(layers)


def _whole(value: Any) -> int | None:
    if value is not None and not isinstance(value, int):
        raise DataError(f"figure `{UNCOUNTED}`: expected a whole number, got {value!r}")
    return value


def _load(data: dict[str, Any], path: Path) -> ModelSpec:
    file = validate(data, ModelFile, path)
    try:
        config = file.config()
        spec = read_config(config, model_id=file.id, uncounted_parameters=_whole(config.pop(UNCOUNTED, None)))
    except DataError as error:
        raise type(error)(f"{path}: {error.message}", hints=error.hints) from None
    provenance = {name: file.provenance(name) for name in (*file.architecture, *file.figures)}
    return replace(spec, aliases=tuple(file.aliases), provenance=provenance)


class ModelLibrary(Library[ModelSpec]):
    """Models by Hub id or alias. An alias that is the Hub id of other weights (a base model, a newer revision) gives
    the same architecture under its own id, so that what is launched and priced is what was asked for."""

    def __init__(self, layers: Sequence[Path]) -> None:
        super().__init__(layers, "models", _load, kind="model")
        self._siblings: dict[str, ModelSpec] = {}

    def __getitem__(self, name: str) -> ModelSpec:
        spec = super().__getitem__(name)
        sibling = sibling_id(spec, name)
        if sibling is None:
            return spec
        return self._siblings.setdefault(sibling, replace(spec, id=sibling, aliases=(spec.id,)))


def sibling_id(spec: ModelSpec, name: str) -> str | None:
    """The Hub id among a model's aliases that a name means, if it means other weights than the model's own."""
    wanted = name.casefold()
    own = spec.id.casefold()
    if wanted == own or own.rpartition("/")[2].startswith(wanted):
        return None
    hub_ids = (alias for alias in spec.aliases if "/" in alias)
    return next((alias for alias in hub_ids if wanted in (alias.casefold(), alias.casefold().rpartition("/")[2])), None)
