"""The client for threads."""

import os
import random
import socket
import ssl
import struct
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout

from .endpoint import Endpoint, connect
from .errors import CallTimeout, NodeLost, Unauthenticated, Unavailable, WayangError
from .operations import Operations
from .protocol import Protocol, understood
from .tls import BY_CERTIFICATE, Certificates, Encrypted, not_believed

_RECEIVE_BYTES = 256 << 10
_SEND_TIMEOUT_S = 30
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0


class _Connection:
    """One socket and a thread that reads it. Never used again once it is lost."""

    def __init__(self, connected):
        self._socket = connected
        self._protocol = Protocol()
        self._pending = {}
        self._sending = threading.Lock()
        self.lost = None
        connected.settimeout(None)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _SEND_TIMEOUT_S, 0))
        threading.Thread(target=self._read, name="wayang-client", daemon=True).start()

    def send(self, operation, params):
        """Sends a request; returns its id and the future of its result."""
        future = Future()
        with self._sending:
            if self.lost is not None:
                raise _again(self.lost)
            number, data = self._protocol.request(operation, params)
            self._pending[number] = future
            try:
                self._socket.sendall(data)
            except OSError:
                # Half a request may have gone out: nothing more may follow it. The reader may still find the reason that the
                # node gave before it closed, and ends the pending calls.
                self._shut(socket.SHUT_WR)
        return number, future

    def forget(self, number):
        """The caller no longer waits: the answer will be dropped."""
        self._pending.pop(number, None)

    def close(self, reason):
        """Ends every pending call."""
        # First: it ends a send that waits for the node, and with it the lock.
        self._shut(socket.SHUT_RDWR)
        with self._sending:
            if self.lost is not None:
                return
            self.lost = reason
            pending, self._pending = self._pending, {}
        self._socket.close()
        for future in pending.values():
            future.set_exception(_again(reason))

    def _shut(self, how):
        try:
            self._socket.shutdown(how)
        except OSError:
            pass

    def _read(self):
        reason = NodeLost("The connection to the node was lost while the call was pending.")
        try:
            while True:
                data = self._socket.recv(_RECEIVE_BYTES)
                if not data:
                    break
                for number, failure, result in self._protocol.feed(data):
                    future = self._pending.pop(number, None)
                    if future is None:
                        continue
                    if failure is not None:
                        future.set_exception(failure)
                    else:
                        future.set_result(result)
        except WayangError as told:
            reason = told
        except OSError:
            pass
        self.close(reason)


class Client(Operations):
    """A node, as its callers see it. Thread-safe: the calls of all threads share one connection.

    ``endpoint``: an ``Endpoint`` or its text; by default $WAYANG_ENDPOINT, else this user's node. ``token``: for TCP; by default
    $WAYANG_TOKEN. ``ca_file``, ``cert_file``, ``key_file``: for ``tls://``, as PEM: who signed the node's certificate, and one to show instead of a
    token; by default $WAYANG_CA_FILE, $WAYANG_CERT_FILE, $WAYANG_KEY_FILE. ``connect_timeout``: seconds for connecting and opening the session. ``reconnect_timeout``: how long a call
    tries to reach a node whose connection was lost. ``max_pending``: calls in flight; more wait their turn.
    """

    def __init__(self, endpoint=None, token=None, *, ca_file=None, cert_file=None, key_file=None, connect_timeout=10.0, reconnect_timeout=10.0, max_pending=4096):
        self.endpoint = Endpoint.parse(endpoint) if isinstance(endpoint, str) else endpoint or Endpoint.find()
        self._certificates = Certificates.named(ca_file, cert_file, key_file)
        self._token = token or os.environ.get("WAYANG_TOKEN") or (BY_CERTIFICATE if self.endpoint.tls and self._certificates.cert_file else None)
        self._connect_timeout = connect_timeout
        self._reconnect_timeout = reconnect_timeout
        self._places = threading.BoundedSemaphore(max_pending)
        self._connecting = threading.Lock()
        self._connection = None
        self._closed = False
        self._reach(0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Closes the connection; pending calls of other threads end with ``NodeLost``."""
        self._closed = True
        connection = self._connection
        if connection is not None:
            connection.close(NodeLost("The client was closed while the call was pending."))

    def _call(self, operation, params, convert, timeout):
        until = None if timeout is None else time.monotonic() + timeout
        if not self._places.acquire(timeout=timeout):
            raise CallTimeout(f"{operation}: too many calls were in flight for {timeout} s.")
        try:
            connection = self._connection
            if connection is None or connection.lost is not None:
                connection = self._reach(self._reconnect_timeout if timeout is None else min(timeout, self._reconnect_timeout))
            number, future = connection.send(operation, params)
            try:
                result = future.result(None if until is None else max(0.0, until - time.monotonic()))
            except FutureTimeout:
                connection.forget(number)
                raise CallTimeout(f"{operation} was not answered within {timeout} s.") from None
        finally:
            self._places.release()
        return understood(convert, result)

    def _reach(self, patience):
        """The open connection, or a new one; tries until the time is over, with growing pauses."""
        with self._connecting:
            until = time.monotonic() + patience
            pause = _FIRST_PAUSE
            while True:
                if self._closed:
                    raise Unavailable("The client is closed.")
                if self._connection is not None and self._connection.lost is None:
                    return self._connection
                try:
                    self._connection = self._open()
                    return self._connection
                except OSError as fault:
                    if isinstance(fault, (PermissionError, socket.gaierror)) or time.monotonic() + pause > until:
                        raise Unavailable(
                            f"No node answers at {self.endpoint} ({fault}). Start one with 'wayang serve', or name another endpoint.") from fault
                time.sleep(pause * random.uniform(0.5, 1))
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _connect(self):
        connected = connect(self.endpoint, self._connect_timeout)
        if not self.endpoint.tls:
            return connected
        try:
            return Encrypted(connected, self._certificates.context(), self.endpoint.host)
        except ssl.SSLError as fault:
            connected.close()
            raise not_believed(self.endpoint, fault) from fault
        except BaseException:
            connected.close()
            raise

    def _open(self):
        if self.endpoint.is_tcp and not self._token:
            raise Unauthenticated(f"{self.endpoint} asks for a token, and none was given: make one with 'wayang token create' on its host.")
        connection = _Connection(self._connect())
        if not self.endpoint.is_tcp:
            return connection
        _, future = connection.send("session.open", {"token": self._token})
        try:
            future.result(self._connect_timeout)
        except (NodeLost, FutureTimeout) as fault:
            connection.close(NodeLost("The session was not opened."))
            raise ConnectionResetError(f"the session was not opened: {fault}") from fault
        except WayangError:
            connection.close(NodeLost("The session was not opened."))
            raise
        return connection


def _again(reason):
    """A fresh exception for each call that the same reason ends."""
    return type(reason)(reason.message, reason.field, reason.retry_after_ms, reason.code)
