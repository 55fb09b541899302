"""Client of a Wayang.Fast node: MessagePack-RPC over its unix socket, or over TCP with a token.

    from wayang.client import Client, Task

    with Client() as client:                       # this user's node, or $WAYANG_ENDPOINT with $WAYANG_TOKEN
        text = client.put_image("c", open("text_plugin.so", "rb").read(), name="text")
        result = client.run(Task.call("text", "count", b"one two three"))
        print(result.state, result.output)
        print(client.run(Task.command("sha256sum", stdin=b"hello")).stdout.decode())

``AsyncClient`` has the same methods as coroutines. Both may have many calls in flight, which are answered in whatever order
their tasks end. A task that fails is a result, not an exception (``result.check()`` makes it one); what the node refuses is a
``WayangError`` with ``code``, ``message``, ``field`` and ``retry_after_ms``.

When the connection breaks, every pending call ends with ``NodeLost`` and nothing is sent a second time: its task may have run.
The next call connects again.

Needs Python 3.9 and nothing else; with Debian's python3-msgpack it is faster.
"""

from .aio import AsyncClient
from .endpoint import Endpoint
from .errors import (
    CallTimeout,
    Conflict,
    ImageFailed,
    InternalError,
    InvalidArgument,
    NodeLost,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    TaskFailed,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnknownOperation,
    Unsupported,
    WaitTimeout,
    WayangError,
)
from .sync import Client
from .tasks import Result, Task

__all__ = [
    "AsyncClient",
    "CallTimeout",
    "Client",
    "Conflict",
    "Endpoint",
    "ImageFailed",
    "InternalError",
    "InvalidArgument",
    "NodeLost",
    "NotFound",
    "PermissionDenied",
    "ResourceExhausted",
    "Result",
    "Task",
    "TaskFailed",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "UnknownOperation",
    "Unsupported",
    "WaitTimeout",
    "WayangError",
]
