"""`flags/<engine>@<version>.yaml` -> FlagTable: the options of an engine, for the version asked for or the nearest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, get_args

from llmplan.catalogs.engines import version_key
from llmplan.catalogs.layers import entries
from llmplan.catalogs.yaml_file import read_yaml
from llmplan.errors import DataError
from llmplan.spec.engine_flags import Flag, FlagKind, FlagTable
from llmplan.spec.provenance import Source

FOLDER = "flags"


def flag_table(layers: Sequence[Path], engine: str, version: str) -> FlagTable | None:
    """The options of an engine; where this version has no list, those of the newest list that is not newer, else of the
    oldest. None: nothing is known of this engine's options."""
    own = {stem: entry.path for stem, entry in entries(layers, FOLDER).items() if stem.partition("@")[0] == engine}
    if not own:
        return None
    dated = sorted((version_key(stem.partition("@")[2]), stem) for stem in own)
    wanted = version_key(version)
    fitting = [stem for key, stem in dated if key <= wanted] if wanted else [dated[-1][1]]
    return read_flags(own[f"{engine}@{version}" if f"{engine}@{version}" in own else (fitting or [dated[0][1]])[-1]])


def read_flags(path: Path) -> FlagTable:
    """One file, checked."""
    data = read_yaml(path)
    try:
        options = {names: _flag(str(names), kind) for names, kind in data["options"].items()}
        source = data["source"]
        return FlagTable(
            ref=str(data["id"]),
            flags={name: flag for flag in options.values() for name in flag.names},
            abbreviates=data["abbreviates"] is True,
            late_choices={name: tuple(map(str, values)) for name, values in data.get("late_choices", {}).items()},
            gone={str(name): str(instead) for name, instead in data.get("gone", {}).items()},
            keys=tuple(map(str, data.get("keys", ()))),
            source=Source(
                id=str(data["id"]), title=str(source["title"]), url=str(source["url"]), retrieved=_day(source)
            ),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{path}: not a list of options: {error!r}") from error


def _flag(names: str, kind: Any) -> Flag:
    if isinstance(kind, list):
        return Flag(names=tuple(names.split()), kind="text", choices=tuple(map(str, kind)))
    if kind not in get_args(FlagKind):
        raise ValueError(f"{names}: unknown kind {kind!r}")
    return Flag(names=tuple(names.split()), kind=kind)


def _day(source: Mapping[str, Any]) -> date:
    day = source["retrieved"]
    return day if isinstance(day, date) else date.fromisoformat(str(day))
