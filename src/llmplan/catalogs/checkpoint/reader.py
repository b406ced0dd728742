"""A model from its checkpoint: the config says what it is, the headers say how many bytes each tensor takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from llmplan.catalogs.checkpoint.choose import GGUF, INDEX, SAFETENSORS, checkpoint_files, find_checkpoint
from llmplan.catalogs.checkpoint.folder import Folder, LocalFolder, read_json
from llmplan.catalogs.checkpoint.gguf_config import gguf_config
from llmplan.catalogs.checkpoint.header import Checkpoint, Read
from llmplan.catalogs.checkpoint.inventory import attach
from llmplan.catalogs.checkpoint.stored_format import plain_type
from llmplan.catalogs.hf_config import read_config
from llmplan.catalogs.hf_config.reader import QUANTIZATION_FILE, with_quantization
from llmplan.errors import DataError, UsageError
from llmplan.spec.model import ModelSpec

CONFIG: Final = "config.json"


def is_checkpoint(path: Path) -> bool:
    """Whether a path is a checkpoint's file by its name, or a folder that holds one."""
    if path.is_dir():
        return checkpoint_files(LocalFolder(path).names())
    return path.name.endswith((INDEX, SAFETENSORS, GGUF))


def read_checkpoint(path: Path, *, dtype: str | None = None) -> Read:
    """The model of a folder with a checkpoint, or of one of its files.

    `dtype` is the type of a config that states none, where the files do not show it either.
    """
    if path.is_dir():
        return read_folder(LocalFolder(path), None, dtype=dtype)
    return read_folder(LocalFolder(path.parent), path.name, dtype=dtype)


def read_folder(
    folder: Folder, name: str | None, *, dtype: str | None = None, model_id: str | None = None
) -> Read:  # fmt: skip
    """The model of a folder's checkpoint, or of the one that the file `name` belongs to."""
    checkpoint = find_checkpoint(folder, name)
    if checkpoint is None:
        raise UsageError(
            f"{folder.path('')}: no checkpoint is there: neither .safetensors nor .gguf files",
            hints=["give a folder with config.json and the model's files"],
        )
    return attach(_described(folder, checkpoint, dtype, model_id), checkpoint)


def _described(folder: Folder, checkpoint: Checkpoint, dtype: str | None, model_id: str | None) -> ModelSpec:
    """The model as its config describes it; a GGUF file describes itself where no usable config lies beside it.

    A config that is there and cannot be used is said to be so. One that contradicts the tensors is refused later.
    """
    has_config = CONFIG in folder.names()
    fallback = plain_type(checkpoint) or dtype
    if checkpoint.layout == "gguf":
        return _of_gguf(folder, checkpoint, fallback or "fp16", model_id or checkpoint.where, has_config=has_config)
    if not has_config:
        raise UsageError(
            f"{folder.path('')}: no config.json beside {checkpoint.files[0]}, so what its tensors mean is not known",
            hints=["put the config.json of the model's own repository beside it"],
        )
    return _from_config(folder, fallback, model_id or folder.path(CONFIG))


def _of_gguf(folder: Folder, checkpoint: Checkpoint, dtype: str, model_id: str, *, has_config: bool) -> ModelSpec:
    """The model by the config beside the file, else by the file's own metadata."""
    unused: tuple[str, ...] = ()
    if has_config:
        try:
            return _from_config(folder, dtype, model_id)
        except DataError as error:
            unused = (f"the config.json beside the file is not used, the file's own metadata is: {error.message}",)
    model = read_config(gguf_config(checkpoint), model_id=model_id, dtype="fp16")
    return replace(model, notes=(*model.notes, *unused))


def _from_config(folder: Folder, dtype: str | None, model_id: str) -> ModelSpec:
    config = read_json(folder, CONFIG, is_config=True)
    has_more = QUANTIZATION_FILE in folder.names()
    beside = (lambda: read_json(folder, QUANTIZATION_FILE, is_config=True)) if has_more else None
    return read_config(with_quantization(config, beside), model_id=model_id, dtype=dtype)
