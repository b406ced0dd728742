"""Traces of every kind, whole and broken: what is read and what is counted; memory does not grow with the file."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmplan.catalogs.traces import Trace, TraceOptions, is_rate_series, read_rate_series
from llmplan.catalogs.traces.numbers import numbers, times
from llmplan.errors import DataError
from llmplan.spec.requests import Requests
from tests_support import DATA

AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
TRACES = DATA / "traces"
needs_traces = pytest.mark.skipif(not TRACES.is_dir(), reason="no trace files")


def write(path: Path, text: str | bytes) -> str:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def read(source: str, **options: object) -> tuple[Trace, list[tuple[float, int, int]]]:
    trace = Trace(source, TraceOptions(**options))  # type: ignore[arg-type]
    return trace, [row for run in trace for row in rows_of(run)]


def rows_of(run: Requests) -> list[tuple[float, int, int]]:
    return list(zip(run.arrival_s.tolist(), run.input_tokens.tolist(), run.output_tokens.tolist(), strict=True))


def test_azure(tmp_path: Path) -> None:
    lines = "2023-11-16 18:17:03.9799600,4808,10\r\n2023-11-16 18:17:04.0319600,3180,8\r\n2023-11-17 00:00:00,1,2"
    trace, rows = read(write(tmp_path / "any.name", AZURE + lines))
    assert trace.columns is not None
    assert trace.columns.layout == "Azure"
    assert rows[0] == (0.0, 4808, 10)
    assert rows[1][0] == pytest.approx(0.052, abs=1e-7)
    # 00:00:00 is 5 h 42 min 56.02004 s after 18:17:03.97996
    assert rows[2][0] == pytest.approx(5 * 3600 + 42 * 60 + 56.02004, abs=1e-6)


def test_mooncake_with_its_blocks(tmp_path: Path) -> None:
    objects = [
        {"timestamp": 0, "input_length": 1024, "output_length": 5, "hash_ids": [7, 8]},
        {"timestamp": 3000, "input_length": 100, "output_length": 6, "hash_ids": [7]},
        {"timestamp": 3000, "input_length": 100, "output_length": 6, "hash_ids": []},
    ]
    path = write(tmp_path / "m", gzip.compress("".join(json.dumps(each) + "\n" for each in objects).encode()))
    trace = Trace(path)
    (run,) = trace
    assert rows_of(run) == [(0.0, 1024, 5), (3.0, 100, 6), (3.0, 100, 6)]
    assert run.prefixes is not None
    assert run.prefixes.block_tokens == 512
    assert [run.prefixes.of(row) for row in range(3)] == [(7, 8), (7,), ()]


def test_burstgpt_and_its_failed_requests(tmp_path: Path) -> None:
    header = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    lines = '5,1,2.5,ChatGPT,472,18,490,Conversation log\n45,,1,"GPT-4, big",1087,0,1087,API log\n'
    path = write(tmp_path / "b.csv", header + lines)
    with pytest.raises(DataError, match=r"1 of 2 rows read .* 1 x no output tokens \(first in line 3\)"):
        read(path)
    trace, rows = read(path, bad_rows="clip")
    assert rows == [(0.0, 472, 18), (40.0, 1087, 1)]
    assert [(each.kind, each.rows, each.mended) for each in trace.tally.problems] == [("no output tokens", 1, 1)]
    assert read(path, bad_rows="skip")[1] == [(0.0, 472, 18)]


def test_columns_that_the_user_names(tmp_path: Path) -> None:
    lines = "acme, 1700000000000 ,10,1,x\nbob,1700000001500,20,2,y\nacme,1700000002000,30,3,\n"
    path = write(tmp_path / "own.csv", "customer, ts ,prompt_len,gen,other\n" + lines)
    names = {"arrival": "ts", "input": "prompt_len", "output": "GEN", "tenant": "customer"}
    trace = Trace(path, TraceOptions(columns=names))
    (run,) = trace
    assert rows_of(run) == [(0.0, 10, 1), (1.5, 20, 2), (2.0, 30, 3)]  # 1.7e12 can only be milliseconds
    assert run.tenant is not None
    assert [trace.tenants[number] for number in run.tenant.tolist()] == ["acme", "bob", "acme"]
    assert read(path, columns=names, time_unit="us")[1][2][0] == pytest.approx(0.002)
    with pytest.raises(DataError, match="not a kind of trace that is known") as wrong:
        read(path)
    assert any("--column arrival=NAME" in hint for hint in wrong.value.hints)
    with pytest.raises(DataError, match="no column 'promt_len'") as wrong:
        read(path, columns={**names, "input": "promt_len"})
    assert wrong.value.hints == ("did you mean --column input=prompt_len?",)


def test_json_lines_with_other_keys_and_iso_times(tmp_path: Path) -> None:
    text = (
        '{"at": "2024-05-10T00:00:00Z", "p": 5, "g": "6"}\n\n{"at": "2024-05-10T02:00:01.5+02:00", "p": 7, "g": 8.0}\n'
    )
    names = {"arrival": "at", "input": "p", "output": "g"}
    assert read(write(tmp_path / "j", text), columns=names)[1] == [(0.0, 5, 6), (1.5, 7, 8)]


BROKEN = [
    ("0,5", "too few or too many columns"),
    ("0,5,6,7", "too few or too many columns"),
    (",5,6", "a value missing"),
    ("0,,6", "a value missing"),
    ("0,x,6", "not a number"),
    ("0,1_000,6", "not a number"),
    ("0,0x10,6", "not a number"),
    ("0,5," + "9" * 50, "not a number"),
    ("0,nan,6", "NaN"),
    ("NaN,5,6", "NaN"),
    ("0,inf,6", "a number too large"),
    ("0,5,1e300", "a number too large"),
    ("1e30,5,6", "a number too large"),
    ("0,99999999999,6", "a number too large"),
    ("0,5.5,6", "not whole tokens"),
    ("-1,5,6", "a negative timestamp"),
    ("0,-5,6", "a negative length"),
    ("0,0,6", "no input tokens"),
    ("0,5,0", "no output tokens"),
    ("0,900,200", "longer than the context"),
    ("\xff\x00,\x01,\x02", "not a number"),
]


@pytest.mark.parametrize(("line", "kind"), BROKEN)
def test_every_kind_of_bad_row_is_named(tmp_path: Path, line: str, kind: str) -> None:
    """Refused with its line by default; left out or mended by a flag, and counted either way."""
    text = f"arrival_s,input_tokens,output_tokens\n0,1,2\n{line}\n3,4,5\n"
    path = write(tmp_path / "bad.csv", text)
    with pytest.raises(DataError) as refused:
        read(path, context_tokens=1000)
    assert f"1 x {kind} (first in line 3)" in refused.value.message
    assert any("--bad-rows skip" in hint for hint in refused.value.hints)
    trace, rows = read(path, context_tokens=1000, bad_rows="skip")
    assert rows == [(0.0, 1, 2), (3.0, 4, 5)]
    assert (trace.tally.rows, trace.tally.used, trace.tally.counts()) == (3, 2, {kind: 1})
    trace, rows = read(path, context_tokens=1000, bad_rows="clip")
    mended = {
        "no input tokens": (0.0, 1, 6),
        "no output tokens": (0.0, 5, 1),
        "longer than the context": (0.0, 900, 100),
    }
    assert rows == [(0.0, 1, 2), *([mended[kind]] if kind in mended else []), (3.0, 4, 5)]
    assert trace.tally.problems[0].mended == (kind in mended)


def test_rows_out_of_order(tmp_path: Path) -> None:
    path = write(tmp_path / "o.csv", "arrival_s,input_tokens,output_tokens\n1,1,1\n5,2,1\n4,3,1\n4.5,4,1\n6,5,1\n")
    with pytest.raises(DataError, match=r"2 of 5 rows .* 2 x out of order \(first in line 4\)"):
        read(path)
    assert [row[:2] for row in read(path, bad_rows="skip")[1]] == [(0, 1), (4, 2), (5, 5)]
    assert [row[:2] for row in read(path, bad_rows="clip")[1]] == [(0, 1), (4, 2), (4, 3), (4, 4), (5, 5)]


def test_order_is_kept_across_blocks(tmp_path: Path) -> None:
    lines = "".join(f"{at}.25,1,1\n" for at in range(200_000))
    path = write(tmp_path / "o.csv", f"arrival_s,input_tokens,output_tokens\n{lines}100000.5,9,9\n")
    with pytest.raises(DataError, match=r"1 x out of order \(first in line 200,002\)"):
        read(path)
    trace = Trace(path, TraceOptions(bad_rows="skip"))
    runs = list(trace)
    assert sum(map(len, runs)) == 200_000
    assert max(map(len, runs)) <= 65_536
    assert runs[-1].arrival_s[-1] == 199_999


def test_several_kinds_in_one_error(tmp_path: Path) -> None:
    path = write(
        tmp_path / "b.csv", "arrival_s,input_tokens,output_tokens\n0,1,1\nx,1,1\n1,0,1\n2,1,0\n2,1,0\n2,1,1\n1,1,1\n"
    )
    with pytest.raises(DataError) as refused:
        read(path)
    for part in ("5 of 7 rows", "1 x not a number", "1 x no input tokens", "2 x no output tokens (first in line 5)"):
        assert part in refused.value.message
    assert "1 x out of order (first in line 8)" in refused.value.message


def test_a_gzip_stream_that_ends_early(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    body = "".join(f"{at},{n},5\n" for at, n in enumerate(rng.integers(1, 9999, 300_000)))
    whole = gzip.compress(("arrival_s,input_tokens,output_tokens\n" + body).encode())
    path = write(tmp_path / "t.csv.gz", whole[: len(whole) * 2 // 3])
    with pytest.raises(DataError, match="the file ends early"):
        read(path)
    trace, rows = read(path, bad_rows="skip")
    assert 100_000 < len(rows) < 250_000
    assert list(trace.tally.counts()) == ["the file ends early"]  # not also the half row at the end
    with pytest.raises(DataError, match="broken at its start"):
        read(write(tmp_path / "u.gz", whole[:9]))
    corrupt = whole[:5000] + b"\x00" * 5000 + whole[10_000:]
    with pytest.raises(DataError):
        read(write(tmp_path / "v.gz", corrupt))


def test_a_line_without_end(tmp_path: Path) -> None:
    head = "arrival_s,input_tokens,output_tokens\n0,1,1\n"
    path = write(tmp_path / "l.csv", head + "7" * 5_000_000 + "\n3,4,5\n")
    with pytest.raises(DataError, match=r"a line without end \(first in line 3\)"):
        read(path)
    trace, rows = read(path, bad_rows="skip")
    assert rows == [(0.0, 1, 1), (3.0, 4, 5)]
    assert trace.tally.rows == 3
    with pytest.raises(DataError):
        read(write(tmp_path / "m.csv", "7" * 3_000_000))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no requests"),
        (b"\n\n  \n", "holds no requests"),
        (AZURE.encode(), "holds no requests"),
        (b"{not json}\n", "begins like JSON"),
        (b'{"a": 1}\n', "not a kind of trace"),
        (b"[1, 2]\n", "not a kind of trace"),
        (bytes(range(256)) * 50, "not a kind of trace"),
        (b"1,2,3\n4,5,6\n", "its columns are '1', '2', '3'"),
        (b"[" * 200_000, "not a kind of trace"),
        (b'{"timestamp":' + b"[" * 100_000 + b"\n", "begins like JSON"),
    ],
)
def test_what_is_no_trace(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(write(tmp_path / "f", content))


def test_json_rows_that_are_none(tmp_path: Path) -> None:
    good = {"timestamp": 0, "input_length": 10, "output_length": 5, "hash_ids": [1]}
    bad = ["[1]", "{", '{"timestamp": 1}', json.dumps(good | {"input_length": None}),
           json.dumps(good | {"hash_ids": [1.5]}),
           json.dumps(good | {"output_length": True}), json.dumps(good | {"hash_ids": [2**70]}),
           '{"timestamp": 1e999, "input_length": 1, "output_length": 1}',
           '{"timestamp": 1, "input_length": 1' + "0" * 400 + ', "output_length": 1}']  # fmt: skip
    path = write(tmp_path / "j", "\n".join([json.dumps(good), *bad]))
    trace, rows = read(path, bad_rows="skip")
    assert rows == [(0.0, 10, 5)]
    assert trace.tally.counts() == {
        "a value missing": 2,
        "not a number": 1,
        "not a JSON object": 2,
        "block ids that are not whole numbers": 2,
        "a number too large": 2,
    }


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    for source in (tmp_path, tmp_path / "missing"):
        with pytest.raises(DataError, match="cannot be read"):
            read(str(source))


def test_stdin_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO(gzip.compress((AZURE + "2023-11-16 18:17:03,1,2\n").encode()))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(raw)))  # type: ignore[type-var]
    trace = Trace("-")
    assert [row for run in trace for row in rows_of(run)] == [(0.0, 1, 2)]
    with pytest.raises(DataError, match="stdin can be read once"):
        list(trace)


def test_rounded_stamps_are_spread_again(tmp_path: Path) -> None:
    """Three requests of one stamp lie in the three thirds of its 3 s, also where a block ends among them."""
    rows = 90_000
    text = "".join(f"{at // 3 * 3000},1,1\n" for at in range(rows))
    path = write(tmp_path / "q.csv", "timestamp,input_length,output_length\n" + text)
    trace = Trace(path, TraceOptions(jitter_s=3.0, seed=1))
    found = np.concatenate([run.arrival_s for run in trace])
    assert len(found) == rows
    assert (found.astype(int) == np.arange(rows)).all()  # one in each second
    assert (found == np.concatenate([run.arrival_s for run in trace])).all()
    other = np.concatenate([run.arrival_s for run in Trace(path, TraceOptions(jitter_s=3.0, seed=2))])
    assert (found != other).all()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.floats(0, 1e15), st.integers(0, 10**18)), min_size=1, max_size=20))
def test_numbers_are_those_of_python(values: list[float | int]) -> None:
    texts = np.array([str(value).encode() for value in values], dtype=bytes)
    found, codes = numbers(texts.view(np.uint8).reshape(len(values), -1))
    assert found.tolist() == [float(str(value)) for value in values]
    assert not codes.any()


@settings(max_examples=200, deadline=None)
@given(st.datetimes(), st.sampled_from(["", "Z"]), st.sampled_from([" ", "T"]))
def test_times_are_those_of_python(moment: object, zone: str, between: str) -> None:
    from datetime import UTC, datetime

    assert isinstance(moment, datetime)
    text = moment.isoformat(between) + zone
    whole, part, codes = times(np.frombuffer(text.encode(), dtype=np.uint8).reshape(1, -1))
    expected = moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    assert not codes.any()
    assert whole[0] == expected.days * 86_400 + expected.seconds
    assert part[0] == pytest.approx(moment.microsecond / 1e6, abs=1e-12)


@pytest.mark.parametrize(
    "text", ["2023-02-29 00:00:00", "2023-13-01 00:00:00", "2023-01-01 25:00:00", "2023-1-1", "soon"]
)
def test_no_times(text: str) -> None:
    assert times(np.frombuffer(text.encode(), dtype=np.uint8).reshape(1, -1))[2][0] > 0


def test_rate_series(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "ts,requests_per_second\n0,2\n600,4\n1800,6\n")
    assert is_rate_series(path)
    series = read_rate_series(path)
    assert (series.bin_s, series.rates) == (600.0, (2.0, 4.0, 0.0, 6.0))
    counted = write(
        tmp_path / "c.csv", "time_bin,avg_turns,session_count,frac_ge2\n0,86.0,1,1\n3600,5,2,0\n7200,0,0,0\n"
    )
    assert read_rate_series(counted).rates == (86 / 3600, 10 / 3600, 0.0)
    assert not is_rate_series(write(tmp_path / "a.csv", AZURE))
    for text in ("0,x", "0,1\n0,2", "0,1\n600,nan", "0,1\n600,-1", "0,1\n600,1\n950,1", "0,0\n1,0", "5,1", ""):
        with pytest.raises(DataError):
            read_rate_series(write(tmp_path / "bad.csv", "ts,requests_per_second\n" + text))


@needs_traces
@pytest.mark.parametrize(
    ("name", "rows", "layout"),
    [
        ("AzureLLMInferenceTrace_code.csv.gz", 8819, "Azure"),
        ("AzureLLMInferenceTrace_conv.csv.gz", 19366, "Azure"),
        ("mooncake_conversation_trace.jsonl.gz", 12031, "Mooncake"),
    ],
)
def test_public_traces_are_read_whole(name: str, rows: int, layout: str) -> None:
    trace, found = read(str(TRACES / name))
    assert len(found) == trace.tally.rows == trace.tally.used == rows
    assert trace.columns is not None
    assert trace.columns.layout == layout


LONG = """
import resource, sys
from llmplan.catalogs.traces import Trace, TraceOptions
count = sum(map(len, Trace(sys.argv[1], TraceOptions(bad_rows="clip"))))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Three million rows take no more memory than ninety thousand, but for a few blocks."""
    lines = "".join(f"{at}.125,{at % 4000 + 1},{at % 300 + 1}\n" for at in range(30_000))
    used_kib = {}
    for times_over in (3, 100):
        path = tmp_path / f"{times_over}.csv"
        with path.open("w") as file:
            file.write("arrival_s,input_tokens,output_tokens\n")
            for _ in range(times_over):
                file.write(lines)
        done = subprocess.run([sys.executable, "-c", LONG, str(path)], capture_output=True, text=True, check=True)
        count, used_kib[times_over] = map(int, done.stdout.split())
        assert count == 30_000 * times_over
    assert used_kib[100] < used_kib[3] + 20_000, used_kib
