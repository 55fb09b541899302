"""Jobs of many kinds, each answering what the test computes by other means."""

import asyncio
import base64
import csv
import dataclasses
import datetime
import decimal
import email
import functools
import gc
import hashlib
import html
import io
import itertools
import json
import pickle
import re
import struct
import sys
import threading
import time
import urllib.parse
import uuid
import xml.etree.ElementTree
import zlib

import wayang


def big_integers(data):
    base, exponent = map(int, data.split())
    return str(base**exponent)


@wayang.json
def reverse_json(value):
    return {key: value[key][::-1] for key in sorted(value)}


@wayang.msgpack
def reverse_msgpack(value):
    return list(reversed(value))


def deflate(data):
    return zlib.compress(data, 9)


def pickled(data):
    tree = {"data": data, "nested": [(1, 2.5), None, {frozenset((1, 2))}], "point": Point(3, 4)}
    again = pickle.loads(pickle.dumps(tree, protocol=5))
    return b"same" if again == tree and again["data"] == data else b"different"


def backtracking(data):
    return repr(re.fullmatch(rb"(a+)+b", data))


def decimals(data):
    decimal.getcontext().prec = int(data)
    return str(decimal.Decimal(1) / decimal.Decimal(7))


def hashes(data):
    return hashlib.sha256(data).digest() + hashlib.sha512(data).digest()


def generators(data):
    def squares():
        for n in itertools.count(1):
            got = yield n * n
            if got is not None:
                return got

    lines = squares()
    total = sum(itertools.islice(lines, int(data)))
    try:
        lines.send("end")
    except StopIteration as stop:
        return f"{total} {stop.value}"


def nested_coroutines(data):
    async def one(n):
        await asyncio.sleep(0.001 * (10 - n))
        return n * n

    async def all_of(count):
        queue = asyncio.Queue()
        results = await asyncio.gather(*(one(n) for n in range(count)))
        await queue.put(sum(results))
        return await asyncio.wait_for(queue.get(), 5)

    return str(asyncio.run(all_of(int(data))))


async def coroutine(data, ctx):
    await asyncio.sleep(0)
    return data[::-1]


@dataclasses.dataclass(order=True)
class Point:
    x: int
    y: int = 0


def classes(data):
    made = {}
    exec("def add(a, b):\n    return a + b", made)
    points = sorted([Point(3, 1), Point(1, 2), dataclasses.replace(Point(1), y=9)])
    return f"{points[0]} {dataclasses.asdict(points[1])} {made['add'](2, 3)}"


def deep(data):
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20000)

    def down(n):
        return 0 if n == 0 else 1 + down(n - 1)

    try:
        return str(down(int(data)))
    finally:
        sys.setrecursionlimit(limit)


def too_deep():
    def down():
        return down() + 1

    try:
        down()
    except RecursionError:
        return "caught"


def unwinding(data):
    seen = []
    try:
        for n in range(3):
            try:
                seen.append(f"try{n}")
                if n == 1:
                    raise KeyError("inner")
            except KeyError as error:
                seen.append("except")
                raise ValueError("outer") from error
            finally:
                seen.append(f"finally{n}")
    except ValueError as error:
        seen.append(type(error.__cause__).__name__)
    return ",".join(seen)


def cycles(data):
    class Node:
        def __init__(self):
            self.me = self
            self.room = bytearray(1000)

    gc.collect()
    for _ in range(int(data)):
        Node()
    gc.collect()
    return str(sum(isinstance(thing, Node) for thing in gc.get_objects()))


def planets(data):
    x, v = 1.0, 0.0
    for _ in range(int(data)):
        v -= x * 0.001
        x += v * 0.001
    return struct.pack("<dd", x, v)


def waits():
    lock, began = threading.Lock(), time.monotonic()
    lock.acquire()
    again = lock.acquire(timeout=0.02)
    time.sleep(0.02)
    event = threading.Event()
    return f"{again} {event.wait(0.01)} {0.05 <= time.monotonic() - began < 30}"


def texts():
    day = datetime.datetime.strptime("2024-02-29 13:14", "%Y-%m-%d %H:%M")
    letter = email.message_from_string("Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\nTo: a@b.c\n\nbody")
    rows = list(csv.reader(io.StringIO('a,"b,c"\n')))
    root = xml.etree.ElementTree.fromstring("<a><b k='v'>t</b></a>")
    return json.dumps([day.strftime("%A %j"), letter["to"], rows, root[0].attrib, html.unescape("&auml;&lt;"),
                       urllib.parse.quote("a b/ä"), base64.b64encode(b"\0\xff").decode(), "ä".encode("utf-16-le").hex(),
                       str(uuid.UUID(int=5)), functools.reduce(lambda a, b: a * b, range(1, 6))])


def threads():
    """Where threads are allowed, what they print is the task's too."""
    found = []

    def work(n):
        print("thread", n)
        found.append(n)

    try:
        all_of_them = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in all_of_them:
            thread.start()
        for thread in all_of_them:
            thread.join()
    except RuntimeError as error:
        return f"refused: {error}"
    return str(sum(found))
