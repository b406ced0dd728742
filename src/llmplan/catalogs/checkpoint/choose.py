"""Which files of a folder make up the checkpoint: shards of an index, parts of a split file, or the one file there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from llmplan.catalogs.checkpoint.folder import MAX_NAMES, Folder, plain_name, read_json
from llmplan.catalogs.checkpoint.gguf_header import read_gguf
from llmplan.catalogs.checkpoint.header import MAX_TENSORS, Checkpoint, Header, clip, damaged, joined
from llmplan.catalogs.checkpoint.safetensors_header import read_safetensors
from llmplan.errors import DataError, UsageError

INDEX: Final = ".safetensors.index.json"
SAFETENSORS: Final = ".safetensors"
GGUF: Final = ".gguf"
_USUAL: Final = ("model.safetensors.index.json", "model.safetensors")
_CONSOLIDATED: Final = "consolidated"
_NO_MODEL: Final = re.compile(r"^(adapter_|optimizer|training_|scheduler|rng_|mtp_draft)")
"""beside the model: adapters, states of a training"""
_SPLIT: Final = re.compile(r"^(?P<stem>.*)-(?P<part>\d{5,6})-of-(?P<count>\d{5,6})(?P<end>\.gguf|\.safetensors)$")
_PROJECTOR: Final = re.compile(r"mmproj", re.IGNORECASE)
_SHOWN: Final = 5


def checkpoint_files(names: Iterable[str]) -> bool:
    """Whether a folder with these files holds a checkpoint that can be read."""
    return any(name.endswith((INDEX, SAFETENSORS, GGUF)) and not _NO_MODEL.match(name) for name in names)


def find_checkpoint(folder: Folder, name: str | None = None) -> Checkpoint | None:
    """The checkpoint of a folder, or the one that `name` belongs to; None where the folder holds none."""
    names = folder.names()
    chosen = name if name is not None else _chosen(names, folder)
    if chosen is None:
        return None
    if chosen.endswith(GGUF):
        return _gguf(folder, _parts(chosen, names, folder))
    if chosen.endswith(INDEX):
        return _indexed(folder, chosen, names)
    if (beside := _index_of(chosen, names)) is not None:
        return _indexed(folder, beside, names)
    files = _parts(chosen, names, folder) if name or _SPLIT.match(chosen) or chosen in _USUAL else _all_files(names)
    return _safetensors(folder, files)


def _chosen(names: Sequence[str], folder: Folder) -> str | None:
    """The file to begin with; several that are no parts of one model are a question back."""
    for usual in _USUAL:
        if usual in names:
            return usual
    indices = [name for name in names if name.endswith(INDEX) and not _NO_MODEL.match(name)]
    if len(indices) > 1:
        raise _several(indices, folder)
    if indices:
        return indices[0]
    if tensors := _all_files(names):
        return tensors[0]
    models = [name for name in names if name.endswith(GGUF) and not _PROJECTOR.search(name)]
    firsts = [name for name in models if (split := _SPLIT.match(name)) is None or int(split["part"]) == 1] or models
    if len(firsts) > 1:
        raise _several(firsts, folder)
    if not firsts and any(name.endswith(GGUF) for name in names):
        raise UsageError(
            f"{folder.path('')}: only the projector of images is there (mmproj), not the model",
            hints=["download the model's own .gguf file, too"],
        )
    return firsts[0] if firsts else None


def _all_files(names: Iterable[str]) -> list[str]:
    """The files with tensors; the publisher's own layout counts where there is no other."""
    data = [name for name in names if name.endswith(SAFETENSORS)]
    own = [name for name in data if name.startswith(_CONSOLIDATED)]
    return [name for name in data if not _NO_MODEL.match(name) and name not in own] or own


def _several(names: Sequence[str], folder: Folder) -> UsageError:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return UsageError(
        f"{folder.path('')} holds {len(names)} models: {', '.join(names[:_SHOWN])}{more}",
        hints=[f"name one of them: {folder.path(names[0])}"],
    )


