"""Which folders make up the catalogue, lowest first: packaged, the user's, `$LLMPLAN_CATALOG`, `--catalog DIR`.

A later layer replaces an entry of an earlier one as a whole. A file with `extends: <id>` instead patches the figures
of the entry below (its own id in a lower layer) or of another entry.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from llmplan.catalogs.yaml_file import read_yaml
from llmplan.errors import DataError, UsageError

SUFFIX = ".yaml"


def packaged_profiles() -> Path:
    """The data that comes with llmplan: inside the wheel, or the repository's folder in an editable install."""
    package = Path(str(resources.files("llmplan")))
    for folder in (package / "profiles", package.parents[1] / "profiles"):
        if (folder / "gpus").is_dir():
            return folder
    raise DataError(f"the packaged catalogue is missing near {package}", hints=["reinstall llmplan"])


def default_layers(environ: Mapping[str, str], extra: Path | None = None) -> tuple[Path, ...]:
    """The folders to read, lowest first. A folder that was asked for must exist; the user's own may be absent."""
    layers = [packaged_profiles()]
    config_home = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".config")
    own = Path(config_home) / "llmplan" / "profiles"
    if own.is_dir():
        layers.append(own)
    stated = (environ.get("LLMPLAN_CATALOG") or "").split(os.pathsep)
    layers += [_folder(Path(text), "LLMPLAN_CATALOG") for text in stated if text]
    if extra is not None:
        layers.append(_folder(extra, "--catalog"))
    return tuple(layers)


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
    """`base` with the figures and the plain fields of `overlay`; each figure keeps the sources of its own file."""
    renamed = {name: f"base.{name}" for name in base.get("sources", {}) if name in overlay.get("sources", {})}
    base_figures = {name: _explicit(value, base, renamed) for name, value in base.get("figures", {}).items()}
    own_figures = {name: _explicit(value, overlay, {}) for name, value in overlay.get("figures", {}).items()}
    figures = base_figures | own_figures
    sources = {renamed.get(name, name): entry for name, entry in base.get("sources", {}).items()}
    sources |= overlay.get("sources", {})
    cited = {figure.get("source") for figure in figures.values() if isinstance(figure, dict)}
    own = overlay.get("sources", {})
    plain = {key: value for key, value in base.items() if key not in ("defaults", "aliases")}
    if base.get("id") == overlay.get("id") and "aliases" in base:
        plain["aliases"] = base["aliases"]
    return (
        plain
        | {key: value for key, value in overlay.items() if key != "defaults"}
        | {"figures": figures, "sources": {name: e for name, e in sources.items() if name in cited or name in own}}
    )


def _explicit(figure: Any, file: Mapping[str, Any], renamed: Mapping[str, str]) -> Any:
    """A figure that carries its defaults with it."""
    written = dict(figure) if isinstance(figure, dict) else {"value": figure}
    inherited = {key: value for key, value in (file.get("defaults") or {}).items() if value is not None}
    if "source" in written and written["source"] != inherited.get("source"):
        inherited.pop("as_of", None)
    result = inherited | written
    if result.get("source") in renamed:
        result["source"] = renamed[result["source"]]
    return result
