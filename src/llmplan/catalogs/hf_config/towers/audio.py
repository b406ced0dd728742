"""Encoders of sound: Whisper's, which Qwen2-Audio, Qwen2.5-Omni, Voxtral and others have, and Qwen3-Omni's.

Whisper's layer gives keys no bias. Two convolutions over mel bands come first, the second at half the rate.
"""

from __future__ import annotations

from typing import Final

from llmplan.catalogs.hf_config.blocks import QkvNames, norm
from llmplan.catalogs.hf_config.normalize import MAX_HEADS, MAX_LAYERS, Config
from llmplan.catalogs.hf_config.towers.parts import (
    PLAIN,
    Counted,
    Layer,
    conv,
    head_count,
    once,
    pair,
    project,
    section,
    stack,
    table,
    tower,
)
from llmplan.spec.model import Tensor, Tower

_NORMS: Final = ("self_attn_layer_norm", "final_layer_norm")
WHISPER: Final = Layer(norms=_NORMS, key_bias=False, mlp="", mlp_names=PLAIN)
_QWEN3: Final = Layer(norms=_NORMS, mlp="", mlp_names=PLAIN)
_GLM: Final = Layer(norms=("input_layernorm", "post_attention_layernorm"), key_bias=False, qkv=QkvNames())
_PLAIN_KEYS: Final = {
    "num_mel_bins": 128, "hidden_size": 1280, "num_hidden_layers": 32, "intermediate_size": 5120,
    "max_source_positions": 1500,
}  # fmt: skip
_WHISPER_KEYS: Final = {
    "num_mel_bins": 128, "d_model": 1280, "encoder_layers": 32, "encoder_ffn_dim": 5120, "max_source_positions": 1500,
}  # fmt: skip


def _layers(audio: Config) -> int:
    key = "num_hidden_layers" if audio.has("num_hidden_layers") else "encoder_layers"
    return audio.integer(key, high=MAX_LAYERS)


def _bands(path: str, audio: Config, width: int) -> list[Tensor]:
    """The two convolutions."""
    return [
        *conv(f"{path}.conv1", width, audio.integer("num_mel_bins"), 3), *conv(f"{path}.conv2", width, width, 3)
    ]  # fmt: skip


def _whisper(path: str, audio: Config, width: int, inner: int) -> tuple[Counted, ...]:
    return (
        once(
            _bands(path, audio, width),
            [table(f"{path}.embed_positions.weight", audio.integer("max_source_positions"), width)],
        ),
        stack(_layers(audio), WHISPER.build(f"{path}.layers.{{i}}", width, inner)),
        once(norm(f"{path}.layer_norm", width, bias=True)),
    )


