"""Vision encoders of Qwen2-VL, Qwen2.5-VL, Qwen3-VL and Qwen3.5: patches over time and space, merged 2 x 2.

The engines cut them by tensor parallelism as they do decoders. No file states how many tokens an image becomes at
most: that is a limit of the image processor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import GATED, MlpNames, QkvNames, linear, norm
from llmplan.catalogs.hf_config.normalize import MAX_HEADS, Config
from llmplan.catalogs.hf_config.towers.parts import (
    Layer,
    conv,
    head_count,
    layer_count,
    once,
    pair,
    section,
    side,
    stack,
    table,
    tower,
)
from llmplan.spec.model import Shard, Tensor, Tower

_ATTENTION: Final = QkvNames(fused="qkv", out="proj")
_QWEN2: Final = Layer(norms=("norm1", "norm2"), attention="attn", qkv=_ATTENTION)
_QWEN25: Final = Layer(norms=("norm1", "norm2"), norm_bias=False, attention="attn", qkv=_ATTENTION, mlp_names=GATED)
_QWEN3: Final = Layer(
    norms=("norm1", "norm2"), attention="attn", qkv=_ATTENTION,
    mlp_names=MlpNames(gate=None, up="linear_fc1", down="linear_fc2"),
)  # fmt: skip
_SHARED: Final[dict[str, Any]] = {
    "depth": 32, "num_heads": 16, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
}  # fmt: skip


def _patches(path: str, vision: Config, width: int, channels: str, *, bias: bool) -> list[Tensor]:
    """The embedding of patches: a convolution over frames, rows and columns."""
    patch = side(vision, "patch_size")
    kernel = (vision.integer("temporal_patch_size", high=64), patch, patch)
    return [*conv(f"{path}.patch_embed.proj", width, vision.integer(channels, high=64), *kernel, bias=bias)]


def _merged(vision: Config, width: int) -> int:
    """Features of the patches that become one token."""
    return width * vision.integer("spatial_merge_size", high=64) ** 2


def qwen2(config: Config, text: Config) -> Tower:
    """Qwen2-VL: `embed_dim` is the encoder's width, `hidden_size` the decoder's."""
    vision = section(
        config, "vision_config", {**_SHARED, "embed_dim": 1280, "hidden_size": 3584, "mlp_ratio": 4, "in_channels": 3}
    )  # fmt: skip
    path, width, layers = "visual", vision.integer("embed_dim"), layer_count(vision, "depth")
    inner = round(width * (vision.number(vision.values, "mlp_ratio", "vision_config") or 4))
    merged = _merged(vision, width)
    return tower(
        "vision", width, layers,
        once(_patches(path, vision, width, "in_channels", bias=False)),
        stack(layers, _QWEN2.build(f"{path}.blocks.{{i}}", width, inner)),
        once(
            norm(f"{path}.merger.ln_q", width, bias=True),
            pair(f"{path}.merger.mlp.0", f"{path}.merger.mlp.2", (merged, merged, vision.integer("hidden_size"))),
        ),
    )  # fmt: skip


def qwen25(config: Config, text: Config, path: str = "visual", *extra: Iterable[Tensor]) -> Tower:
    """Qwen2.5-VL and Qwen2.5-Omni: RMS norms and a gated feed-forward."""
    vision = section(
        config, "vision_config",
        {**_SHARED, "hidden_size": 3584, "intermediate_size": 3420, "out_hidden_size": 3584, "in_channels": 3},
    )  # fmt: skip
    width, layers = vision.integer("hidden_size"), layer_count(vision, "depth")
    merged, heads = _merged(vision, width), head_count(vision, "num_heads")
    kv = vision.optional_integer("num_key_value_heads", low=1, high=MAX_HEADS) or heads
    if width % heads:
        raise vision.fail("num_heads", f"{heads} does not divide hidden_size {width}")
    inner, kv_width = vision.integer("intermediate_size"), kv * (width // heads)
    return tower(
        "vision", width, layers,
        once(_patches(path, vision, width, "in_channels", bias=False)),
        stack(layers, _QWEN25.build(f"{path}.blocks.{{i}}", width, inner, kv_width=kv_width)),
        once(
            norm(f"{path}.merger.ln_q", width),
            pair(f"{path}.merger.mlp.0", f"{path}.merger.mlp.2", (merged, merged, vision.integer("out_hidden_size"))),
            *extra,
        ),
    )  # fmt: skip


def exaone45(config: Config, text: Config) -> Tower:
    """EXAONE 4.5: Qwen2.5-VL's with fewer key heads."""
    heads = {"num_key_value_heads": 8, **config.mapping("vision_config")}
    return qwen25(replace(config, values={**config.values, "vision_config": heads}), text, "model.visual")


