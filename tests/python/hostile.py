"""Harm, in Python. Each ends its own task, with a cause, and costs no other one anything."""

import ctypes
import os
import signal
import socket
import sys


def attempt(action):
    try:
        return f"did it: {action()}"
    except BaseException as error:
        return f"{type(error).__name__}"


def forks():
    def action():
        child = os.fork()
        if child == 0:
            print("from the child")
            return "child"
        os.waitpid(child, 0)
        return "parent"

    return attempt(action)


def reads_shadow():
    return attempt(lambda: open("/etc/shadow").read())


def opens_socket():
    return attempt(lambda: socket.create_connection(("127.0.0.1", 80), timeout=1))


def signals_others():
    return attempt(lambda: os.kill(2, signal.SIGKILL))


def segfaults():
    ctypes.string_at(8)


def aborts():
    os.abort()


def writes_channel():
    """Garbage over its own completion ring, at the fixed address that every worker has: all 64 slots of it, wherever in it the worker stands."""
    ctypes.memset(0x7E0010001000, 0xFF, 64 * 128)
    print("now look")
    spins()


def forges_context():
    import _wayang

    return attempt(lambda: _wayang.Context())


def traces():
    libc = ctypes.CDLL(None)
    return str(libc.ptrace(16, 1, 0, 0))


def eats():
    rooms = []
    while True:
        rooms.append(bytearray(16 << 20))


def spins():
    while True:
        pass


def floods(data):
    for _ in range(int(data)):
        sys.stdout.write("x" * 65536)


def honest(data):
    return data
