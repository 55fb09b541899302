#!/usr/bin/python3
"""Both workflows against a node of their own, with a receiver of webhooks beside it: `./build.sh demo` runs it last.

    run.py WAYANG [MODULES]      the program `wayang`, and the node_modules with @grpc/grpc-js

Ends with 0 when both workflows ended well and of each of their tasks the end was received, signed.
"""

import json
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "python"))

from wayang.client import Client  # noqa: E402

TEXT = os.path.join(HERE, "..", "..", "README.md")
DAEMON_USER = 1_900_000_000  # whom a daemon becomes that root starts
PATIENCE = 60
OWN_RUN = 'mount -t tmpfs -o mode=0755 tmpfs /run && exec "$@"'

CONFIGURATION = """
http_port: 0
state: {{directory: {state}}}
rpc_tcp: {{address: '127.0.0.1:0', tokens_file: {tokens}}}
grpc: {{address: '127.0.0.1:0'}}
webhooks: {{allow_private: true, retry_first_ms: 200}}
"""


class Lines:
    """What a program says, line by line, and how long to wait for it."""

    def __init__(self, stream):
        self._lines = queue.Queue()
        self.all = []
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream):
        for line in stream:
            self._lines.put(line)
        self._lines.put(None)

    def until(self, wanted):
        """The match of the first line that has it."""
        end = time.monotonic() + PATIENCE
        while True:
            line = self._lines.get(timeout=max(0.001, end - time.monotonic()))
            if line is None:
                raise RuntimeError("it ended before it said " + wanted + ":\n" + "".join(self.all))
            self.all.append(line)
            found = re.search(wanted, line)
            if found:
                return found


def serve(wayang, directory):
    """A node of its own; as root where no other node of this machine is."""
    state, tokens = os.path.join(directory, "state"), os.path.join(directory, "tokens")
    os.mkdir(state, 0o700)
    token = subprocess.run(
        [wayang, "token", "create", "--name", "workflow", "--scopes", "read,submit,operate", "--file", tokens], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    configuration = os.path.join(directory, "node.yaml")
    with open(configuration, "w", encoding="utf-8") as file:
        file.write(CONFIGURATION.format(state=state, tokens=tokens))
    os.chmod(configuration, 0o600)
    command = [wayang, "serve", "--config", configuration]
    if os.geteuid() == 0:
        os.chmod(directory, 0o711)
        os.chown(state, DAEMON_USER, DAEMON_USER)
        os.chown(tokens, DAEMON_USER, DAEMON_USER)
        command = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", OWN_RUN, "sh", *command]
    node = subprocess.Popen(command, env={**os.environ, "XDG_RUNTIME_DIR": directory}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return node, re.search(r"wayang_\S+", token).group()


def run(name, command, **variables):
    """A workflow, its line and its ends; they are those of its last line."""
    ran = subprocess.run(command, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)
    if ran.returncode != 0:
        raise RuntimeError(f"{name} ended with {ran.returncode}:\n{ran.stdout}")
    *told, ended = ran.stdout.splitlines()
    print("\n".join(told), flush=True)
    return json.loads(ended)


def forge(port):
    """What nobody signed: the status that it is answered with."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", b"{}", {"webhook-id": "msg_forged", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,AAAA"})
    try:
        return urllib.request.urlopen(request, timeout=PATIENCE).status
    except urllib.error.HTTPError as refused:
        return refused.code


def demonstrate(wayang, modules, directory, running):
    node, token = serve(wayang, directory)
    running.append(node)
    log = Lines(node.stdout)
    places = log.until(r"serving at .*").group()
    rpc, grpc = (re.search(pattern, places).group(1) for pattern in (r"tcp://([0-9.:]+)", r"grpc at ([0-9.:]+)"))
    receiver = subprocess.Popen([sys.executable, os.path.join(HERE, "receiver.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    running.append(receiver)
    heard = Lines(receiver.stdout)
    port = int(heard.until(r'"port": (\d+)').group(1))
    with Client("tcp://" + rpc, token) as client:
        hook = client.request("webhook.create", {"url": f"http://127.0.0.1:{port}/", "type": "wayang.task"})
    receiver.stdin.write(hook["secret"] + "\n")
    receiver.stdin.flush()

    ended = run("workflow.py", [sys.executable, os.path.join(HERE, "workflow.py"), TEXT], WAYANG_ENDPOINT="tcp://" + rpc, WAYANG_TOKEN=token)
    if modules:
        ended.update(run("workflow.js", ["node", os.path.join(HERE, "workflow.js"), TEXT], WAYANG_GRPC=grpc, WAYANG_TOKEN=token, NODE_PATH=modules))
    else:
        print("workflow.js   left out: it needs node with @grpc/grpc-js", flush=True)

    missing = {task: f"wayang.task.{state}" for task, state in ended.items()}
    events = 0
    while missing:
        told = json.loads(heard.until(r"\{.*\}").group())
        assert "refused" not in told, f"a webhook was not signed: {told}"
        events += 1
        if missing.get(told["task"]) == told["type"]:
            del missing[told["task"]]
    with Client("tcp://" + rpc, token) as client:
        told = client.request("events.list", {"since": 0, "group": "workflow-py", "limit": 1000})["events"]
    assert {event["data"]["group"] for event in told} == {"workflow-py"} and {event["subject"] for event in told} <= set(ended), told
    assert sum("state" in event["data"] for event in told) == 11, told
    assert forge(port) == 401, "a webhook that nobody signed was taken"
    heard.until('"refused": "msg_forged"')
    print(f"receiver.py   {events} webhooks, all signed, with the end of each of {len(ended)} tasks among them; a forged one refused", flush=True)


def main():
    wayang, modules = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    if modules and not (shutil.which("node") and os.path.isdir(os.path.join(modules, "@grpc", "grpc-js"))):
        modules = None
    running = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wayang-workflow-", dir="/var/tmp") as directory:
        try:
            demonstrate(wayang, modules, directory, running)
        finally:
            for program in reversed(running):
                program.terminate()
                program.wait()
    print(f"workflows     {time.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    main()