def _index_of(name: str, names: Sequence[str]) -> str | None:
    """The index beside one shard of a split checkpoint."""
    split = _SPLIT.match(name)
    wanted = f"{split['stem'] if split else name.removesuffix(SAFETENSORS)}{INDEX}"
    return wanted if wanted in names and split else None


def _parts(name: str, names: Sequence[str], folder: Folder) -> list[str]:
    """All parts of a split file; the file itself where it is not split."""
    split = _SPLIT.match(name)
    if split is None:
        return [name]
    count, present = int(split["count"]), set(names)
    if not 1 <= int(split["part"]) <= count <= MAX_NAMES:
        raise DataError(
            f"{folder.path(name)}: part {int(split['part'])} of {count} cannot be",
            hints=["give the files the names back under which they were published"],
        )
    width, end = len(split["part"]), f"-of-{split['count']}{split['end']}"
    parts = [f"{split['stem']}-{part:0{width}d}{end}" for part in range(1, count + 1)]
    missing = [part for part in parts if part not in present]
    if missing:
        raise _incomplete(missing, count, folder.path(name))
    return parts


def _incomplete(missing: Sequence[str], count: int, where: str) -> DataError:
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    return DataError(
        f"{where}: {len(missing)} of {count} parts are missing: {', '.join(map(clip, missing[:_SHOWN]))}{more}",
        hints=["download the rest of the checkpoint", "or read the config alone: give the path of config.json"],
    )


def _indexed(folder: Folder, name: str, names: Sequence[str]) -> Checkpoint:
    """The shards that an index names, which must hold what it says of them."""
    where = folder.path(name)
    listed = read_json(folder, name).get("weight_map")
    if not isinstance(listed, dict) or not listed:
        raise damaged(f"{where}: key `weight_map`: expected an object that names each tensor's file")
    if len(listed) > MAX_TENSORS:
        raise damaged(f"{where}: more than {MAX_TENSORS:,} tensors; no checkpoint has that many")
    shards = sorted({plain_name(shard, where) for shard in listed.values()})
    if missing := [shard for shard in shards if shard not in set(names)]:
        raise _incomplete(missing, len(shards), where)
    headers = dict(_safetensors_headers(folder, shards))
    held = {shard: {tensor.name for tensor in header.tensors} for shard, header in headers.items()}
    for tensor, shard in listed.items():
        if tensor not in held[shard]:
            raise damaged(f"{where}: tensor {clip(tensor)!r} is not in {shard}, where the index says it is")
    return joined(where, "safetensors", headers.items())


def _safetensors(folder: Folder, files: Sequence[str]) -> Checkpoint:
    where = folder.path(files[0] if len(files) == 1 else "")
    return joined(where, "safetensors", _safetensors_headers(folder, files))


def _safetensors_headers(folder: Folder, files: Sequence[str]) -> Iterator[tuple[str, Header]]:
    for name in files:
        with folder.open(name) as (file, size):
            yield name, read_safetensors(file, size, folder.path(name))


def _gguf(folder: Folder, parts: Sequence[str]) -> Checkpoint:
    headers = []
    for name in parts:
        with folder.open(name) as (file, size):
            headers.append((name, read_gguf(file, size, folder.path(name))))
    where = folder.path(parts[0])
    metadata = headers[0][1].metadata
    stated = metadata.get("split.count", len(parts)) or 1
    if stated != len(parts):
        raise DataError(
            f"{where}: is one of {clip(repr(stated), 20)} parts of a split file", hints=["keep the names of all parts"]
        )
    if metadata.get("general.architecture") == "clip" or metadata.get("general.type") == "mmproj":
        raise DataError(
            f"{where}: a projector of images (mmproj), not a model",
            hints=["name the model's own .gguf file; engines load the projector beside it"],
        )
    if metadata.get("general.type") in ("adapter", "imatrix"):
        raise DataError(
            f"{where}: {metadata['general.type']} data, not a model", hints=["name the model's own .gguf file"]
        )
    return joined(where, "gguf", headers)
