"""MobileNet V5 (300M), the image encoder of Gemma 3n: its sizes are in the encoder's name, not in the file.

Four stages of convolutional blocks; the third and fourth end in multi-query attention and feed-forward by turns.
Reference: timm 1.0.31, `mobilenetv5_300m_enc`, 294,126,912 parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmplan.catalogs.hf_config.blocks import norm
from llmplan.catalogs.hf_config.towers.parts import Counted, conv, once, stack, table
from llmplan.spec.model import Tensor

OUTPUT: Final = 2048
LAYERS: Final = 84
_FIRST: Final = ((64, 256), (128, 512), (128, 512))
"""stage 0, all to 128 channels: input and expanded channels"""
_SECOND: Final = (5, 3, 5, 3)
"""stage 1 behind its first block: taps of the first convolution"""


def mobilenet_v5(path: str) -> tuple[Counted, ...]:
    """Every tensor of the encoder below `path`."""
    blocks = f"{path}.blocks"
    return (
        once(conv(f"{path}.conv_stem.conv", 64, 3, 3, 3), norm(f"{path}.conv_stem.bn", 64)),
        *(once(_edge(f"{blocks}.0.{i}", channels, wide)) for i, (channels, wide) in enumerate(_FIRST)),
        once(_inverted(f"{blocks}.1.0", 128, 256, 768, start=3, mid=5)),
        *(once(_inverted(f"{blocks}.1.{i}", 256, 256, 1024, start=taps)) for i, taps in enumerate(_SECOND, 1)),
        once(_inverted(f"{blocks}.2.0", 256, 640, 1536, start=5, mid=5)),
        stack(7, _inverted(f"{blocks}.2.{{i}}", 640, 640, 2560, start=5)),
        once(_inverted(f"{blocks}.2.8", 640, 640, 640)),
        stack(14, _attention(f"{blocks}.2.{{i}}", 640, 768, 64, pooled=True)),
        stack(14, _inverted(f"{blocks}.2.{{i}}", 640, 640, 1280)),
        once(_inverted(f"{blocks}.3.0", 640, 1280, 3840, start=5, mid=5)),
        stack(19, _attention(f"{blocks}.3.{{i}}", 1280, 1536, 96, pooled=False)),
        stack(19, _inverted(f"{blocks}.3.{{i}}", 1280, 1280, 2560)),
        once(
            _pointwise(f"{path}.msfa.ffn.pw_exp", 3840, 1920), _pointwise(f"{path}.msfa.ffn.pw_proj", OUTPUT, 3840),
            norm(f"{path}.msfa.norm", OUTPUT),
        ),
    )  # fmt: skip


def _pointwise(path: str, out: int, inputs: int) -> Iterator[Tensor]:
    """A convolution of one tap and its norm."""
    yield from conv(f"{path}.conv", out, inputs, 1, 1, bias=False)
    yield from norm(f"{path}.bn", out)


def _depthwise(path: str, channels: int, taps: int) -> Iterator[Tensor]:
    """A convolution of each channel alone and its norm; nothing where there are no taps."""
    if taps:
        yield from conv(f"{path}.conv", channels, 1, taps, taps, bias=False)
        yield from norm(f"{path}.bn", channels)


def _edge(path: str, channels: int, wide: int) -> Iterator[Tensor]:
    """A full convolution to more channels, and back to 128."""
    yield from conv(f"{path}.conv_exp", wide, channels, 3, 3, bias=False)
    yield from norm(f"{path}.bn1", wide)
    yield from conv(f"{path}.conv_pwl", 128, wide, 1, 1, bias=False)
    yield from norm(f"{path}.bn2", 128)


def _inverted(path: str, channels: int, out: int, wide: int, *, start: int = 0, mid: int = 0) -> Iterator[Tensor]:
    """Expand, filter each channel, and contract: the universal inverted bottleneck."""
    yield from _depthwise(f"{path}.dw_start", channels, start)
    yield from _pointwise(f"{path}.pw_exp", wide, channels)
    yield from _depthwise(f"{path}.dw_mid", wide, mid)
    yield from _pointwise(f"{path}.pw_proj", out, wide)
    yield table(f"{path}.layer_scale.gamma", out)


def _attention(path: str, channels: int, queries: int, head: int, *, pooled: bool) -> Iterator[Tensor]:
    """Multi-query attention; keys and values from a coarser image where `pooled`."""
    yield from norm(f"{path}.norm", channels)
    yield from conv(f"{path}.attn.query.proj", queries, channels, 1, 1, bias=False)
    for name in ("key", "value"):
        if pooled:
            yield from conv(f"{path}.attn.{name}.down_conv", channels, 1, 3, 3, bias=False)
            yield from norm(f"{path}.attn.{name}.norm", channels)
        yield from conv(f"{path}.attn.{name}.proj", head, channels, 1, 1, bias=False)
    yield from conv(f"{path}.attn.output.proj", channels, queries, 1, 1, bias=False)
    yield table(f"{path}.layer_scale.gamma", channels)
