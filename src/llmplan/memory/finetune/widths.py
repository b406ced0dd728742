"""What one layer computes per token, read off the shapes of its tensors: the widths that a backward pass keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from llmplan.spec.model import LayerGroup, ModelSpec, MoeFeedForward, Shard, Tensor, TensorRole

MATRICES = (TensorRole.LINEAR, TensorRole.EXPERT)
GATED_RATIO = 1.5
"""a feed-forward whose first matrices put out this many times what the last one takes in is gated"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerWidths:
    """Numbers per token of one of `count` equal layers; experts count as often as they run."""

    count: int
    hidden: int
    plain_norms: int
    """widths of the layer norms, which keep their input as it is"""
    rms_norms: int
    """widths of the RMS norms, which keep it in 32 bit"""
    mixer_out: float
    """queries, keys and values, or what a recurrence starts from"""
    mixer_in: float
    """what the mixer's last projection takes in"""
    feed_out: float
    """gate and up projection"""
    feed_in: float
    """what the down projection takes in"""
    inputs: float
    """distinct inputs of the layer's matrices"""
    gated: bool

    @property
    def feed_kept(self) -> float:
        """What a feed-forward keeps with its weights frozen: gate, up and activated gate, or the one pre-activation."""
        return self.feed_out + (self.feed_in if self.gated else 0.0)


def layer_widths(model: ModelSpec) -> Iterator[LayerWidths]:
    """The widths of every group of layers."""
    for group in model.layers:
        yield _widths(group, model.hidden_size)


def _widths(group: LayerGroup, hidden: int) -> LayerWidths:
    feed = tuple(group.feed_forward.tensors) if group.feed_forward is not None else ()
    ours = {id(tensor) for tensor in feed}
    norms = {id(tensor) for tensor in group.norms}
    mixers = [tensor for tensor in group.tensors() if id(tensor) not in ours and id(tensor) not in norms]
    mixer_out, mixer_in = _through(mixers, hidden, 1.0)
    runs = _runs(group)
    dense_out, dense_in = _through([each for each in feed if each.role is TensorRole.LINEAR], hidden, 1.0)
    routed_out, routed_in = _through([each for each in feed if each.role is TensorRole.EXPERT], hidden, runs)
    feed_out, feed_in = dense_out + routed_out, dense_in + routed_in
    plain, rms = _norms(group, mixers, hidden)
    entries = (hidden if mixer_out else 0) + hidden * ((1 if dense_out else 0) + (runs if routed_out else 0))
    return LayerWidths(
        count=group.count, hidden=hidden, plain_norms=plain, rms_norms=rms, mixer_out=mixer_out, mixer_in=mixer_in,
        feed_out=feed_out, feed_in=feed_in, inputs=entries + mixer_in + feed_in, gated=feed_out > GATED_RATIO * feed_in,
    )  # fmt: skip


def _runs(group: LayerGroup) -> float:
    """How many of the stored experts work on a token."""
    feed = group.feed_forward
    return float(feed.experts_per_token) if isinstance(feed, MoeFeedForward) else 1.0


def _through(tensors: Iterable[Tensor], hidden: int, runs: float) -> tuple[float, float]:
    """Widths put out by the first matrices of a block, and taken in by its last."""
    matrices = [each for each in tensors if each.role in MATRICES and len(each.shape) >= 2 and not each.buffer]
    last = _last(matrices, hidden)
    out = sum(each.shape[-2] for each in matrices if id(each) not in last)
    return out * runs, sum(each.shape[-1] for each in matrices if id(each) in last) * runs


def _last(matrices: list[Tensor], hidden: int) -> set[int]:
    """The matrices that lead back to the residual stream: those marked as divided by rows, else the last one that puts
    out the hidden size, else the last."""
    rows = {id(each) for each in matrices if each.shard is Shard.ROW}
    if not rows and matrices:
        back = [each for each in matrices if each.shape[-2] == hidden] or matrices
        rows = {id(back[-1])}
    return rows


def _norms(group: LayerGroup, mixers: list[Tensor], hidden: int) -> tuple[int, int]:
    """Widths under layer norms (they have a bias) and under RMS norms; a norm of heads covers all that is put out."""
    stream = [each for each in group.norms if each.role in (TensorRole.NORM, TensorRole.BIAS)]
    biases = sum(each.name.endswith("bias") for each in stream)
    weights = [each for each in stream if not each.name.endswith("bias")]
    heads = [each for each in mixers if each.role is TensorRole.NORM and not each.name.endswith("bias")]
    over_heads = int(_through(mixers, hidden, 1.0)[0]) if heads else 0
    whole = sum(each.shape[-1] for each in weights)
    return (whole, over_heads) if biases else (0, whole + over_heads)
