"""What a function may take, answer, raise and ask of its context."""

import collections
import logging
import os
import random
import sys

import wayang

calls = 0


def echo(data, ctx):
    return data


def returns(data):
    return {"bytes": b"b", "bytearray": bytearray(b"ba"), "memoryview": memoryview(b"mv"), "str": "ä", "none": None,
            "int": 5, "generator": (n for n in ()), "surrogate": "\udc80"}[data.decode()]


def nothing():
    return "called"


def one(data):
    return data


def with_default(data, limit=3):
    return f"{data.decode()} {limit}"


def context_by_name(data, ctx=None):
    return type(ctx).__name__


def anything(*args):
    return str(len(args))


def three(a, b, c):
    return a


def keyword_only(data, *, need):
    return data


class Broken(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class TooBad(Exception):
    pass


def raises(data):
    kind = data.decode()
    if kind == "exit":
        sys.exit(3)
    if kind == "os_exit":
        os._exit(7)
    if kind == "memory":
        return bytearray(1 << 62)
    if kind == "recursion":
        return raises(data)
    if kind == "long":
        raise ValueError("x" * 100_000)
    raise {"value": ValueError("bad value"), "own": TooBad("of mine"), "interrupt": KeyboardInterrupt(), "broken": Broken(),
           "base": BaseException("base")}[kind]


def speaks(data):
    for n in range(int(data)):
        print("out", n)
        print("err", n, file=sys.stderr)
        logging.getLogger("shop").info("sold %d", n)
    logging.debug("not shown: debug is off by default")
    print("no line end", end="")
    return "said"


@wayang.json
def facts(value, ctx):
    ctx.log("a line")
    ctx.log("error", "a bad line")
    return [ctx.task_id, ctx.attempt, ctx.cancelled, ctx.deadline]


def progresses(data, ctx):
    for percent in range(101):
        ctx.progress(percent, f"step {percent}")
    while not ctx.cancelled:
        pass
    raise TooBad("stopped as asked")


def progress_wrong(data, ctx):
    ctx.progress(101, "too much")


def never_ends():
    while True:
        pass


def counts():
    global calls
    calls += 1
    return str(calls)


def draws():
    return str(random.getrandbits(128))


def seeds():
    """Fixes the generator, as a task may do: the next one must not notice."""
    random.seed(1)
    return str(random.getrandbits(128))


def imports(data):
    module = __import__(data.decode())
    return module.__name__


def most_common(data):
    """collections imports heapq only here."""
    return collections.Counter(data.decode()).most_common(1)[0][0]


def decodes(data):
    return b"\xe4".decode(data.decode())


kept = []


def keeps(data, ctx):
    kept.append(ctx)
    first = kept[0]
    first.progress(1, "late")
    return f"{first.task_id} {first.cancelled}"
