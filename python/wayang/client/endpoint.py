"""Where a node answers, and how a socket to it is made."""

import os
import socket
import struct
from dataclasses import dataclass
from typing import Optional
from urllib.parse import urlsplit

from .errors import PermissionDenied

DEFAULT_PORT = 7800
SYSTEM_SOCKET = "/run/wayang/wayang.sock"


@dataclass(frozen=True)
class Endpoint:
    """A unix socket (``path``), or a port of a host."""

    path: Optional[str] = None
    host: str = ""
    port: int = DEFAULT_PORT
    tls: bool = False

    @staticmethod
    def parse(text):
        """Reads ``tcp://HOST[:PORT]``, ``tls://HOST[:PORT]``, ``unix:///PATH`` or an absolute path."""
        if text.startswith("/"):
            return Endpoint(path=text)
        parts = urlsplit(text)
        if parts.scheme == "unix" and not parts.netloc and parts.path.startswith("/"):
            return Endpoint(path=parts.path)
        if parts.scheme in ("tcp", "tls") and parts.hostname and parts.path in ("", "/"):
            return Endpoint(host=parts.hostname, port=parts.port or DEFAULT_PORT, tls=parts.scheme == "tls")
        raise ValueError(f"'{text}' is no endpoint: write tcp://HOST:PORT, tls://HOST:PORT, unix:///PATH or an absolute path")

    @staticmethod
    def find():
        """$WAYANG_ENDPOINT; else this user's node; else the system's, where that one runs."""
        named = os.environ.get("WAYANG_ENDPOINT")
        if named:
            return Endpoint.parse(named)
        own = _own_socket()
        return Endpoint(path=own if os.path.exists(own) or not os.path.exists(SYSTEM_SOCKET) else SYSTEM_SOCKET)

    @property
    def is_tcp(self):
        """Whether a token is needed."""
        return self.path is None

    def __str__(self):
        return self.path or f"{'tls' if self.tls else 'tcp'}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def _own_socket():
    if os.geteuid() == 0:
        return SYSTEM_SOCKET
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return os.path.join(runtime, "wayang", "wayang.sock") if runtime else f"/tmp/wayang-{os.geteuid()}/wayang.sock"


def connect(endpoint, timeout):
    """A connected socket; OSError when nothing answers there."""
    if endpoint.is_tcp:
        connected = socket.create_connection((endpoint.host, endpoint.port), timeout)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connected.settimeout(timeout)
        connected.connect(endpoint.path)
        check_owner(endpoint, connected)
        return connected
    except BaseException:
        connected.close()
        raise


def check_owner(endpoint, connected):
    """In /tmp anyone may have made the directory first: the peer must be this user or root."""
    if endpoint.is_tcp or not endpoint.path.startswith("/tmp/"):
        return
    _, owner, _ = struct.unpack("iII", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII")))
    if owner not in (0, os.geteuid()):
        raise PermissionDenied(
            f"The node at {endpoint} belongs to user {owner}, not to you: remove that directory, or name another endpoint.")
