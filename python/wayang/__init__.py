"""What a Python task may use of Wayang.Fast.

A task is a function of a module: def f(data: bytes, ctx) -> bytes; also f(data) and f(). It returns bytes, bytearray,
memoryview, str (sent as UTF-8) or None. The decorators turn the input into values and the result back:

    import wayang

    @wayang.json
    def add(value, ctx):
        ctx.progress(50, "adding")
        return {"sum": value["a"] + value["b"]}

A function that takes long saves what it has, and its next attempt (after a lost worker, or a retry) goes on from there:

    def count(data, ctx):
        done = int(ctx.saved or 0)
        while done < int(data):
            done += step(done)
            ctx.save(str(done).encode())
            if ctx.save_wanted:        # only of tasks with `migration: cooperative`
                raise wayang.Yield     # the next attempt goes on
        return str(done)

In every Python image this package is there without being installed. Outside of one, to test a module of tasks, put the
folder `python` of Wayang.Fast into PYTHONPATH.
"""

import functools as _functools
import json as _json
import types as _types

from wayang import _msgpack

try:
    from _wayang import Context, Yield
except ImportError:  # not in a sandbox: tests of a module of tasks
    from wayang._outside import Context, Yield

__all__ = ["Context", "InputError", "Yield", "json", "msgpack"]


class InputError(ValueError):
    """The input is not what the function takes."""


def _typed(function, decode, encode):
    code = function.__code__
    names = code.co_varnames[:code.co_argcount]
    required = len(names) - len(function.__defaults__ or ())
    if required > 2 or code.co_kwonlyargcount > len(function.__kwdefaults__ or {}):
        raise TypeError(f"{function.__name__} takes too many arguments: write {function.__name__}(value, ctx), "
                        f"{function.__name__}(value) or {function.__name__}()")
    count = 2 if required == 2 or (len(names) > 1 and names[1] in ("ctx", "context", "_ctx")) else min(1, len(names))

    @_functools.wraps(function)
    def call(data, ctx=None):
        arguments = (decode(data), ctx)[:count] if count else ()
        result = function(*arguments)
        if isinstance(result, _types.CoroutineType):
            import asyncio

            result = asyncio.run(result)
        return encode(result)

    call.__wayang_arity__ = 2
    return call


def json(function):
    """The input is JSON, the result becomes JSON: def f(value, ctx) with what json.loads makes of the input."""
    return _typed(function, _from_json, _to_json)


def msgpack(function):
    """The input is one MessagePack value, the result becomes one."""
    return _typed(function, _from_msgpack, _to_msgpack)


def _from_json(data):
    try:
        return _json.loads(data)
    except _json.JSONDecodeError as error:
        if not data.strip():
            raise InputError("the input is empty; this function takes JSON") from None
        near = error.doc[max(0, error.pos - 20):error.pos + 20]
        raise InputError(f"the input is no JSON: {error.msg} at line {error.lineno} column {error.colno}, near {near!r}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"the input is no JSON: byte {error.start} is no UTF-8") from None


def _to_json(value):
    try:
        return _json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise TypeError(f"the result is no JSON: {error}") from None


def _from_msgpack(data):
    try:
        return _msgpack.unpack(data)
    except _msgpack.FormatError as error:
        raise InputError(f"the input is no MessagePack: {error}") from None


def _to_msgpack(value):
    try:
        return _msgpack.pack(value)
    except _msgpack.FormatError as error:
        raise TypeError(f"the result is no MessagePack: {error}") from None