def hyperclovax(config: Config, text: Config) -> Tower:
    """HyperCLOVA X Vision: Qwen2.5-VL's, and one more linear to the decoder."""
    out = section(config, "vision_config", {"out_hidden_size": 3584}).integer("out_hidden_size")
    last = linear("model.projector", text.hidden, out, Shard.REPLICATED, bias=True)
    return qwen25(config, text, "model.vision_model", last)


def qwen25_omni(config: Config, text: Config) -> Tower:
    """Qwen2.5-Omni: Qwen2.5-VL's."""
    return qwen25(config, text, "thinker.visual")


def _merger(path: str, normed: int, merged: int, out: int, names: tuple[str, str, str]) -> list[Tensor]:
    """A norm of `normed` features, then two linears from the merged patches to the decoder."""
    return [
        *norm(f"{path}.{names[0]}", normed, bias=True),
        *pair(f"{path}.{names[1]}", f"{path}.{names[2]}", (merged, merged, out)),
    ]  # fmt: skip


def qwen3(config: Config, text: Config) -> Tower:
    """Qwen3-VL, with further mergers for the layers whose features go into the decoder's first layers."""
    return _qwen3("model.visual", config, deepstack=True)


def qwen35(config: Config, text: Config) -> Tower:
    """Qwen3.5: Qwen3-VL's without the further mergers."""
    return _qwen3("model.visual", config, deepstack=False)


def qwen3_omni(config: Config, text: Config) -> Tower:
    """Qwen3-Omni: Qwen3-VL's under other names."""
    return _qwen3("thinker.visual", config, deepstack=True, names=("ln_q", "mlp.0", "mlp.2"), deeper="merger_list")


def _qwen3(
    path: str, config: Config, *, deepstack: bool,
    names: tuple[str, str, str] = ("norm", "linear_fc1", "linear_fc2"), deeper: str = "deepstack_merger_list",
) -> Tower:  # fmt: skip
    vision = section(
        config, "vision_config",
        {
            **_SHARED, "depth": 27, "patch_size": 16, "hidden_size": 1152, "intermediate_size": 4304,
            "out_hidden_size": 3584, "in_channels": 3, "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [8, 16, 24] if deepstack else [],
        },
    )  # fmt: skip
    width, layers, out = vision.integer("hidden_size"), layer_count(vision, "depth"), vision.integer("out_hidden_size")
    merged = _merged(vision, width)
    mergers = len(vision.items("deepstack_visual_indexes") or ()) if deepstack else 0
    return tower(
        "vision", width, layers,
        once(
            _patches(path, vision, width, "in_channels", bias=True),
            [table(f"{path}.pos_embed.weight", vision.integer("num_position_embeddings"), width)],
        ),
        stack(layers, _QWEN3.build(f"{path}.blocks.{{i}}", width, vision.integer("intermediate_size"))),
        once(_merger(f"{path}.merger", width, merged, out, names)),
        stack(mergers, _merger(f"{path}.{deeper}.{{i}}", merged, merged, out, names)),
    )  # fmt: skip
