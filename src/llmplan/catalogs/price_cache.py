"""Where `llmplan prices update` keeps what it read: dated snapshots in the user's cache, one of them in force.

    $XDG_CACHE_HOME/llmplan/prices/current            the name of the snapshot in force
    $XDG_CACHE_HOME/llmplan/prices/<name>/prices/     its files, which extend the packaged ones
    $XDG_CACHE_HOME/llmplan/prices/<name>/manifest.json

A snapshot is a layer of the catalogue right above the packaged profiles, so that what the user wrote by hand always
wins over what a program fetched. It is a cache: deleting the folder brings the packaged prices back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from llmplan.errors import DataError

POINTER: Final = "current"
MANIFEST: Final = "manifest.json"
SCHEMA: Final = "llmplan.price-snapshot/v1"


def price_cache(environ: Mapping[str, str]) -> Path:
    """The folder of the snapshots, whether or not there is one."""
    home = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".cache")
    return Path(home) / "llmplan" / "prices"


def snapshot_in_force(cache: Path) -> Path | None:
    """The snapshot that counts; None without one, or if its folder was cleared away."""
    try:
        name = (cache / POINTER).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    if not name or name.startswith(".") or Path(name).name != name:
        return None
    return cache / name if (cache / name / "prices").is_dir() else None


def is_fetched(file: Path) -> bool:
    """Whether a price file belongs to a snapshot: a program wrote it, after having checked it row by row."""
    return (file.parents[1] / MANIFEST).is_file()


def refuse_damaged(layer: Path) -> None:
    """Nothing is quoted from a snapshot that is not as it was written. Folders that are no snapshot pass."""
    if not is_snapshot(layer):
        return
    hints = [f"delete {layer.parent}: it is a cache; the packaged prices count until the next update"]
    try:
        stated = json.loads((layer / MANIFEST).read_bytes())
        schema, files = stated["schema"], {str(name): entry["sha256"] for name, entry in stated["files"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise DataError(f"the cached prices are damaged: {layer / MANIFEST} cannot be read", hints=hints) from None
    if schema != SCHEMA:
        raise DataError(f"{layer}: cached prices of another version of llmplan ({schema}, not {SCHEMA})", hints=hints)
    present = {f"prices/{path.name}": path for path in (layer / "prices").iterdir() if path.is_file()}
    for name in sorted({*present, *files}):
        if name not in present or hashlib.sha256(present[name].read_bytes()).hexdigest() != files.get(name):
            raise DataError(f"the cached prices are damaged: {layer / name} is not as it was written", hints=hints)


def is_snapshot(layer: Path) -> bool:
    """Whether a layer is one that `prices update` wrote, even if its manifest is gone."""
    return (layer / MANIFEST).is_file() or snapshot_in_force(layer.parent) == layer


def snapshot_documents(snapshot: Path) -> dict[str, dict[str, Any]]:
    """The files of a snapshot as they are, by seller: each holds only what extends the packaged one."""
    from llmplan.catalogs.yaml_file import read_yaml

    return {path.stem: read_yaml(path) for path in sorted((snapshot / "prices").glob("*.yaml"))}
