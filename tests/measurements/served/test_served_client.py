"""Careful GETs against a server on this machine: what it answers, and what the world does to answers."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator

import pytest

from feed_server import FeedServer, as_json, cut_short, dripping, endless, in_turn, packed, redirect, reply, serving
from llmplan.errors import DataError, UsageError
from llmplan.measurements.served.address import Address, address, authorization, refuse_open_secret
from llmplan.measurements.served.client import Client, Limits, UnreachableError, tls_of

QUICK = Limits(connect_s=1.0, quiet_s=1.0, total_s=1.5, answer_bytes=100_000)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with serving() as found:
        yield found


def client(server: FeedServer, **more: object) -> Client:
    return Client(address=address(server.url), limits=QUICK, **more)  # type: ignore[arg-type]


def test_an_answer_whatever_its_status(server: FeedServer) -> None:
    server.routes = {"/metrics": reply("a 1\n"), "/locked": reply("no", 403)}
    asked = client(server)
    assert (asked.get("/metrics").status, asked.get("/metrics").text) == (200, "a 1\n")
    assert asked.get("/locked").status == 403
    assert asked.get("/nowhere").status == 404
    assert server.seen == ["/metrics", "/metrics", "/locked", "/nowhere"]
    assert all(agent.startswith("llmplan/") for agent in server.agents)


def test_a_prefix_stands_before_every_path(server: FeedServer) -> None:
    server.routes = {"/team/metrics": reply("a 1\n")}
    assert Client(address=address(f"{server.url}/team/v1"), limits=QUICK).get("/metrics").status == 200


def test_redirects_within_the_server_are_followed(server: FeedServer) -> None:
    server.routes = {"/metrics": redirect("/metrics/", 307), "/metrics/": reply("a 1\n")}
    assert client(server).get("/metrics").text == "a 1\n"


def test_a_redirect_to_another_host_is_refused_and_the_key_stays_here(server: FeedServer) -> None:
    with serving() as other:
        other.routes = {"/metrics": reply("a 1\n")}
        server.routes = {"/metrics": redirect(f"{other.url}/metrics")}
        with pytest.raises(UnreachableError, match=rf"redirects to {other.url}, which was not asked for"):
            client(server, authorization="Bearer sk-planted").get("/metrics")
        assert other.seen == []


def test_a_redirect_to_itself_ends(server: FeedServer) -> None:
    server.routes = {"/metrics": redirect("/metrics")}
    with pytest.raises(UnreachableError, match="again and again"):
        client(server).get("/metrics")
    assert len(server.seen) == 4


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (endless(), "more than 100,000 bytes"),
        (reply("x" * 100_001), "more than 100,000 bytes"),
        (packed(b"a 1\n" * 1000), "packed as 'gzip', which was not asked for"),
        (cut_short(b"a 1\n"), "cut short"),
        (lambda handler: handler.wfile.write(b"\x00\x01 what\r\n\r\n"), "does not speak HTTP"),
    ],
)
def test_answers_that_are_refused(server: FeedServer, answer: object, said: str) -> None:
    server.routes = {"/metrics": answer}  # type: ignore[dict-item]
    with pytest.raises(UnreachableError, match=said):
        client(server).get("/metrics")


@pytest.mark.parametrize("answer", [dripping(b"a 1\n" * 1000), lambda handler: time.sleep(5)])
def test_slow_answers_end_in_time(server: FeedServer, answer: object) -> None:
    server.routes = {"/metrics": answer}  # type: ignore[dict-item]
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="no answer in time"):
        client(server).get("/metrics")
    assert time.monotonic() - started < 60.0  # 4000 bytes would drip for 200 s


def test_nobody_there(server: FeedServer) -> None:
    gone = Client(address=Address(scheme="http", host="127.0.0.1", port=1), limits=QUICK)
    with pytest.raises(UnreachableError, match="nobody listens there") as refused:
        gone.get("/metrics")
    assert any("port-forward" in hint for hint in refused.value.hints)
    tls = Client(address=Address(scheme="https", host="127.0.0.1", port=server.port), tls=tls_of(), limits=QUICK)
    with pytest.raises(UnreachableError, match="no TLS there"):
        tls.get("/metrics")


def test_the_key_is_sent_and_never_shown(server: FeedServer) -> None:
    got: list[str | None] = []

    def answer(handler: object) -> None:
        got.append(handler.headers.get("Authorization"))  # type: ignore[attr-defined]
        as_json({})(handler)  # type: ignore[arg-type]

    server.routes = {"/metrics": answer}  # type: ignore[dict-item]
    asked = client(server, authorization=authorization("sk-planted", "KEY"))
    asked.get("/metrics")
    assert got == ["Bearer sk-planted"]
    assert "sk-planted" not in repr(asked)


def test_how_a_key_becomes_a_header() -> None:
    assert authorization(" sk-1\n", "KEY") == "Bearer sk-1"
    assert authorization("Basic dXNlcjpwYXNz", "KEY") == "Basic dXNlcjpwYXNz"
    for bad in ("", "  ", "sk-1\r\nHost: evil", "sk-é"):
        with pytest.raises(UsageError) as refused:
            authorization(bad, "KEY")
        assert "KEY" in refused.value.message
        assert "sk-" not in refused.value.message


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("http://localhost:8000", False), ("http://127.0.0.1", False), ("http://[::1]:8000", False),
        ("http://10.0.0.5:8000", True), ("http://llm.example", True), ("https://llm.example", False),
    ],
)  # fmt: skip
def test_a_key_goes_in_the_clear_only_where_that_was_asked_for(text: str, plain: bool) -> None:
    where = address(text)
    assert where.is_plain is plain
    refuse_open_secret(where, insecure=True)
    if plain:
        with pytest.raises(UsageError, match="in the clear"):
            refuse_open_secret(where, insecure=False)
    else:
        refuse_open_secret(where, insecure=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("localhost:8000", "no address"), ("", "no address"), ("ftp://x", "no address"), ("http://", "no address"),
        ("http://x:99999", "no address"), ("http://x y/", "no address"), ("http://x/?a=b", "without query"),
        ("http://user:sk-planted@x/", "password"), ("http://\x00", "no address"), ("http://[::1", "no address"),
    ],
)  # fmt: skip
def test_what_is_no_address(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        address(text)
    assert "sk-planted" not in refused.value.message + "".join(refused.value.hints)


def test_certificates_are_checked_unless_told_otherwise(tmp_path: object) -> None:
    import ssl

    assert tls_of().verify_mode is ssl.CERT_REQUIRED
    assert tls_of().check_hostname
    assert tls_of(insecure=True).verify_mode is ssl.CERT_NONE
    from pathlib import Path

    empty = Path(str(tmp_path)) / "ca.pem"
    empty.write_text("nothing")
    for path in (empty, empty.with_name("absent.pem")):
        with pytest.raises(DataError, match="no certificates in it"):
            tls_of(path)


@pytest.mark.parametrize(
    "text",
    [
        "http://user:sekret@host", "user:sekret@host:8000", "http:user:sekret@host", "ftp://user:sekret@host",
        "//user:sekret@host/", "http://host?api_key=sekret", "host?api_key=sekret", "http://host/#sekret",
    ],
)  # fmt: skip
def test_no_password_in_an_address_is_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        address(text)
    assert "sekret" not in " ".join([caught.value.message, *caught.value.hints])


def test_a_server_that_repeats_its_key_is_not_believed(server: FeedServer) -> None:
    server.routes = {"/metrics": reply('a{model_name="Bearer sk-planted-4711"} 1\n')}
    assert "sk-planted" not in client(server, authorization="Bearer sk-planted-4711").get("/metrics").text
    assert client(server, authorization="Bearer 1").get("/metrics").text.endswith(" 1\n"), "too short to be a key"


def test_a_redirect_is_no_command_of_the_servers_own(server: FeedServer) -> None:
    server.routes = {"/metrics": redirect("http://x;$(touch${IFS}y)/")}
    with pytest.raises(UnreachableError) as caught:
        client(server).get("/metrics")
    assert shlex.split(caught.value.hints[0].partition(": ")[2])[:2] == ["llmplan", "observe"]
    assert len(shlex.split(caught.value.hints[0].partition(": ")[2])) == 3
    assert "'" in caught.value.hints[0]


def test_several_answers_in_turn(server: FeedServer) -> None:
    server.routes = {"/metrics": in_turn(reply("a 1\n"), reply("a 2\n"))}
    asked = client(server)
    assert [asked.get("/metrics").text for _ in range(3)] == ["a 1\n", "a 2\n", "a 2\n"]
