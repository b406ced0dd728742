"""What encoders are built of: a section of the file with its class defaults, and stacks of equal layers.

A layer of an encoder has two norms, attention that sees every patch or frame, and a feed-forward; the files here say
the modules' names and sizes. Attention and feed-forward are cut by tensor parallelism as in a decoder, unless the
engine runs the encoder as the library has it: then every rank has all of it (`whole`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from llmplan.catalogs.hf_config.blocks import MlpNames, QkvNames, linear, mlp, norm
from llmplan.catalogs.hf_config.normalize import MAX_HEADS, MAX_LAYERS, MAX_TOKENS, Config
from llmplan.spec.model import Shard, Tensor, TensorRole, Tower

Counted: TypeAlias = Iterable[tuple[int, Tensor]]
"""pairs of a number of equal layers and one layer's tensor"""

PLAIN: Final = MlpNames(gate=None, up="fc1", down="fc2")
_QKV: Final = QkvNames(out="out_proj")
MAX_SIDE: Final = 2**16
"""pixels or patches along one side of an image"""


def section(config: Config, key: str, defaults: Mapping[str, Any]) -> Config:
    """A nested part of the file; `defaults` are the class's own for keys that files leave out."""
    stated = {name: value for name, value in config.mapping(key).items() if value is not None}
    return Config(where=f"{config.where}: {key}", values={**defaults, **stated})


def side(config: Config, key: str) -> int:
    """A length in pixels or patches: a number, or the first of a list."""
    stated = config.values.get(key)
    if isinstance(stated, list | tuple) and stated:
        config = replace(config, values={**config.values, key: stated[0]})
    return config.integer(key, high=MAX_SIDE)


def grid(config: Config, image: str = "image_size", patch: str = "patch_size") -> int:
    """Patches of a square image."""
    along = side(config, image) // side(config, patch)
    if not along:
        raise config.fail(patch, "a patch is larger than the image")
    return along**2


def layer_count(config: Config, key: str = "num_hidden_layers") -> int:
    """Layers of an encoder."""
    return config.integer(key, high=MAX_LAYERS)


def head_count(config: Config, key: str = "num_attention_heads") -> int:
    """Attention heads of an encoder."""
    return config.integer(key, high=MAX_HEADS)


def once(*groups: Iterable[Tensor]) -> Counted:
    """Tensors outside the layers."""
    return [(1, tensor) for group in groups for tensor in group]


def stack(count: int, *groups: Iterable[Tensor]) -> Counted:
    """Tensors of each of `count` equal layers."""
    return [(count, tensor) for group in groups for tensor in group] if count else []


def tower(
    kind: Literal["vision", "audio"], width: int, layers: int, *parts: Counted,
    whole: bool = False, item_tokens: int | None = None,
) -> Tower:  # fmt: skip
    """An encoder of `layers` layers of `width`; `whole`: every rank has all of it."""
    tensors = tuple(pair for part in parts for pair in part)
    if whole:
        tensors = tuple((count, replace(tensor, shard=Shard.REPLICATED)) for count, tensor in tensors)
    return Tower(
        kind=kind, hidden_size=width, layer_count=layers, max_item_tokens=item_tokens, tensors=tensors
    )  # fmt: skip


def table(path: str, *shape: int) -> Tensor:
    """Learned numbers that are no layer: positions, class tokens, latents, gates. `path` is the tensor's own name."""
    return Tensor(name=path, shape=shape, role=TensorRole.OTHER, shard=Shard.REPLICATED)


def conv(path: str, out: int, inputs: int, *kernel: int, bias: bool = True) -> Iterator[Tensor]:
    """A convolution [out, in, *kernel]; on every rank, never quantized."""
    yield Tensor(name=f"{path}.weight", shape=(out, inputs, *kernel), role=TensorRole.CONV, shard=Shard.REPLICATED)
    if bias:
        yield Tensor(name=f"{path}.bias", shape=(out,), role=TensorRole.CONV, shard=Shard.REPLICATED)


def project(path: str, out: int, inputs: int, *, bias: bool = False) -> Iterator[Tensor]:
    """A linear that every rank has."""
    return linear(path, out, inputs, Shard.REPLICATED, bias=bias)


def pair(first: str, second: str, widths: tuple[int, int, int], *, bias: bool = True) -> Iterator[Tensor]:
    """Two linears with an activation between, cut like a feed-forward: widths are input, middle, output."""
    yield from linear(first, widths[1], widths[0], Shard.COLUMN, bias=bias)
    yield from linear(second, widths[2], widths[1], Shard.ROW, bias=bias)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Names of one encoder layer, below its path, and which of its projections have a bias."""

    norms: tuple[str, ...] = ("layer_norm1", "layer_norm2")
    norm_bias: bool = True
    attention: str = "self_attn"
    qkv: QkvNames = _QKV
    qkv_bias: bool = True
    key_bias: bool = True
    """a bias of the keys, where queries and values have one (Whisper: not)"""
    out_bias: bool = True
    mlp: str = "mlp"
    mlp_names: MlpNames = PLAIN
    mlp_bias: bool = True

    def build(
        self, path: str, width: int, inner: int, *,
        heads_width: int | None = None, kv_width: int | None = None, extra: Iterable[Tensor] = (),
    ) -> list[Tensor]:  # fmt: skip
        """The tensors of a layer of `width` with a feed-forward of `inner`.

        `heads_width` and `kv_width` are the widths of all query and of all key heads, the layer's unless given.
        """
        queries = heads_width or width
        keys = kv_width or queries
        at = f"{path}.{self.attention}" if self.attention else path
        tensors = [tensor for name in self.norms for tensor in norm(f"{path}.{name}", width, bias=self.norm_bias)]
        if self.qkv.fused is not None:
            tensors += linear(f"{at}.{self.qkv.fused}", queries + 2 * keys, width, Shard.COLUMN, bias=self.qkv_bias)
        else:
            key_bias = self.qkv_bias and self.key_bias
            tensors += linear(f"{at}.{self.qkv.q}", queries, width, Shard.COLUMN, bias=self.qkv_bias)
            tensors += linear(f"{at}.{self.qkv.k}", keys, width, Shard.KV_COLUMN, bias=key_bias)
            tensors += linear(f"{at}.{self.qkv.v}", keys, width, Shard.KV_COLUMN, bias=self.qkv_bias)
        tensors += linear(f"{at}.{self.qkv.out}", width, queries, Shard.ROW, bias=self.out_bias)
        if inner:
            tensors += mlp(
                f"{path}.{self.mlp}" if self.mlp else path, width, inner, self.mlp_names, bias=self.mlp_bias
            )  # fmt: skip
        return [*tensors, *extra]


def tokens_along(config: Config, key: str) -> int | None:
    """A number of tokens that the file may state."""
    return config.optional_integer(key, low=1, high=MAX_TOKENS)


def two_sizes(config: Config, key: str) -> tuple[int, int]:
    """A list of two whole numbers."""
    stated = config.items(key) or ()
    sizes = [n for n in stated if isinstance(n, int) and not isinstance(n, bool) and 0 < n <= MAX_SIDE]
    if len(stated) != 2 or len(sizes) != 2:
        raise config.fail(key, f"expected two whole numbers from 1 to {MAX_SIDE}")
    return sizes[0], sizes[1]
