"""A model's inventory with the exact bytes of its files put in, and what the two do not have in common."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from llmplan.catalogs.checkpoint.entries import DECODER, DRAFT, Entry, entries, with_bytes
from llmplan.catalogs.checkpoint.header import Checkpoint, Read, clip
from llmplan.catalogs.checkpoint.matching import Matching, match
from llmplan.catalogs.checkpoint.prefixes import Key
from llmplan.catalogs.checkpoint.slots import Placed
from llmplan.catalogs.checkpoint.stored_format import file_format, header_format, plain_type
from llmplan.catalogs.hf_config.uncounted import tower_note
from llmplan.errors import DataError
from llmplan.spec.model import Draft, ModelSpec
from llmplan.spec.provenance import Provenance, Source
from llmplan.spec.tensor import Shard, Tensor, TensorRole
from llmplan.units import GB

_SMALL_SHARE: Final = 1e-3
"""share of the weights up to which vectors may be missing: a key that says there is a bias, and there is none"""
_DRAFTING: Final = re.compile(r"(^|\.)(mtp|nextn)\b")
_NAMED: Final = 4
Held: TypeAlias = Mapping[Key, set[int | None]]
"""module and kind -> the layers of it that the files hold"""


def attach(model: ModelSpec, checkpoint: Checkpoint) -> Read:
    """The model with each tensor's stored bytes.

    Where the layers of a group store different amounts each has their average, so that the group's total is exact.
    Tensors that the config does not describe become buffers of the model: counted with the checkpoint, no parameters.
    Weights that it describes and the files lack are refused, but for what a checkpoint may leave out: an output matrix
    that is the embedding, towers, drafting layers, and vectors that weigh next to nothing.
    """
    described = model
    found = match(model, checkpoint)
    model, dropped = _without_missing(model, found, checkpoint.where)
    model = with_bytes(model, found.bytes_per_layer() | dropped.bytes)
    model = _with_format(model, checkpoint, found)
    model = _with_unmatched(model, found.unmatched)
    notes = (*_notes_that_hold(described, model), *dropped.notes, *_unmatched_notes(found.unmatched))
    provenance = {**model.provenance, "checkpoint_bytes": _origin(checkpoint)}
    return Read(
        model=replace(model, notes=notes, provenance=provenance), files=len(checkpoint.files),
        tensors=len(checkpoint.tensors), stored_bytes=checkpoint.stored_bytes,
        unmatched=tuple(item.tensor for item in found.unmatched),
    )  # fmt: skip


class _Dropped:
    """What the files lack: bytes (none) by identity, and what is said of it."""

    def __init__(self) -> None:
        self.bytes: dict[tuple[int, int], float] = {}
        self.notes: list[str] = []


def _without_missing(model: ModelSpec, found: Matching, where: str) -> tuple[ModelSpec, _Dropped]:
    """The model without what its files may lack; anything else that is missing is refused."""
    dropped = _Dropped()
    parts: dict[str, list[Entry]] = defaultdict(list)
    for entry in found.missing:
        parts[entry.part].append(entry)
        dropped.bytes[entry.group, id(entry.tensor)] = 0.0
    lacking = parts.pop(DECODER, [])
    if any(entry.tensor.role is TensorRole.HEAD for entry in lacking):
        model = replace(
            model, tied_embeddings=True, globals=tuple(t for t in model.globals if t.role is not TensorRole.HEAD)
        )  # fmt: skip
        dropped.notes.append("the files hold no output matrix: the embedding serves as one")
        lacking = [entry for entry in lacking if entry.tensor.role is not TensorRole.HEAD]
    held = _held_layers(found.unmatched)
    _demand_negligible(lacking, model, held, where)
    if lacking:
        names = _names(_lacking_names(lacking, held))
        dropped.notes.append(f"not in the files, though the config describes them: {names}")
    sizes: dict[str, int] = defaultdict(int)
    for entry in entries(model):
        sizes[entry.part] += 1
    for part, missing in parts.items():
        if len(missing) == sizes[part]:
            model = _without_part(model, part)
            dropped.notes.append(f"the files hold no {_PART_NAMES.get(part, part)}")
    return model, dropped


_PART_NAMES: Final = {DRAFT: "layers for drafting tokens (multi-token prediction)"}


def _without_part(model: ModelSpec, part: str) -> ModelSpec:
    if part == DRAFT:
        return replace(model, draft=None)
    kept = tuple(
        tower for number, tower in enumerate(model.towers) if f"{tower.kind} tower {number + 1}" != part
    )  # fmt: skip
    return replace(model, towers=kept)


def _demand_negligible(lacking: Sequence[Entry], model: ModelSpec, held: Held, where: str) -> None:
    """Refuse a config that describes weights which the files do not hold."""
    allowed = _SMALL_SHARE * model.text_parameters
    vectors = sum(entry.elements for entry in lacking if len(entry.tensor.shape) < 2)
    wrong = [e for e in lacking if not e.tensor.buffer and (len(e.tensor.shape) > 1 or vectors > allowed)]
    if wrong:
        names = _lacking_names(wrong, held)
        raise DataError(
            f"{where}: {_names(names)} {'is' if len(names) == 1 else 'are'} not in the files, though the config "
            "describes them",
            hints=["is the config that of this model? give the path of config.json to go by the config alone"],
        )


def _held_layers(unmatched: Iterable[Placed]) -> Held:
    """The layers of which the files hold a module, though not those of all layers."""
    found: dict[Key, set[int | None]] = defaultdict(set)
    for item in unmatched:
        found[item.module, item.kind].add(item.layer)
    return found


def _lacking_names(missing: Iterable[Entry], held: Held) -> list[str]:
    """Each missing tensor once, under the first layer that lacks it, with the number of further ones."""
    found = []
    for entry in missing:
        present = held.get((entry.module, entry.kind), ())
        layers = [layer for layer in entry.layers or range(entry.count) if layer not in present] or [0]
        name = entry.tensor.name.replace("{i}", str(layers[0])).replace("{e}", "0")
        more = len(layers) - 1 if "{i}" in entry.tensor.name else 0
        found.append(f"{clip(name)} (and of {more} more layer{'s' if more > 1 else ''})" if more else clip(name))
    return list(dict.fromkeys(found))


def _names(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(clip(name) for name in names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _with_format(model: ModelSpec, checkpoint: Checkpoint, found: Matching) -> ModelSpec:
    """The model with the format that the files show where they contradict the config or it states none."""
    if checkpoint.layout == "gguf":
        stored = file_format(checkpoint, found.matches)
        kept = stored if stored in ("fp32", "fp16", "bf16") else "fp16"
        return replace(
            model, checkpoint_format=stored, dtype=kept, unquantized_modules=(), module_formats=(),
            checkpoint_weights=None,
        )  # fmt: skip
    plain = plain_type(checkpoint) or model.dtype
    shown = header_format(found.matches, checkpoint.where)
    is_plain = model.checkpoint_format in ("fp32", "fp16", "bf16")
    if shown is None:
        return replace(
            model, dtype=plain, checkpoint_format=plain, unquantized_modules=(), module_formats=(),
            checkpoint_weights=None,
        )  # fmt: skip
    return replace(model, dtype=plain, checkpoint_format=shown if is_plain else model.checkpoint_format)


def _with_unmatched(model: ModelSpec, unmatched: Sequence[Placed]) -> ModelSpec:
    """The model with what else the files hold: drafting layers apart, the rest with what is loaded."""
    loaded: list[Tensor] = []
    drafting: list[Tensor] = []
    for path, items in _by_path(unmatched):
        tensor = Tensor(
            name=path, shape=(max(sum(item.tensor.elements for item in items), 1),), role=TensorRole.OTHER,
            shard=Shard.REPLICATED, buffer=True, stored_bytes=float(sum(item.tensor.stored_bytes for item in items)),
        )  # fmt: skip
        (drafting if _drafts(items[0], model.layer_count) else loaded).append(tensor)
    if drafting:
        draft = model.draft or Draft(layers=())
        model = replace(model, draft=replace(draft, globals=(*draft.globals, *drafting)))
    return replace(model, globals=(*model.globals, *loaded)) if loaded else model


def _drafts(item: Placed, layers: int) -> bool:
    """Whether a tensor belongs to layers that predict further tokens: they stand behind the decoder's."""
    name = item.tensor.name
    beyond = item.layer is not None and item.layer >= layers and re.match(r"(model\.layers|blk)\.\d", name) is not None
    return beyond or _DRAFTING.search(name) is not None


