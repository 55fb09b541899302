#!/usr/bin/python3
"""Two nodes of this host; a long Python computation moves from one to the other in the middle of its loop, because urgent work comes, and ends there with the right answer.

    run.py WAYANG [NATIVE]      the program `wayang`, and the directory of its native programs where that is not ../native beside it

Ends with 0 when the answer is, to the last bit, that of the same function called here.
"""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "python"))

from wayang.client import Client, Task, WayangError  # noqa: E402

import orbit  # noqa: E402

DAEMON_USER = 1_900_000_000  # whom a daemon becomes that root starts
PATIENCE = 60
STEPS = 4_000_000
BURST = 40
WORK = 60_000

CONFIGURATION = """
http_port: 0
node: {{name: {name}, heartbeat_ms: 200}}
state: {{directory: {place}/{name}}}
migration: {{compute: transparent}}
limits: {{concurrent_tasks: 1}}
preemption: {{mode: off}}
rpc_tcp: {{address: '127.0.0.1:{port}'}}
tls: {{certificate_file: {place}/pki/{name}.pem, key_file: {place}/pki/{name}-key.pem, client_ca_file: {place}/pki/ca.pem}}
peers: [{{name: {peer}, address: 'tls://127.0.0.1:{peer_port}'}}]
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Nodes:
    """Two of one host. `wayang serve` is one a user: what it starts is started here with a name and a directory of its own each."""

    def __init__(self, wayang, native, place):
        self._wayang, self._native, self._place = os.path.abspath(wayang), os.path.abspath(native), place
        self._ports = {"red": free_port(), "blue": free_port()}
        self.running = []

    def start(self):
        place = self._place
        self._cert("init")
        for name, other in (("red", "blue"), ("blue", "red")):
            self._cert("issue", name, "--peer", "--san", "127.0.0.1")
            os.mkdir(os.path.join(place, name), 0o700)
            with open(os.path.join(place, name + ".yaml"), "w", encoding="utf-8") as file:
                file.write(CONFIGURATION.format(name=name, place=place, port=self._ports[name], peer=other, peer_port=self._ports[other]))
        if os.geteuid() == 0:
            os.chmod(place, 0o711)
            for path in [place + "/pki"] + [os.path.join(folder, name) for folder, folders, files in os.walk(place) for name in folders + files]:
                os.chown(path, DAEMON_USER, DAEMON_USER)
        return [self._serve(name) for name in ("red", "blue")]

    def _cert(self, *arguments):
        subprocess.run([self._wayang, "cert", *arguments, "--dir", os.path.join(self._place, "pki")], check=True, stdout=subprocess.DEVNULL)

    def _serve(self, name):
        native = self._native
        directory = os.path.join(self._place, "run-" + name)
        log = os.path.join(self._place, name + ".log")
        with open(log, "wb") as told:
            self.running.append(subprocess.Popen(
                [os.path.join(native, "wayang-keeper"), "--instance", f"moving-{os.getpid()}-{name}", "--runtime-dir", directory, "--policy", os.path.join(native, "policy"), "--native", native,
                 "--", self._wayang, "serve", "--daemon", "--starter-uid", str(os.geteuid()), "--config", os.path.join(self._place, name + ".yaml")],
                stdin=subprocess.DEVNULL, stdout=told, stderr=told))
        path = os.path.join(directory, "wayang.sock")
        end = time.monotonic() + PATIENCE
        while True:
            try:
                client = Client("unix://" + path)
                client.node_info()
                return client
            except (OSError, WayangError) as failure:
                if self.running[-1].poll() is not None or time.monotonic() > end:
                    with open(log, encoding="utf-8", errors="replace") as told:
                        raise RuntimeError(f"node {name} does not serve ({failure}):\n{told.read()}") from failure
                time.sleep(0.05)  # a process that starts says when it serves by serving

    def stop(self):
        for keeper in self.running:
            keeper.terminate()
        for keeper in self.running:
            keeper.wait()


def until(what, look):
    """The first answer that is one; what is asked for has no event of its own."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise RuntimeError(what + ": not within a minute")


def demonstrate(nodes):
    red, blue = nodes.start()
    until("red reaches blue", lambda: red.request("node.peers")["peers"][0]["state"] == "connected" and blue.request("node.peers")["peers"][0]["state"] == "connected")
    with open(os.path.join(HERE, "orbit.py"), "rb") as file:
        source = file.read()
    for node in (red, blue):
        node.request("image.put", {"kind": "python", "data": source, "name": "orbit", "file": "orbit.py"})
    began = time.monotonic()

    def say(text):
        print(f"{time.monotonic() - began:7.3f} s  {text}", flush=True)

    def progress():
        return red.get(task).get("progress", {}).get("text", "")

    task = red.submit(Task.call("orbit", "orbit", str(STEPS).encode(), class_="batch"))
    say(f"red   a computation of {STEPS:,} steps begins and takes the node's only place (preemption is off: it is not to make room by standing still)")
    until("it is in its loop", lambda: re.search(r"step [1-9]\d\d,", progress()))
    stood = progress()
    arrived = time.monotonic()
    burst = [red.submit(Task.call("orbit", "short", str(WORK + i).encode(), class_="urgent")) for i in range(BURST)]
    say(f"red   {BURST} urgent calls arrive and wait; the computation is at {stood}, and is sent to blue")
    moved = until("it goes to blue", lambda: try_to_move(red, task))
    say(f"blue  it goes on there, in the middle of its loop: it stood still for {moved['pause_us'] / 1000:.1f} ms, {moved['bytes']:,} bytes travelled")
    answers = [red.wait(call).output for call in burst]
    say(f"red   the last of the urgent calls has its answer, {(time.monotonic() - arrived) * 1000:.0f} ms after they came")
    say(f"red   still knows of it: {red.get(task)['state']}, at {red.get(task)['moves']['node']}, {progress()}")
    result = red.wait(task)
    say(f"red   has its answer: {result.output.decode()}")
    wrong = sum(answer != orbit.short(str(WORK + i).encode(), None) for i, answer in enumerate(answers))
    assert wrong == 0, f"{wrong} urgent calls have a wrong answer"
    events = [event["type"].removeprefix("wayang.task.") for event in red.request("events.list", {"since": 0, "limit": 1000})["events"] if event.get("subject") == task]
    print("           what happened to it: " + ", ".join(events), flush=True)

    class Silent:
        @staticmethod
        def progress(_percent, _text):
            """Nobody looks."""

    assert result.output == orbit.orbit(str(STEPS).encode(), Silent), "another answer than here"
    say("       the same, to the last bit, as computed here without moving")


def try_to_move(node, task):
    """None: not now, it is just saying something."""
    try:
        return node.migrate(task, "blue")
    except WayangError as refused:
        if refused.code != "conflict" or refused.retry_after_ms is None:
            raise
        return None


def main():
    wayang = sys.argv[1]
    native = sys.argv[2] if len(sys.argv) > 2 else os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(wayang))), "native")
    with tempfile.TemporaryDirectory(prefix="wayang-moving-", dir="/var/tmp") as place:
        nodes = Nodes(wayang, native, place)
        try:
            demonstrate(nodes)
        except WayangError as refused:
            if refused.code != "unsupported":
                raise
            print(f"left out: {refused}", flush=True)  # no libpython, or a host that lets nobody stop and read a process
        finally:
            nodes.stop()


if __name__ == "__main__":
    main()
