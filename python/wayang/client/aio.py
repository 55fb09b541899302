"""The client for asyncio."""

import asyncio
import os
import random
import socket
import ssl

from .endpoint import Endpoint, check_owner
from .errors import CallTimeout, NodeLost, Unauthenticated, Unavailable, WayangError
from .operations import Operations
from .protocol import Protocol, understood
from .sync import _again
from .tls import BY_CERTIFICATE, Certificates, not_believed

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0


class _Connection(asyncio.Protocol):
    """One connection; requests that are made in one turn of the loop leave together."""

    def __init__(self):
        self._protocol = Protocol()
        self._pending = {}
        self._gathering = []
        self._transport = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self.lost = None

    def connection_made(self, transport):
        self._transport = transport

    def connection_lost(self, _):
        self.close(NodeLost("The connection to the node was lost while the call was pending."))

    def pause_writing(self):
        self._may_write.clear()

    def resume_writing(self):
        self._may_write.set()

    def data_received(self, data):
        try:
            for number, failure, result in self._protocol.feed(data):
                future = self._pending.pop(number, None)
                if future is None or future.done():
                    continue
                if failure is not None:
                    future.set_exception(failure)
                else:
                    future.set_result(result)
        except WayangError as reason:
            self.close(reason)

    async def ask(self, operation, params):
        """The result of a request. A caller that gives up leaves nothing behind."""
        await self._may_write.wait()
        if self.lost is not None:
            raise _again(self.lost)
        loop = asyncio.get_running_loop()
        number, data = self._protocol.request(operation, params)
        future = self._pending[number] = loop.create_future()
        if not self._gathering:
            loop.call_soon(self._flush)
        self._gathering.append(data)
        try:
            return await future
        finally:
            self._pending.pop(number, None)

    def close(self, reason):
        """Ends every pending call."""
        if self.lost is not None:
            return
        self.lost = reason
        self._may_write.set()
        if self._transport is not None:
            self._transport.abort()
        pending, self._pending = self._pending, {}
        for future in pending.values():
            if not future.done():
                future.set_exception(_again(reason))

    def _flush(self):
        if self.lost is None:
            self._transport.write(b"".join(self._gathering))
        self._gathering.clear()


class AsyncClient(Operations):
    """``Client`` for asyncio: the same arguments and methods, the methods as coroutines. Use it in one event loop.

    Many calls may be in flight: ``await asyncio.gather(*(client.run(task) for task in tasks))``. A call that is cancelled is given
    up here; its task goes on.
    """

    def __init__(self, endpoint=None, token=None, *, ca_file=None, cert_file=None, key_file=None, connect_timeout=10.0, reconnect_timeout=10.0, max_pending=4096):
        self.endpoint = Endpoint.parse(endpoint) if isinstance(endpoint, str) else endpoint or Endpoint.find()
        self._certificates = Certificates.named(ca_file, cert_file, key_file)
        self._token = token or os.environ.get("WAYANG_TOKEN") or (BY_CERTIFICATE if self.endpoint.tls and self._certificates.cert_file else None)
        self._connect_timeout = connect_timeout
        self._reconnect_timeout = reconnect_timeout
        self._max_pending = max_pending
        self._places = None
        self._connecting = None
        self._connection = None
        self._closed = False

    async def __aenter__(self):
        await self.connect()
        return self

    async def __aexit__(self, *_):
        await self.close()

    async def connect(self):
        """Connects now, once, so that a node that is not there is told now; a first call does it otherwise."""
        await self._reach(0)

    async def close(self):
        """Closes the connection; pending calls end with ``NodeLost``."""
        self._closed = True
        if self._connection is not None:
            self._connection.close(NodeLost("The client was closed while the call was pending."))

    async def _call(self, operation, params, convert, timeout):
        try:
            result = await asyncio.wait_for(self._ask(operation, params), timeout)
        except asyncio.TimeoutError:
            raise CallTimeout(f"{operation} was not answered within {timeout} s.") from None
        return understood(convert, result)

    async def _ask(self, operation, params):
        self._prepare()
        async with self._places:
            connection = self._connection
            if connection is None or connection.lost is not None:
                connection = await self._reach(self._reconnect_timeout)
            return await connection.ask(operation, params)

    def _prepare(self):
        # Made in the loop that uses them: older versions of asyncio bind them to the loop of their making.
        if self._places is None:
            self._places = asyncio.Semaphore(self._max_pending)
            self._connecting = asyncio.Lock()

    async def _reach(self, patience):
        """The open connection, or a new one; tries until the time is over, with growing pauses."""
        self._prepare()
        async with self._connecting:
            until = asyncio.get_running_loop().time() + patience
            pause = _FIRST_PAUSE
            while True:
                if self._closed:
                    raise Unavailable("The client is closed.")
                if self._connection is not None and self._connection.lost is None:
                    return self._connection
                try:
                    self._connection = await self._open()
                    return self._connection
                except (OSError, asyncio.TimeoutError) as fault:
                    if isinstance(fault, (PermissionError, socket.gaierror)) or asyncio.get_running_loop().time() + pause > until:
                        raise Unavailable(
                            f"No node answers at {self.endpoint} ({fault}). Start one with 'wayang serve', or name another endpoint.") from fault
                await asyncio.sleep(pause * random.uniform(0.5, 1))
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _open(self):
        loop = asyncio.get_running_loop()
        endpoint = self.endpoint
        if not endpoint.is_tcp:
            _, connection = await asyncio.wait_for(loop.create_unix_connection(_Connection, endpoint.path), self._connect_timeout)
            check_owner(endpoint, connection._transport.get_extra_info("socket"))
            return connection
        if not self._token:
            raise Unauthenticated(f"{endpoint} asks for a token, and none was given: make one with 'wayang token create' on its host.")
        context = self._certificates.context() if endpoint.tls else None
        try:
            _, connection = await asyncio.wait_for(loop.create_connection(_Connection, endpoint.host, endpoint.port, ssl=context), self._connect_timeout)
        except ssl.SSLError as fault:
            raise not_believed(endpoint, fault) from fault
        try:
            await asyncio.wait_for(connection.ask("session.open", {"token": self._token}), self._connect_timeout)
            return connection
        except NodeLost as fault:
            raise ConnectionResetError(f"the session was not opened: {fault}") from fault
        except BaseException:
            connection.close(NodeLost("The session was not opened."))
            raise
