#!/usr/bin/python3
"""A small workflow engine over MessagePack-RPC: a step is a task, and begins when the steps that it needs have ended.

The words of a text are counted in pieces (fan-out), the counts are added up (fan-in), a step that cannot work yet is tried again by the
node, and one that nobody needs any more is cancelled. Everything is durable: the node has stored it before it says so.

    WAYANG_ENDPOINT=tcp://127.0.0.1:7800 WAYANG_TOKEN=... workflow.py TEXT

The last line of the output is JSON: each task and how it ended.
"""

import asyncio
import json
import os
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Callable, Tuple

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))

from wayang.client import AsyncClient, Task  # noqa: E402

PIECES = 8
COUNT = "tr -cs A-Za-z '\\n' | tr A-Z a-z | sort | uniq -c"
ADD_UP = "awk '{n[$2] += $1} END {for (w in n) print n[w], w}'"


@dataclass(frozen=True)
class Step:
    """What is run when the steps before it have ended; it is made of their standard output."""

    name: str
    task: Callable[..., Task]
    needs: Tuple[str, ...] = ()


class Workflow:
    """Runs steps on a node, each as soon as it can, and keeps how each task ended."""

    def __init__(self, client):
        self._client = client
        self._steps = {}
        self.ended = {}

    def start(self, step):
        """Begins a step when what it needs is there; returns at once."""
        self._steps[step.name] = asyncio.ensure_future(self._run(step))

    async def end(self, name):
        """How a step ended, once it did."""
        return await self._steps[name]

    async def output(self, name):
        """The standard output of a step, once it ended well."""
        return (await self.end(name)).check().stdout

    async def _run(self, step):
        told = [await self.output(name) for name in step.needs]
        result = await self._client.run(step.task(*told))
        self.ended[result.task] = result.state
        return result


def command(script, stdin=b"", **options):
    return Task.command("/bin/sh", "-c", script, stdin=stdin, durable=True, group="workflow-py", **options)


def pieces_of(text, count):
    """About equal parts, cut between lines."""
    lines = text.splitlines(keepends=True)
    size = max(1, -(-len(lines) // count))
    return ["".join(lines[at:at + size]).encode() for at in range(0, len(lines), size)]


async def main(text):
    async with AsyncClient() as client:
        flow = Workflow(client)

        # Nobody will need it: it is cancelled when the rest is done.
        obsolete = await client.submit(command("sleep 600"))

        # What it waits for is not there for half a second; the node tries again, 100 ms later, then 200, ...
        ready = int(time.time() * 1000) + 500
        flow.start(Step("source", lambda: command(
            f'test $(($(date +%s%N) / 1000000)) -ge {ready} && echo ready', retry={"max_attempts": 10, "backoff_ms": 100, "on": ["exit"]})))

        parts = pieces_of(text, PIECES)
        for number, part in enumerate(parts):
            flow.start(Step(f"count {number}", lambda _, part=part: command(COUNT, part), ("source",)))
        flow.start(Step("sum", lambda *counts: command(ADD_UP, b"".join(counts)), tuple(f"count {number}" for number in range(len(parts)))))

        sums = {word: int(count) for count, word in (line.split(None, 1) for line in (await flow.output("sum")).decode().splitlines() if len(line.split()) == 2)}
        here = Counter(re.findall("[a-z]+", text.lower()))
        assert sums == here, "the node counted otherwise than this program"

        attempts = (await flow.end("source")).more["attempt"]
        assert attempts > 1, "nothing was tried again"

        await client.cancel(obsolete)
        end = await client.wait(obsolete)
        assert end.state == "cancelled", end
        flow.ended[obsolete] = end.state

    print(f"workflow.py   {len(parts)} pieces counted and added up: {sum(here.values()):,} words, {len(here):,} different, as counted here; "
          f"the source was there at attempt {attempts}; 1 step cancelled", flush=True)
    print(json.dumps(flow.ended), flush=True)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        asyncio.run(main(file.read().encode("ascii", "replace").decode()))
