"""Put one load on an OpenAI-compatible engine and write down every request as it was, one JSON object a line.

    python benchmarks/real_engine/load.py closed-4 --out closed-4.jsonl [--url http://127.0.0.1:8000] [--model smollm2]

Needs nothing but Python. Prompts are random token ids, so that their lengths are exact and no two share a prefix;
`ignore_eos` makes answers as long as they were drawn. A line: `arrival_s` from the start of the load, `ttft_s` and
`e2e_s` from the arrival to the first and last piece of the answer, `input_tokens` and `output_tokens` as the engine
counted them, `pieces` the number of pieces that the answer came in.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from loads import Drawn, Load
from settings import LOADS, SERVED_NAME

VOCABULARY = range(1000, 49000)
LIMIT_S = 280.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One request as it was."""

    index: int
    arrival_s: float
    ttft_s: float
    e2e_s: float
    input_tokens: int
    output_tokens: int
    pieces: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where requests go."""

    host: str
    port: int
    model: str

    def post(self, drawn: Drawn, prompt: list[int]) -> bytes:
        """The request as bytes."""
        body = json.dumps(
            {
                "model": self.model, "prompt": prompt, "max_tokens": drawn.output_tokens, "temperature": 0,
                "ignore_eos": True, "stream": True, "stream_options": {"include_usage": True},
            }
        ).encode()  # fmt: skip
        head = (
            f"POST /v1/completions HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


async def send(target: Target, index: int, drawn: Drawn, message: bytes, start: float) -> Sent:
    """Send one request and read its answer to the end."""
    arrival = time.perf_counter()
    reader, writer = await asyncio.open_connection(target.host, target.port)
    writer.write(message)
    status = await reader.readline()
    if b" 200 " not in status:
        raise RuntimeError(f"request {index}: {status.decode().strip()} {(await reader.read()).decode()[-500:]}")
    first = last = 0.0
    pieces = 0
    usage: dict[str, int] = {}
    # The engine writes each event as one chunk; lines that are not data are chunk sizes and blank lines.
    while line := await reader.readline():
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        usage = event.get("usage") or usage
        if event["choices"]:
            last = time.perf_counter()
            first = first or last
            pieces += 1
    writer.close()
    if usage.get("prompt_tokens") != drawn.input_tokens or usage.get("completion_tokens") != drawn.output_tokens:
        raise RuntimeError(f"request {index}: asked for {drawn}, the engine counted {usage}")
    return Sent(
        index=index, arrival_s=round(arrival - start, 5), ttft_s=round(first - arrival, 5),
        e2e_s=round(last - arrival, 5), input_tokens=drawn.input_tokens, output_tokens=drawn.output_tokens,
        pieces=pieces,
    )  # fmt: skip


def messages(target: Target, load: Load) -> list[tuple[int, Drawn, bytes]]:
    """Every request of a load, made before the clock starts."""
    dice = random.Random(-load.seed)
    return [
        (index, drawn, target.post(drawn, dice.choices(VOCABULARY, k=drawn.input_tokens)))
        for index, drawn in enumerate(load.draw())
    ]


async def put(target: Target, load: Load) -> list[Sent]:
    """The whole load."""
    queue = iter(messages(target, load))
    start = time.perf_counter()
    if load.clients is None:
        return list(await asyncio.gather(*(later(target, one, start) for one in queue)))
    turns = await asyncio.gather(*(client(target, queue, start) for _ in range(load.clients)))
    return sorted((sent for turn in turns for sent in turn), key=lambda sent: sent.index)


async def later(target: Target, one: tuple[int, Drawn, bytes], start: float) -> Sent:
    """One request of an open loop, sent when it is due whatever became of the others."""
    index, drawn, message = one
    await asyncio.sleep(drawn.due_s - (time.perf_counter() - start))
    return await send(target, index, drawn, message, start)


async def client(target: Target, queue: Iterator[tuple[int, Drawn, bytes]], start: float) -> list[Sent]:
    """One client of a closed loop: takes the next request that nobody has sent yet, until none is left."""
    return [await send(target, index, drawn, message, start) for index, drawn, message in queue]


def main() -> int:
    """Put the load, write the lines, print a summary."""
    parser = argparse.ArgumentParser(description="Put one load on an engine and write down its requests.")
    parser.add_argument("load", choices=sorted(LOADS))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--model", default=SERVED_NAME)
    chosen = parser.parse_args()
    url = urlsplit(chosen.url)
    target = Target(host=url.hostname or "127.0.0.1", port=url.port or 80, model=chosen.model)
    try:
        sent = asyncio.run(asyncio.wait_for(put(target, LOADS[chosen.load]), LIMIT_S))
    except (OSError, RuntimeError, TimeoutError) as error:
        print(f"error: {error!r}", file=sys.stderr)
        return 1
    chosen.out.write_text("".join(json.dumps(asdict(one)) + "\n" for one in sent), encoding="utf-8")
    length_s = max(one.arrival_s + one.e2e_s for one in sent)
    tokens = sum(one.output_tokens for one in sent)
    print(f"{chosen.load}: {len(sent)} requests in {length_s:.1f} s, {tokens / length_s:.1f} output tokens/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
