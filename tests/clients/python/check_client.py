"""python/wayang/client against a live node. With --plain the package does without python3-msgpack.

Prints a line "ok ..." for each check; StockClientTests counts them.
"""

import asyncio
import os
import socket
import sys
import tempfile
import threading

PLAIN = "--plain" in sys.argv
if PLAIN:
    sys.modules["msgpack"] = None
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "..", "python"))

from wayang import client as wayang  # noqa: E402
from wayang.client import packing, protocol  # noqa: E402

UNIX = os.environ["WAYANG_SOCKET"]
TCP = f"tcp://127.0.0.1:{os.environ['WAYANG_TCP_PORT']}"
TOKEN = os.environ["WAYANG_TEST_TOKEN"]
with open(os.environ["WAYANG_PLUGIN"], "rb") as file:
    PLUGIN = file.read()


def ok(what):
    print("ok", "plain" if PLAIN else "msgpack", what, flush=True)


def refused(cls, act, *args, **options):
    try:
        act(*args, **options)
    except cls as error:
        return error
    raise AssertionError(f"was not refused with {cls.__name__}")


def check_packing():
    """The plain codec says what the format says: against python3-msgpack where that is there."""
    values = [
        None, True, False, 0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1, -1, -32, -33, -128, -129, -32768, -32769,
        -(2**31), -(2**31) - 1, -(2**63), 1.5, "", "ä" * 31, "x" * 255, "x" * 65536, b"", b"\0" * 256, b"\1" * 70000,
        [], list(range(16)), [[1]] * 70000, {}, {str(i): i for i in range(20)}, {"a": {"b": [None, b"c"]}},
    ]
    for value in values:
        encoded = packing.packb(value)
        if protocol.msgpack is not None:
            assert encoded == protocol.msgpack.packb(value), value
        unpacker = packing.Unpacker(1 << 20)
        got = []
        for at in range(0, len(encoded), max(1, len(encoded) // 7)):
            unpacker.feed(encoded[at:at + max(1, len(encoded) // 7)])
            got += unpacker
        assert got == [value], value
    nested = packing.Unpacker(1 << 20)
    nested.feed(b"\x91" * 100)
    refused(ValueError, list, nested)
    refused(ValueError, packing.Unpacker(10).feed, b"x" * 11)
    ok("packing")


def check_files(client, where):
    script = "cat in/a; cat /run/secrets/key; mkdir -p out; ls -l in/b | cut -c1-10 > out/mode"
    staged = client.run(wayang.Task.command(
        "/bin/sh", "-c", script, inputs={"in/a": b"1", "in/b": (b"2", 0o600)}, secrets={"key": b"3"}, artifacts=True,
        limits={"disk_bytes": 8 << 20})).check()
    assert staged.stdout == b"13" and [(found["name"], found["bytes"]) for found in staged.artifacts] == [("mode", 11)], staged
    assert client.artifact(staged.task, "mode", offset=1)["data"] == b"rw-------\n"
    refused(wayang.NotFound, client.artifact, staged.task, "none")
    refused(wayang.InvalidArgument, client.run, wayang.Task.command("/bin/true", inputs={"../a": b""}))
    pure = [client.run(wayang.Task.command("/bin/cat", stdin=where.encode(), pure=True)) for _ in range(2)]
    assert [(answer.stdout, answer.cached) for answer in pure] == [(where.encode(), False), (where.encode(), True)], pure
    assert [task["state"] for task in client.tasks("succeeded", limit=1)] == ["succeeded"] and client.explain(staged.task)
    ok(f"{where} files")


def check_sync(endpoint, token, where):
    with wayang.Client(endpoint, token) as client:
        image = client.put_image("c", PLUGIN, name="py")
        assert "echo" in image["functions"] and client.images()[0]["image"]
        result = client.run(wayang.Task.call("py", "echo", b"hello", class_="urgent", timeout=30)).check()
        assert result.succeeded and result.output == b"hello" and result.run_us >= 0
        command = client.run(wayang.Task.command("/bin/sh", "-c", "cat; echo $A >&2; exit 4", stdin=b"in", env={"A": "b"}))
        assert (command.state, command.cause, command.stdout, command.stderr) == ("failed", {"type": "exit", "code": 4}, b"in", b"b\n")
        assert "exit 4" in str(refused(wayang.TaskFailed, command.check))
        ids = client.submit_many([wayang.Task.call("py", "noop"), wayang.Task.call("py", "no_such"), wayang.Task.command("/bin/true")])
        assert isinstance(ids[1], wayang.NotFound), ids
        assert client.wait(ids[0]).succeeded and client.get(ids[2])["kind"] == "exec"
        loop = client.submit(wayang.Task.call("py", "until_cancelled"))
        assert refused(wayang.WaitTimeout, client.wait, loop, wait_timeout=0.01).code == "wait_timeout"
        refused(wayang.CallTimeout, client.wait, loop, timeout=0.01)
        client.cancel(loop)
        assert client.wait(loop).state == "cancelled"
        piece = client.output(command.task, "stdout", offset=1)
        assert (piece["data"], piece["total_bytes"], piece["ended"]) == (b"n", 2, True)
        assert client.node_info()["version"] and client.node_stats()["tasks_succeeded"] > 0
        ok(f"{where} operations")

        key = f"{where} key"
        failed = client.run(wayang.Task.command("/bin/false", retry={"max_attempts": 2, "backoff_ms": 1}, group=where, key=key))
        assert (failed.state, client.get(failed.task)["attempt"], client.group(where)["failed"]) == ("failed", 2, 1)
        assert refused(wayang.Conflict, client.run, wayang.Task.command("/bin/true", key=key)).field == "idempotency_key"
        sleeper = client.submit(wayang.Task.command("/bin/sleep", "60", deadline=50, group=where))
        child = client.submit(wayang.Task.command("/bin/sleep", "60", parent=sleeper))
        refused(wayang.WaitTimeout, client.wait_group, where, wait_timeout=0.01)
        assert where in [group["group"] for group in client.groups(limit=10_000)["groups"]]
        assert client.cancel_group(where) == 1 and client.wait_group(where)["cancelled"] == 1
        assert client.wait(child).state == "cancelled"
        refused(wayang.InvalidArgument, client.pause, child)
        ok(f"{where} lives")

        check_files(client, where)

        error = refused(wayang.InvalidArgument, client.request, "task.run", {"kind": "call", "funktion": "x"})
        assert error.field == "funktion" and "'function'" in error.message and error.retry_after_ms is None
        refused(wayang.UnknownOperation, client.request, "task.fly")
        refused(wayang.NotFound, client.run, wayang.Task.call("nobody", "echo"))
        refused(wayang.PermissionDenied, client.run, wayang.Task.call("py", "echo", class_="system"))
        ok(f"{where} errors")

        large = os.urandom(3 << 20)
        assert client.run(wayang.Task.call("py", "echo", large)).output == large
        ok(f"{where} large")

        failures = []

        def work(who):
            for i in range(50):
                data = f"{who} {i}".encode()
                if client.run(wayang.Task.call("py", "echo", data)).output != data:
                    failures.append(data)

        threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        ok(f"{where} threads")


async def check_async(endpoint, token, where):
    async with wayang.AsyncClient(endpoint, token) as client:
        await client.put_image("c", PLUGIN, name="py")
        answers = await asyncio.gather(*(client.run(wayang.Task.call("py", "echo", f"{i}".encode())) for i in range(1000)))
        assert [answer.output for answer in answers] == [f"{i}".encode() for i in range(1000)]
        loop = await client.submit(wayang.Task.call("py", "until_cancelled"))
        waiting = asyncio.ensure_future(client.wait(loop))
        await client.node_info()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        try:
            await client.wait(loop, timeout=0.01)
            raise AssertionError("the wait was answered")
        except wayang.CallTimeout:
            pass
        await client.cancel(loop)
        assert (await client.wait(loop)).state == "cancelled"
        outcomes = await client.submit_many([wayang.Task.call("py", "noop")] * 3)
        assert all((await asyncio.gather(*(client.wait(one) for one in outcomes))))
        ok(f"{where} asyncio")


def check_tokens():
    error = refused(wayang.Unauthenticated, wayang.Client, TCP, "wrong")
    assert error.field == "token" and "wayang token create" in error.message
    assert "none was given" in refused(wayang.Unauthenticated, wayang.Client, TCP).message
    try:
        asyncio.run(wayang.AsyncClient(TCP, "wrong").connect())
        raise AssertionError("was let in")
    except wayang.Unauthenticated:
        pass
    os.environ.update(WAYANG_ENDPOINT=TCP, WAYANG_TOKEN=TOKEN)
    with wayang.Client() as client:
        assert client.endpoint.is_tcp and client.node_info()
    del os.environ["WAYANG_ENDPOINT"], os.environ["WAYANG_TOKEN"]
    ok("tokens")


def check_endpoints():
    for text, place in (("tcp://a", "tcp://a:7800"), ("tcp://[::1]:9", "tcp://[::1]:9"), ("unix:///x/y", "/x/y"), ("/x/y", "/x/y")):
        assert str(wayang.Endpoint.parse(text)) == place
    for text in ("http://a", "tcp://", "x/y", "unix://x"):
        refused(ValueError, wayang.Endpoint.parse, text)
    error = refused(wayang.Unavailable, wayang.Client, "/nowhere/at/all.sock")
    assert "wayang serve" in error.message
    ok("endpoints")


class Cutter:
    """Stands between client and node, counts the requests that pass, and cuts the line when told."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "cut.sock")
        self.requests = []
        self.passed = threading.Condition()
        self._lines = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            here, _ = self._listener.accept()
            there = socket.socket(socket.AF_UNIX)
            there.connect(UNIX)
            self._lines.append((here, there))
            threading.Thread(target=self._pass, args=(here, there, packing.Unpacker(1 << 30)), daemon=True).start()
            threading.Thread(target=self._pass, args=(there, here, None), daemon=True).start()

    def _pass(self, source, target, unpacker):
        try:
            while data := source.recv(65536):
                target.sendall(data)
                if unpacker is not None:
                    unpacker.feed(data)
                    with self.passed:
                        self.requests += [message[2] for message in unpacker]
                        self.passed.notify_all()
        except OSError:
            pass

    def wait_for(self, operation):
        with self.passed:
            assert self.passed.wait_for(lambda: operation in self.requests, 60)

    def cut(self):
        for line in self._lines:
            for end in line:
                end.shutdown(socket.SHUT_RDWR)
        self._lines.clear()


def check_reconnect():
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        cutter = Cutter(directory)
        with wayang.Client(cutter.path) as client:
            ends = []
            client.put_image("c", PLUGIN, name="py")

            def run():
                try:
                    ends.append(client.run(wayang.Task.call("py", "until_cancelled", timeout=30)))
                except wayang.WayangError as error:
                    ends.append(error)

            thread = threading.Thread(target=run)
            thread.start()
            cutter.wait_for("task.run")
            cutter.cut()
            thread.join(60)
            assert isinstance(ends[0], wayang.NodeLost), ends
            assert client.node_info()["version"]
            assert cutter.requests.count("task.run") == 1, cutter.requests
            cutter.cut()
            again = wayang.Task.call("py", "echo", b"again")
            try:
                result = client.run(again)
            except wayang.NodeLost:
                # It left before the loss was seen, and might have run: its caller decides.
                result = client.run(again)
            assert result.output == b"again"
        refused(wayang.Unavailable, client.node_info)

        async def lose():
            async with wayang.AsyncClient(cutter.path) as again:
                cutter.requests.clear()
                pending = asyncio.ensure_future(again.run(wayang.Task.call("py", "until_cancelled", timeout=30)))
                await asyncio.get_running_loop().run_in_executor(None, cutter.wait_for, "task.run")
                cutter.cut()
                assert isinstance((await asyncio.gather(pending, return_exceptions=True))[0], wayang.NodeLost)
                assert (await again.node_info())["version"]
                assert cutter.requests.count("task.run") == 1

        asyncio.run(lose())
        ok("reconnect")


def main():
    assert (protocol.msgpack is None) == PLAIN, "the codec is not the one that was asked for"
    check_packing()
    check_endpoints()
    for endpoint, token, where in ((UNIX, None, "unix"), (TCP, TOKEN, "tcp")):
        check_sync(endpoint, token, where)
        asyncio.run(check_async(endpoint, token, where))
    check_tokens()
    check_reconnect()


if __name__ == "__main__":
    main()
