"""An end in time for a whole request, however slowly its bytes drip."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType


class Watch:
    """Shuts the connections that it was shown when the time is up; a read that waits then ends."""

    def __init__(self, total_s: float) -> None:
        self.total_s = total_s
        self._ends_s = time.monotonic() + total_s
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(total_s, self._shut)
        self._timer.daemon = True

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._ends_s

    def add(self, sock: socket.socket) -> None:
        """A connection of this request."""
        self._sockets.append(sock)

    def _shut(self) -> None:
        for sock in self._sockets:
            with contextlib.suppress(OSError, ValueError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def __enter__(self) -> Watch:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