def qwen2_audio(config: Config, text: Config) -> Tower:
    """Qwen2-Audio: 30 seconds are 1,500 frames, averaged in pairs."""
    audio = section(config, "audio_config", _WHISPER_KEYS)
    width, inner = audio.integer("d_model"), audio.integer("encoder_ffn_dim")
    return tower(
        "audio", width, _layers(audio), *_whisper("audio_tower", audio, width, inner),
        once(project("multi_modal_projector.linear", text.hidden, width, bias=True)),
        item_tokens=max(1, audio.integer("max_source_positions") // 2),
    )  # fmt: skip


def voxtral(config: Config, text: Config) -> Tower:
    """Voxtral: four frames are one token."""
    audio = section(config, "audio_config", _PLAIN_KEYS)
    width, inner = audio.integer("hidden_size"), audio.integer("intermediate_size")
    path = "multi_modal_projector"
    return tower(
        "audio", width, _layers(audio), *_whisper("audio_tower", audio, width, inner),
        once(pair(f"{path}.linear_1", f"{path}.linear_2", (inner, text.hidden, text.hidden), bias=False)),
        item_tokens=max(1, audio.integer("max_source_positions") * width // inner),
    )  # fmt: skip


def qwen25_omni(config: Config, text: Config) -> Tower:
    """Qwen2.5-Omni: Whisper's layers in windows, with learned tokens around a clip."""
    audio = section(config, "audio_config", {**_WHISPER_KEYS, "output_dim": 3584})
    path, width, out = "thinker.audio_tower", audio.integer("d_model"), audio.integer("output_dim")
    layers = _layers(audio)
    return tower(
        "audio", width, layers,
        once(_bands(path, audio, width), [table(f"{path}.audio_bos_eos_token.weight", 2, out)]),
        stack(layers, WHISPER.build(f"{path}.layers.{{i}}", width, audio.integer("encoder_ffn_dim"))),
        once(norm(f"{path}.ln_post", width, bias=True), project(f"{path}.proj", out, width, bias=True)),
    )  # fmt: skip


def qwen3_omni(config: Config, text: Config) -> Tower:
    """Qwen3-Omni: three convolutions, each halving bands and frames."""
    keys = {**_WHISPER_KEYS, "output_dim": 3584, "downsample_hidden_size": 480}
    path = "thinker.audio_tower"
    return _qwen3(path, section(config, "audio_config", keys), f"{path}.proj1", f"{path}.proj2")


def qwen3_asr(config: Config, text: Config) -> Tower:
    """Qwen3-ASR: the same encoder, smaller, with its projector outside."""
    keys = {
        **_WHISPER_KEYS, "d_model": 1024, "encoder_layers": 24, "encoder_ffn_dim": 4096, "output_dim": 3584,
        "downsample_hidden_size": 480,
    }  # fmt: skip
    at = "model.multi_modal_projector"
    return _qwen3(
        "model.audio_tower", section(config, "audio_config", keys), f"{at}.linear_1", f"{at}.linear_2"
    )  # fmt: skip


def _qwen3(path: str, audio: Config, first: str, second: str) -> Tower:
    width, layers, middle = audio.integer("d_model"), _layers(audio), audio.integer("downsample_hidden_size")
    bands = audio.integer("num_mel_bins")
    for _ in range(3):
        bands = (bands + 1) // 2
    return tower(
        "audio", width, layers,
        once(
            conv(f"{path}.conv2d1", middle, 1, 3, 3),
            conv(f"{path}.conv2d2", middle, middle, 3, 3),
            conv(f"{path}.conv2d3", middle, middle, 3, 3),
            project(f"{path}.conv_out", width, middle * bands),
        ),
        stack(layers, _QWEN3.build(f"{path}.layers.{{i}}", width, audio.integer("encoder_ffn_dim"))),
        once(
            norm(f"{path}.ln_post", width, bias=True),
            pair(first, second, (width, width, audio.integer("output_dim"))),
        ),
    )  # fmt: skip


def audio_flamingo(config: Config, text: Config) -> Tower:
    """Audio Flamingo 3: Whisper, averaged in pairs, two linears."""
    audio = section(config, "audio_config", _PLAIN_KEYS)
    width, path = audio.integer("hidden_size"), "multi_modal_projector"
    return tower(
        "audio", width, _layers(audio), *_whisper("audio_tower", audio, width, audio.integer("intermediate_size")),
        once(pair(f"{path}.linear_1", f"{path}.linear_2", (width, text.hidden, text.hidden))),
        item_tokens=max(1, audio.integer("max_source_positions") // 2),
    )  # fmt: skip


def glm_asr(config: Config, text: Config) -> Tower:
    """GLM-ASR: rotary positions; four frames are one token."""
    audio = section(config, "audio_config", _PLAIN_KEYS)
    path, width, inner = "audio_tower", audio.integer("hidden_size"), audio.integer("intermediate_size")
    layers, at = _layers(audio), "multi_modal_projector"
    heads = head_count(section(config, "audio_config", {"num_attention_heads": 20}))
    kv = audio.optional_integer("num_key_value_heads", low=1, high=MAX_HEADS) or heads
    if width % heads:
        raise audio.fail("num_attention_heads", f"{heads} does not divide hidden_size {width}")
    return tower(
        "audio", width, layers, once(_bands(path, audio, width)),
        stack(layers, _GLM.build(f"{path}.layers.{{i}}", width, inner, kv_width=kv * (width // heads))),
        once(
            norm(f"{path}.norm", width, bias=True),
            pair(f"{at}.linear_1", f"{at}.linear_2", (inner, 2 * text.hidden, text.hidden)),
        ),
    )  # fmt: skip
