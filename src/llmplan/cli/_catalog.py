"""Opening the catalogue for a command, and finding the model that was named."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from llmplan.cli import _console
from llmplan.errors import DataError, LlmplanError, UnknownIdError, UsageError

if TYPE_CHECKING:
    from llmplan.cli._options import CatalogFlags
    from llmplan.spec.catalog import Catalog
    from llmplan.spec.model import ModelSpec
    from llmplan.spec.price import PriceBook


CONFIG_HINTS = (
    "use the config.json of the model's own repository, unchanged",
    "llmplan catalog list models names the models that need no file",
)
HUB_HINT = "--hub reads a model that the catalogue does not have from the Hugging Face Hub"
NAME_HINT = "name"
ADAPTER = "adapter_config.json"
MAX_NAME = 200
FILE_ENDS = (".json", ".safetensors", ".gguf")


def open_catalog(flags: CatalogFlags) -> Catalog:
    """The catalogue in force: packaged profiles under the user's own, with the prices of one day."""
    from llmplan import catalogs

    opened = catalogs.load_catalog(catalogs.default_layers(os.environ, flags.catalog), price_date=price_date(flags))
    if not getattr(flags, "hub", False):
        return opened
    from llmplan.catalogs.checkpoint.hub import with_hub

    return with_hub(opened)


def price_date(flags: CatalogFlags) -> date:
    """The day whose prices count: as asked for, else today."""
    today = datetime.now(tz=UTC).astimezone().date()
    if flags.price_date is not None and flags.price_date > today:
        raise UsageError(f"--as-of {flags.price_date} is in the future", hints=["leave it out for today's prices"])
    return flags.price_date or today


def seller_ids(name: str, prices: PriceBook) -> tuple[str, ...]:
    """The sellers that an id, a name, an alias or a company means, in any case."""
    known: dict[str, list[str]] = {}
    for seller in prices.providers.values():
        names = (seller.id, seller.name, *seller.aliases, seller.company or seller.id)
        for text in {each.casefold() for each in names}:
            known.setdefault(text, []).append(seller.id)
    if name.casefold() not in known:
        raise UnknownIdError("provider", name, known, listing="llmplan catalog list providers")
    return tuple(known[name.casefold()])


def find_model(text: str, catalog: Catalog, weights: Iterable[str] = ()) -> ModelSpec:
    """A model by its Hub id in any case, or by the path of a checkpoint or of a config.json, or of a folder with one.

    `weights` are the formats that the user named: a 16- or 32-bit one is the type of a file that states none.
    """
    path = model_path(text)
    found = _by_id(text, catalog) if path is None else _at(path, stated_dtype(weights))
    if (origin := found.provenance.get("checkpoint_bytes")) is not None:
        _console.say(f"{found.id}: sizes as stored, from the {origin.source.title} ({origin.note})")
    return found


def _at(path: Path, dtype: str | None) -> ModelSpec:
    """The model of a checkpoint or of a config."""
    from llmplan.catalogs import checkpoint, hf_config

    try:
        if checkpoint.is_checkpoint(path):
            return checkpoint.read_checkpoint(path, dtype=dtype).model
        return hf_config.read_config_file(path, dtype=dtype)
    except DataError as error:
        raise type(error)(error.message, hints=error.hints or CONFIG_HINTS) from error


def _by_id(text: str, catalog: Catalog) -> ModelSpec:
    try:
        return catalog.models[text]
    except UnknownIdError as error:
        if (folder := Path(text).expanduser()).is_dir():
            raise _no_model(folder, text) from None
        told = suggested(text, catalog)
        if told is not None:
            form = f" --weights {told[1]}" if told[1] else ""
            error.hints = (f"{NAME_HINT} {told[0]}{form}, if it is that model", *error.hints)
        if text.count("/") == 1:
            error.hints = (*error.hints, HUB_HINT)
        raise


def suggested(text: str, catalog: Catalog) -> tuple[str, str | None] | None:
    """The model that a name ends like, and the format that it speaks of: for a hint, never to compute with."""
    from llmplan.memory import weight_format
    from llmplan.spec.checkpoint_name import AN_EXAMPLE, format_in_name, model_in_name

    names = getattr(catalog.models, "names", lambda: list(catalog.models))
    base, told = model_in_name(text, names()), format_in_name(text)[1]
    if base is None:
        return None
    model = catalog.models[base]
    if told in AN_EXAMPLE and "fp4" in model.checkpoint_format:
        told = model.checkpoint_format
    try:
        told = weight_format(told).id if told is not None else None
    except LlmplanError:
        told = None
    return model.id, None if told == model.checkpoint_format else told


def stated_dtype(weights: Iterable[str]) -> str | None:
    """The first of the formats that is a plain float type; a quantized one says nothing of what was quantized."""
    from llmplan.memory.formats import AUTO, weight_format

    formats = (weight_format(name) for name in weights if name.casefold() != AUTO)
    return next((found.id for found in formats if found.family == "float"), None)


def model_path(text: str) -> Path | None:
    """The file or folder that is meant, or None if the text is an id."""
    if not text.strip():
        raise UsageError("which model? the name is empty", hints=["llmplan catalog list models"])
    try:
        path = Path(text).expanduser()
        is_folder = path.is_dir()
    except (OSError, RuntimeError) as error:  # a name too long for any file; no such user's home
        raise UsageError(f"no such file: {text[:MAX_NAME]}", hints=["llmplan catalog list models"]) from error
    if is_folder:
        if (path / "config.json").is_file() or _holds_checkpoint(path):
            return path
        if text.count("/") == 1 and not text.startswith((".", "/", "~")):
            return None
        raise _no_model(path, text)
    if path.is_file():
        return path
    if path.exists():
        raise UsageError(f"{text} is not a regular file", hints=["llmplan catalog list models"])
    if text.endswith(FILE_ENDS) or text.startswith(("./", "../", "/", "~")):
        raise UsageError(f"no such file: {text}", hints=["llmplan catalog list models"])
    return None


def _no_model(folder: Path, text: str) -> UsageError:
    """The error about a folder without a model; an adapter's names the model that it belongs to."""
    listing = "llmplan catalog list models"
    if not (folder / ADAPTER).is_file():
        return UsageError(f"{text} holds no config.json and no checkpoint", hints=[listing])
    from llmplan.catalogs.hf_config.json_file import read_object

    try:
        base = read_object(folder / ADAPTER).get("base_model_name_or_path")
    except DataError:
        base = None
    said = f"{text} holds no config.json, and its {ADAPTER} makes it an adapter"
    base = "".join(filter(str.isprintable, base[:MAX_NAME])).strip() if isinstance(base, str) else ""
    if base:
        return UsageError(f"{said} of {base}", hints=[f"name the base model: {base}", listing])
    return UsageError(said, hints=["name the base model", listing])


def _holds_checkpoint(path: Path) -> bool:
    from llmplan.catalogs import checkpoint

    return checkpoint.is_checkpoint(path)
