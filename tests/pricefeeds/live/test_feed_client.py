"""The client against everything that a server can do to it. Nothing here leaves this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from feed_server import (
    QUICK,
    FeedServer,
    as_json,
    cut_short,
    dripping,
    endless,
    in_turn,
    only_loopback,
    packed,
    quick_client,
    redirect,
    reply,
    serving,
)
from llmplan.errors import UsageError
from llmplan.pricefeeds.live import FeedError, endpoint


@pytest.fixture(autouse=True)
def _closed_world(monkeypatch: pytest.MonkeyPatch) -> None:
    only_loopback(monkeypatch)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with serving() as found:
        yield found


def test_json_comes_back_and_says_who_asked(server: FeedServer) -> None:
    server.routes["/a"] = as_json({"x": [1, 2]})
    assert quick_client().json(f"{server.url}/a") == {"x": [1, 2]}
    (agent,) = server.agents
    assert agent.startswith("llmplan/")


def test_a_packed_answer_is_unpacked(server: FeedServer) -> None:
    server.routes["/a"] = packed(b'{"x": 1}')
    assert quick_client().json(f"{server.url}/a") == {"x": 1}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_it_asks_again_where_that_may_help(server: FeedServer, status: int) -> None:
    server.routes["/a"] = in_turn(reply(status=status), reply(status=status), as_json([]))
    waits: list[float] = []
    assert quick_client(waits=waits).json(f"{server.url}/a") == []
    assert waits == [1, 2]


def test_retry_after_is_what_it_waits(server: FeedServer) -> None:
    server.routes["/a"] = in_turn(reply(status=503, Retry_After="7"), as_json([]))
    waits: list[float] = []
    quick_client(waits=waits).json(f"{server.url}/a")
    assert waits == [7]


def test_a_wait_of_an_hour_is_not_waited(server: FeedServer) -> None:
    server.routes["/a"] = reply(status=429, Retry_After="3600")
    waits: list[float] = []
    with pytest.raises(FeedError, match="asks to wait 3600 s"):
        quick_client(waits=waits).json(f"{server.url}/a")
    assert (waits, len(server.seen)) == ([], 1)


def test_it_gives_up_after_some_tries(server: FeedServer) -> None:
    server.routes["/a"] = reply(status=500)
    with pytest.raises(FeedError, match=r"500 .*\(4 tries\)"):
        quick_client().json(f"{server.url}/a")
    assert len(server.seen) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_what_will_not_change_is_asked_once(server: FeedServer, status: int) -> None:
    server.routes["/a"] = reply("gone", status)
    with pytest.raises(FeedError, match=str(status)):
        quick_client().json(f"{server.url}/a")
    assert len(server.seen) == 1


def test_an_answer_that_breaks_off_is_asked_for_again(server: FeedServer) -> None:
    server.routes["/a"] = in_turn(cut_short(b'{"x": 1}'), as_json({"x": 2}))
    assert quick_client().json(f"{server.url}/a") == {"x": 2}


def test_an_answer_that_always_breaks_off_is_an_error(server: FeedServer) -> None:
    server.routes["/a"] = cut_short(b'{"x": 1}', missing=10)
    with pytest.raises(FeedError, match=r"cut short, 10 bytes are missing \(4 tries\)"):
        quick_client().json(f"{server.url}/a")


def test_a_packed_answer_that_breaks_off_is_an_error(server: FeedServer) -> None:
    server.routes["/a"] = packed(b'{"x": 1}', cut=6)
    with pytest.raises(FeedError, match="packed answer was cut short"):
        quick_client().json(f"{server.url}/a")


@pytest.mark.parametrize("body", ['{"x": 1', "", "[1, 2,]", '{"x": NaN}', '{"x": Infinity}', "[" * 100_000])
def test_what_is_not_json_is_an_error(server: FeedServer, body: str) -> None:
    server.routes["/a"] = reply(body, Content_Type="application/json")
    with pytest.raises(FeedError, match="not the JSON it should be"):
        quick_client().json(f"{server.url}/a")


def test_a_web_page_is_not_a_price_list(server: FeedServer) -> None:
    server.routes["/a"] = reply("<html>log in</html>", Content_Type="text/html; charset=utf-8")
    with pytest.raises(FeedError, match="answered with a web page"):
        quick_client().json(f"{server.url}/a")


def test_bytes_that_drip_are_cut_by_the_deadline(server: FeedServer) -> None:
    server.routes["/a"] = dripping(b" " * 1000)
    started = time.monotonic()
    with pytest.raises(FeedError, match=r"took longer than 0\.3 s"):
        quick_client(replace(QUICK, total_s=0.3)).json(f"{server.url}/a")
    assert time.monotonic() - started < 2


def test_silence_is_cut_by_the_deadline_too(server: FeedServer) -> None:
    server.routes["/a"] = lambda _: time.sleep(1.0)
    started = time.monotonic()
    with pytest.raises(FeedError, match=r"took longer than 0\.2 s"):
        quick_client(replace(QUICK, total_s=0.2)).json(f"{server.url}/a")
    assert time.monotonic() - started < 0.9


def test_a_quiet_connection_is_tried_again(server: FeedServer) -> None:
    server.routes["/a"] = in_turn(lambda _: time.sleep(0.6), as_json([1]))
    assert quick_client(replace(QUICK, quiet_s=0.2)).json(f"{server.url}/a") == [1]


def test_an_endless_answer_is_bounded(server: FeedServer) -> None:
    server.routes["/a"] = endless()
    with pytest.raises(FeedError, match="more than 2,000,000 bytes"):
        quick_client().json(f"{server.url}/a")


def test_an_endless_line_is_bounded(server: FeedServer) -> None:
    server.routes["/a"] = endless()
    client = quick_client(replace(QUICK, line_bytes=100_000))
    with pytest.raises(FeedError, match="a line of more than 100,000 bytes"):
        client.fetch(f"{server.url}/a", lambda body: list(body.lines()))


def test_a_bomb_is_not_unpacked(server: FeedServer) -> None:
    server.routes["/a"] = packed(b"0" * 50_000_000)
    client = quick_client()
    with pytest.raises(FeedError, match="more than 2,000,000 bytes"):
        client.json(f"{server.url}/a")
    assert client.bytes_read < 2_300_000


def test_all_answers_together_are_bounded(server: FeedServer) -> None:
    server.routes["/a"] = reply(b" " * 400_000 + b"[]")
    client = quick_client(replace(QUICK, run_bytes=1_000_000))
    client.json(f"{server.url}/a")
    client.json(f"{server.url}/a")
    with pytest.raises(FeedError, match="more than 1,000,000 bytes in one run"):
        client.json(f"{server.url}/a")


def test_a_redirect_within_the_host_is_followed(server: FeedServer) -> None:
    server.routes |= {"/a": redirect("/b"), "/b": as_json([2])}
    assert quick_client().json(f"{server.url}/a") == [2]


@pytest.mark.parametrize(
    "elsewhere", ["http://prices.example/x", "https://127.0.0.1/x", "http://127.0.0.1:9/x", "file:///etc/hosts"]
)
def test_a_redirect_elsewhere_is_refused(server: FeedServer, elsewhere: str) -> None:
    server.routes["/a"] = redirect(elsewhere)
    with pytest.raises(FeedError, match=r"which was not asked for: refused|is not allowed"):
        quick_client().json(f"{server.url}/a")
    assert len(server.seen) == 1


def test_a_redirect_in_a_circle_ends(server: FeedServer) -> None:
    server.routes |= {"/a": redirect("/b"), "/b": redirect("/a")}
    with pytest.raises(FeedError, match="302"):
        quick_client().json(f"{server.url}/a")
    assert len(server.seen) < 12


def test_a_host_that_does_not_answer(server: FeedServer) -> None:
    with pytest.raises(FeedError, match=r"(?i)refused"):
        quick_client().json("http://127.0.0.1:9/a")


def test_a_packing_that_was_not_asked_for(server: FeedServer) -> None:
    server.routes["/a"] = reply(b"??", Content_Encoding="br")
    with pytest.raises(FeedError, match="packed as 'br'"):
        quick_client().json(f"{server.url}/a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http://prices.example", "fetched over https"),
        ("ftp://prices.example", "not an address"),
        ("https://user:word@prices.example", "without user"),
        ("https://prices.example/?a=b", "without user, query"),
        ("prices.example", "not an address"),
        ("https://prices.example:99999", "not an address"),
    ],
)
def test_addresses_that_are_not_asked(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        endpoint(text)


def test_plain_http_is_the_users_own_choice() -> None:
    assert endpoint("http://mirror.example/p/", by_user=True).url("/x") == "http://mirror.example/p/x"
