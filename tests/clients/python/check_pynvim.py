"""Debian's python3-pynvim as it comes: it says nvim_set_client_info first, and reads maps and text of the older kind."""

import os
import threading

from pynvim.msgpack_rpc import socket_session, tcp_session

with open(os.environ["WAYANG_PLUGIN"], "rb") as file:
    PLUGIN = file.read()


class Refused(Exception):
    """The error map of a reply."""


def connected(session):
    session.error_wrapper = Refused
    return session


def refusal(session, method, *params):
    try:
        session.request(method, *params)
    except Refused as error:
        return error.args[0]
    raise AssertionError(f"{method} was not refused")


def pipeline(session, name, where):
    """Requests with callbacks, which is how pynvim has many in flight; its own loop delivers them."""
    answers = {}
    done = threading.Event()

    def send():
        for i in range(100):
            def take(error, result, i=i):
                answers[i] = (error, result)
                if len(answers) == 100:
                    done.set()
                    session.stop()
            params = {"kind": "call", "image": name, "function": "echo", "data": f"{where} {i}".encode()}
            session._async_session.request("task.run", [params], take)

    session.run(lambda *_: None, lambda *_: None, setup_cb=send)
    assert done.is_set()
    for i, (error, result) in answers.items():
        assert error is None and result["output"] == f"{where} {i}".encode(), (i, error, result)


def check(session, where, name):
    image = session.request("image.put", {"kind": "c", "data": PLUGIN, "name": name})
    assert "echo" in image["functions"]
    result = session.request("task.run", {"kind": "call", "image": name, "function": "echo", "data": b"hello"})
    assert result["state"] == "succeeded" and result["output"] == b"hello", result
    print("ok", where, "call")

    command = {"kind": "exec", "argv": ["/bin/sh", "-c", "cat; exit 4"], "stdin": b"in"}
    result = session.request("task.run", command)
    assert (result["state"], result["cause"], result["stdout"]) == ("failed", {"type": "exit", "code": 4}, b"in"), result
    print("ok", where, "command")

    pipeline(session, name, where)
    print("ok", where, "pipeline")

    error = refusal(session, "task.run", {"kind": "call", "image": name, "funktion": "echo"})
    assert (error["code"], error["field"]) == ("invalid_argument", "funktion"), error
    assert refusal(session, "nvim_get_api_info")["code"] == "unknown_operation"
    assert session.request("node.info")["version"]
    print("ok", where, "error")

    large = bytes(range(256)) * (2 << 12)
    result = session.request("task.run", {"kind": "call", "image": name, "function": "echo", "data": large})
    assert result["output"] == large
    print("ok", where, "large")


def main():
    session = connected(socket_session(os.environ["WAYANG_SOCKET"]))
    check(session, "pynvim unix", "pynvim1")
    session.close()

    session = connected(tcp_session("127.0.0.1", int(os.environ["WAYANG_TCP_PORT"])))
    assert refusal(session, "node.info")["code"] == "unauthenticated"
    assert refusal(session, "session.open", {"token": "wrong"})["code"] == "unauthenticated"
    print("ok pynvim tcp refused")
    assert session.request("session.open", {"token": os.environ["WAYANG_TEST_TOKEN"]})["identity"]
    check(session, "pynvim tcp", "pynvim2")
    session.close()


if __name__ == "__main__":
    main()
