"""What is believed and shown where a node's endpoint is ``tls://``."""

import os
import ssl
import threading
from dataclasses import dataclass
from typing import Optional

from .errors import Unauthenticated

# Stands for a token where the certificate has opened the session, and no token is looked at.
BY_CERTIFICATE = "by-certificate"
_RECEIVE_BYTES = 64 << 10


@dataclass(frozen=True)
class Certificates:
    """Files of PEM: who signed the node's certificate (default: the authorities of this host), and what is shown to the node."""

    ca_file: Optional[str] = None
    cert_file: Optional[str] = None
    key_file: Optional[str] = None

    @staticmethod
    def named(ca_file, cert_file, key_file):
        """As given, else by $WAYANG_CA_FILE, $WAYANG_CERT_FILE and $WAYANG_KEY_FILE."""
        own = cert_file or os.environ.get("WAYANG_CERT_FILE") or None
        key = key_file or (os.environ.get("WAYANG_KEY_FILE") if not cert_file else None) or None
        return Certificates(ca_file or os.environ.get("WAYANG_CA_FILE") or None, own, key)

    def context(self):
        """Names are checked; TLS 1.2 and later."""
        context = ssl.create_default_context(cafile=self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


def not_believed(endpoint, fault):
    """What a handshake that failed is to the caller."""
    return Unauthenticated(
        f"{endpoint} was reached, and no encrypted connection came of it: {fault}. "
        "Is tls.certificate_file set there, for this name, and is its authority believed here (ca_file)?")


class Encrypted:
    """A connected socket with TLS over it, for one thread that reads and others that write: ``ssl.SSLSocket`` is not made for both at once."""

    def __init__(self, connected, context, host):
        self._socket = connected
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._state = threading.Lock()
        self._order = threading.Lock()
        self._shake_hands()

    def sendall(self, data):
        with self._order:
            with self._state:
                rest = memoryview(data)
                while rest:
                    rest = rest[self._tls.write(rest):]
                encrypted = self._outgoing.read()
            self._socket.sendall(encrypted)

    def recv(self, count):
        while True:
            with self._state:
                try:
                    return self._tls.read(count)
                except ssl.SSLWantReadError:
                    pass
                except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                    return b""
                finally:
                    answers = self._outgoing.pending > 0
            # Whoever sends meanwhile takes it along; waiting for him could be for ever.
            if answers and self._order.acquire(blocking=False):
                try:
                    self._flush()
                finally:
                    self._order.release()
            self._feed()

    def settimeout(self, seconds):
        self._socket.settimeout(seconds)

    def setsockopt(self, *option):
        self._socket.setsockopt(*option)

    def shutdown(self, how):
        self._socket.shutdown(how)

    def close(self):
        self._socket.close()

    def _shake_hands(self):
        while True:
            try:
                self._tls.do_handshake()
                self._flush()
                return
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
            except ssl.SSLError:
                self._flush()  # the alert that says why
                raise

    def _flush(self):
        with self._state:
            encrypted = self._outgoing.read()
        if encrypted:
            self._socket.sendall(encrypted)

    def _feed(self):
        data = self._socket.recv(_RECEIVE_BYTES)
        with self._state:
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()
