"""A place in a binary file that knows where the file ends: every read is checked before it is made."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO, Final

from llmplan.errors import DataError

_CHUNK_BYTES: Final = 1 << 20
_LENGTH: Final = struct.Struct("<Q")


class Cursor:
    """Reads forward through a file of `size` bytes, a chunk at a time; `where` names it in complaints."""

    def __init__(self, file: BinaryIO, size: int, where: str) -> None:
        self.where = where
        self._file = file
        self._size = size
        self._start = 0
        self._chunk = b""
        self._offset = 0

    @property
    def position(self) -> int:
        """Bytes from the beginning of the file."""
        return self._start + self._offset

    @property
    def left(self) -> int:
        """Bytes to the end of the file."""
        return self._size - self.position

    def peek(self, count: int) -> bytes:
        """Up to `count` bytes without moving on."""
        self._fill(count)
        return self._chunk[self._offset : self._offset + count]

    def take(self, count: int, what: str) -> bytes:
        """The next `count` bytes; `what` they are is said where the file ends before."""
        self._demand(count, what)
        self._fill(count)
        found = self._chunk[self._offset : self._offset + count]
        if len(found) < count:
            raise self._cut(what)
        self._offset += count
        return found

    def number(self, form: str, what: str) -> Any:
        """The next number, in a form of `struct`."""
        return struct.unpack(form, self.take(struct.calcsize(form), what))[0]

    def skip(self, count: int, what: str) -> None:
        """Pass over bytes without reading them."""
        self._demand(count, what)
        if self._offset + count <= len(self._chunk):
            self._offset += count
            return
        self._start, self._offset, self._chunk = self.position + count, 0, b""
        self._file.seek(self._start)

    def skip_strings(self, count: int, what: str) -> None:
        """Pass over texts that each begin with their length."""
        self._demand(8 * count, what)
        done = 0
        while done < count:
            done += self._skip_within_chunk(count - done)
            if done < count:
                self.skip(self.number("<Q", what), what)
                done += 1

    def _skip_within_chunk(self, count: int) -> int:
        """Pass over the texts that lie wholly in the chunk; how many."""
        chunk, offset, end = self._chunk, self._offset, len(self._chunk) - 8
        unpack = _LENGTH.unpack_from
        done = 0
        while done < count and offset <= end:
            following = offset + 8 + unpack(chunk, offset)[0]
            if following > end + 8:
                break
            offset = following
            done += 1
        self._offset = offset
        return done

    def _fill(self, count: int) -> None:
        if len(self._chunk) - self._offset >= count:
            return
        rest = self._chunk[self._offset :]
        self._start, self._offset = self.position, 0
        self._chunk = rest + self._file.read(max(_CHUNK_BYTES, count) - len(rest))

    def _demand(self, count: int, what: str) -> None:
        if count > self.left:
            raise self._cut(what)

    def _cut(self, what: str) -> DataError:
        return DataError(
            f"{self.where}: cut off: the file ends within {what}", hints=["download the file again"]
        )  # fmt: skip