def _by_path(unmatched: Iterable[Placed]) -> Iterator[tuple[str, list[Placed]]]:
    """Tensors together that only differ in the numbers of their layers."""
    groups: dict[tuple[str, bool], list[Placed]] = defaultdict(list)
    for item in unmatched:
        groups[re.sub(r"(^|\.)\d+(?=\.|$)", r"\1*", item.tensor.name), item.layer is None].append(item)
    for (path, _), items in sorted(groups.items()):
        yield path, items


def _origin(checkpoint: Checkpoint) -> Provenance:
    """Where the sizes come from."""
    tensors, files = len(checkpoint.tensors), len(checkpoint.files)
    title = f"headers of {tensors:,} tensors in {files:,} file{'s' if files > 1 else ''}"
    return Provenance(
        source=Source(id="checkpoint-headers", title=title, locator=checkpoint.where), as_of=None, kind="measured",
        note=f"{checkpoint.stored_bytes:,} bytes of tensors",
    )  # fmt: skip


def _notes_that_hold(described: ModelSpec, model: ModelSpec) -> Iterator[str]:
    """What the config's reader said, but for what the files show to be otherwise."""
    uncounted = tower_note(described.uncounted_parameters)
    for note in described.notes:
        if note == uncounted and len(model.globals) > len(described.globals):
            yield "the vision or audio tower is counted as stored, its activations are not"
        else:
            yield note


def _unmatched_notes(unmatched: Sequence[Placed]) -> Iterator[str]:
    if not unmatched:
        return
    size = sum(item.tensor.stored_bytes for item in unmatched)
    shown = f"{size:,} bytes" if size < GB / 100 else f"{size / GB:.2f} GB"
    names = _names([path for path, _ in _by_path(unmatched)])
    what = "one tensor" if len(unmatched) == 1 else f"{len(unmatched):,} tensors"
    yield f"beyond the config's description the files hold {what} ({shown}), counted as stored: {names}"
