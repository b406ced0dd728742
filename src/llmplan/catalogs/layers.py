"""Which folders make up the catalogue, lowest first: packaged, the cached prices, the user's own, `$LLMPLAN_CATALOG`,
`--catalog DIR`.

A later layer replaces an entry of an earlier one as a whole. A file with `extends: <id>` instead patches the figures
of the entry below (its own id in a lower layer) or of another entry.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmplan.catalogs.packaged import packaged_profiles
from llmplan.catalogs.price_cache import price_cache, snapshot_in_force
from llmplan.catalogs.yaml_file import read_yaml
from llmplan.errors import DataError, UsageError

SUFFIX = ".yaml"
_TABLES = ("builds", "scheduler_defaults", "weight_formats", "kv_formats", "quantization_methods")
"""fields beside `figures` whose entries inherit the file's defaults"""


def default_layers(environ: Mapping[str, str], extra: Path | None = None) -> tuple[Path, ...]:
    """The folders to read, lowest first. A folder that was asked for must exist; the user's own may be absent."""
    layers = [packaged_profiles()]
    fetched = snapshot_in_force(price_cache(environ))
    if fetched is not None:
        layers.append(fetched)
    own = user_profiles(environ)
    if own.is_dir():
        layers.append(own)
    stated = (environ.get("LLMPLAN_CATALOG") or "").split(os.pathsep)
    layers += [_folder(Path(text), "LLMPLAN_CATALOG") for text in stated if text]
    if extra is not None:
        layers.append(_folder(extra, "--catalog"))
    return tuple(layers)


def user_profiles(environ: Mapping[str, str]) -> Path:
    """The folder of the user's own profiles, whether or not there is one."""
    config_home = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".config")
    return Path(config_home) / "llmplan" / "profiles"


def _folder(path: Path, origin: str) -> Path:
    if not path.is_dir():
        raise UsageError(f"{origin}: {path} is not a folder", hints=["give a folder with gpus/, hosts/, prices/, ..."])
    return path


def stem_of(entity_id: str) -> str:
    """The file name, less its suffix, of an entity: Hub ids have a slash, file names may not.

    >>> stem_of("meta-llama/Llama-3.1-8B"), stem_of("h100-sxm-80gb")
    ('meta-llama--Llama-3.1-8B', 'h100-sxm-80gb')
    """
    return entity_id.replace("/", "--")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entity's file in each layer that has one, lowest first; the last one counts."""

    stem: str
    files: tuple[Path, ...]

    @property
    def path(self) -> Path:
        """The file that counts."""
        return self.files[-1]


def entries(layers: Sequence[Path], folder: str) -> dict[str, Entry]:
    """The entities of one kind by case-folded file name, without opening a file."""
    found: dict[str, Entry] = {}
    for layer in layers:
        names = sorted(os.listdir(layer / folder)) if (layer / folder).is_dir() else []
        for name in names:
            if not name.endswith(SUFFIX) or name.startswith("."):
                continue
            stem = name.removesuffix(SUFFIX)
            below = found.get(stem.casefold())
            found[stem.casefold()] = Entry(stem, (*(below.files if below else ()), layer / folder / name))
    return found


def read_entry(entry: Entry, known: Mapping[str, Entry]) -> dict[str, Any]:
    """The raw mapping of an entity, its `extends` resolved."""
    return _read(entry.files, known, ())


def _read(files: tuple[Path, ...], known: Mapping[str, Entry], above: tuple[Path, ...]) -> dict[str, Any]:
    path = files[-1]
    data = read_yaml(path)
    if "extends" not in data:
        return data
    target = data.pop("extends")
    if path in above:
        raise DataError(f"{path}: `extends` goes in a circle")
    wanted = stem_of(str(target)).casefold()
    if wanted == path.name.removesuffix(SUFFIX).casefold():
        below = files[:-1]
    else:
        below = known[wanted].files if wanted in known else ()
    if not below:
        raise DataError(f"{path}: extends {target!r}, which no lower layer has", hints=["llmplan catalog list"])
    return patch(_read(below, known, (*above, path)), data)


def patch(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """`base` with the figures, table entries and plain fields of `overlay`; each keeps the sources of its own file."""
    own_sources = overlay.get("sources") or {}
    renamed = {name: f"base.{name}" for name in base.get("sources") or {} if name in own_sources}
    merged = {key: value for key, value in base.items() if key not in ("defaults", "aliases")}
    if base.get("id") == overlay.get("id") and "aliases" in base:
        merged["aliases"] = base["aliases"]
    merged |= {key: value for key, value in overlay.items() if key != "defaults"}
    for key in ("figures", *_TABLES):
        if key in merged:
            merged[key] = _merged(_explicit(base, key, renamed), _explicit(overlay, key, {}))
    cited = set(_citations({key: value for key, value in merged.items() if key != "sources"}))
    below = {renamed.get(name, name): entry for name, entry in (base.get("sources") or {}).items()}
    merged["sources"] = {name: entry for name, entry in below.items() if name in cited} | own_sources
    return merged


def _merged(below: Any, above: Any) -> Any:
    """Named entries one by one; lists as a whole."""
    if isinstance(below, dict) and isinstance(above, dict):
        return below | above
    return below if above is None else above


def _explicit(file: Mapping[str, Any], key: str, renamed: Mapping[str, str]) -> Any:
    """The figures or table of a file, every entry carrying the file's defaults with it."""
    stated = file.get(key)
    defaults = {name: value for name, value in (file.get("defaults") or {}).items() if value is not None}
    if key in _TABLES:
        defaults.pop("as_of", None)
    if isinstance(stated, dict):
        return {name: _with_defaults(entry, defaults, renamed) for name, entry in stated.items()}
    if isinstance(stated, list):
        return [_with_defaults(entry, defaults, renamed) for entry in stated]
    return stated


def _with_defaults(entry: Any, defaults: Mapping[str, Any], renamed: Mapping[str, str]) -> Any:
    written = dict(entry) if isinstance(entry, dict) else {"value": entry}
    inherited = dict(defaults)
    if "source" in written and written["source"] != inherited.get("source"):
        inherited.pop("as_of", None)
    result = inherited | written
    if result.get("source") in renamed:
        result["source"] = renamed[result["source"]]
    return result


def _citations(value: Any) -> Iterator[str]:
    """Every source id that is named anywhere."""
    if isinstance(value, dict):
        if isinstance(value.get("source"), str):
            yield value["source"]
        for inner in value.values():
            yield from _citations(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _citations(inner)
