"""An end in time for a connection that would wait for ever."""

from __future__ import annotations

import socket

from llmplan.web import Watch


def test_a_read_that_waits_ends_when_the_time_is_up() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, Watch(0.05) as watch:
        watch.add(ours)
        assert not watch.is_over
        assert ours.recv(1) == b""
        assert watch.is_over


def test_what_ended_in_time_is_left_alone() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with Watch(60.0) as watch:
            watch.add(ours)
        theirs.sendall(b"x")
        assert ours.recv(1) == b"x"
        assert not watch.is_over
