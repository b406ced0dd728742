"""A lazy mapping from id or alias, in any case, to what one file says. Only the file that is asked for is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

from llmplan.catalogs.layers import Entry, entries, read_entry, stem_of
from llmplan.errors import DataError, UnknownIdError

T = TypeVar("T")

CHECK_HINTS = ("llmplan catalog check names every problem of your profiles",)


class Library(Mapping[str, T], Generic[T]):
    """The entities of one kind in one folder of every layer.

    `load(data, path)` makes the entity from its raw mapping. The file name is the id. Iterating yields ids in file
    order; a name that is neither an id nor an alias raises `UnknownIdError` with the nearest ones.
    """

    def __init__(
        self, layers: Sequence[Path], folder: str, load: Callable[[dict[str, Any], Path], T], *, kind: str
    ) -> None:  # fmt: skip
        self.kind = kind
        self.folder = folder
        self._layers = tuple(layers)
        self._load = load
        self._listed: dict[str, Entry] | None = None
        self._loaded: dict[str, T] = {}
        self._found: dict[str, str | None] = {}
        self._named: tuple[str, ...] | None = None
        self._texts: dict[Path, str] = {}

    @property
    def _entries(self) -> dict[str, Entry]:
        if self._listed is None:
            self._listed = entries(self._layers, self.folder)
        return self._listed

    def __iter__(self) -> Iterator[str]:
        return (entry.stem.replace("--", "/") for entry in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) is not None

    def __getitem__(self, name: str) -> T:
        found = self.find(name)
        if found is None:
            if self._named is None:
                self._named = tuple(self.names())
            raise UnknownIdError(self.kind, name, self._named, listing=f"llmplan catalog list {self.folder}")
        if found not in self._loaded:
            entry = self._entries[found]
            data = self._raw(found)
            if stem_of(str(data.get("id"))) != entry.stem:
                raise DataError(f"{entry.path}: the file is named {entry.stem!r} and its id is {data.get('id')!r}")
            try:
                self._loaded[found] = self._load(data, entry.path)
            except DataError as error:
                raise type(error)(error.message, hints=error.hints or CHECK_HINTS) from error
        return self._loaded[found]

    def get(self, name: str, default: Any = None) -> Any:
        """The entity, or `default` for an unknown name (a broken file still raises)."""
        return default if self.find(name) is None else self[name]

    def path(self, name: str) -> Path:
        """The file that says what `self[name]` is."""
        self[name]
        return self._entries[self.find(name) or ""].path

    def find(self, name: str) -> str | None:
        """The case-folded file name that an id or alias leads to; looked for once."""
        if name not in self._found:
            self._found[name] = self._look_for(name)
        return self._found[name]

    def _look_for(self, name: str) -> str | None:
        """`find`, without its memory."""
        folded = name.casefold()
        stem = folded.replace("/", "--")
        return stem if stem in self._entries else self._alias_owner(folded)

    def _alias_owner(self, folded: str) -> str | None:
        """The entry that lists the alias, in the highest layer that has one. Only files that mention it are parsed."""
        owners = [
            (self._layers.index(entry.path.parents[1]), stem)
            for stem, entry in self._entries.items()
            if any(folded in self._text(path) for path in entry.files) and folded in self._aliases_of(entry)
        ]
        highest = max(owners, default=(0, ""))[0]
        stems = [stem for layer, stem in owners if layer == highest]
        if len(stems) > 1:
            names = " and ".join(str(self._entries[stem].path) for stem in stems)
            raise DataError(f"the {self.kind} alias {folded!r} is claimed by {names}", hints=["llmplan catalog check"])
        return stems[0] if stems else None

    def _aliases_of(self, entry: Entry) -> list[str]:
        aliases = self._raw(entry.stem.casefold()).get("aliases")
        return [str(alias).casefold() for alias in aliases] if isinstance(aliases, list) else []

    def _raw(self, stem: str) -> dict[str, Any]:
        """The raw mapping of one entity."""
        return read_entry(self._entries[stem], self._entries)

    def _text(self, path: Path) -> str:
        if path not in self._texts:
            try:
                self._texts[path] = path.read_text(encoding="utf-8").casefold()
            except (OSError, UnicodeDecodeError):
                self._texts[path] = ""
        return self._texts[path]

    def names(self) -> list[str]:
        """Ids and aliases, for did-you-mean; a file that cannot be read adds nothing."""
        names = list(self)
        for entry in self._entries.values():
            with suppress(DataError):
                names += self._aliases_of(entry)
        return names
