"""Debian's python3-grpcio with messages that protoc makes of the proto files."""

import os
import subprocess
import sys
import tempfile
import threading

import grpc

PROTO = os.path.join(os.path.dirname(__file__), "../../../src/Wayang.Fast.Contracts/Proto")
TOKEN = (("authorization", "Bearer " + os.environ["WAYANG_TEST_TOKEN"]),)
SERVICE = "/wayang.runtime.v1.Runtime/"


def messages():
    """The generated modules of tasks, of the node and of sessions."""
    with tempfile.TemporaryDirectory() as folder:
        names = [f"wayang/runtime/v1/{name}.proto" for name in ("tasks", "node", "session")]
        subprocess.run(["protoc", f"-I{PROTO}", f"--python_out={folder}", *names], check=True)
        sys.path.insert(0, folder)
        from wayang.runtime.v1 import node_pb2, session_pb2, tasks_pb2

        return tasks_pb2, node_pb2, session_pb2


tasks, node, session = messages()


def ok(where, what):
    print("ok", where, what)


class Client:
    def __init__(self, channel, metadata):
        self.channel = channel
        self.metadata = metadata

    def call(self, name, request, answer, **options):
        method = self.channel.unary_unary(SERVICE + name, type(request).SerializeToString, answer.FromString)
        return method(request, metadata=self.metadata, timeout=options.pop("timeout", 30), **options)

    def run(self, **fields):
        timeout = fields.pop("timeout", 30)
        return self.call("TaskRun", tasks.TaskSpec(**fields), tasks.TaskResult, timeout=timeout)


def refusal(attempt, *arguments, **fields):
    try:
        attempt(*arguments, **fields)
    except grpc.RpcError as error:
        details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
        return error.code(), details
    raise AssertionError("was not refused")


def check_session(where, client, spec):
    """Five hundred tasks on one stream, as many under way as the window lets."""
    converse = client.channel.stream_stream(SERVICE + "TaskSession", session.SessionRequest.SerializeToString, session.SessionReply.FromString)
    free = threading.Semaphore(0)

    def requests():
        for number in range(500):
            free.acquire()
            task = tasks.TaskSpec(kind=spec.kind, image=spec.image, function="none" if number == 7 else spec.function, data=b"%d" % number)
            yield session.SessionRequest(number=number, submit=task)

    ended = {}
    for reply in converse(requests(), metadata=client.metadata, timeout=60):
        if reply.HasField("window"):
            free.release(min(reply.window, 64))
        elif reply.HasField("ended"):
            assert (reply.ended.state, reply.ended.output) == ("succeeded", b"%d" % reply.number), reply
            ended[reply.number] = reply.ended.task
            free.release()
        else:
            assert (reply.number, reply.refused.code, reply.refused.field) == (7, "not_found", "function"), reply
            free.release()
    assert len(ended) == len(set(ended.values())) == 499
    ok(where, "session")


def check(where, client, name):
    with open(os.environ["WAYANG_PLUGIN"], "rb") as file:
        image = client.call("ImagePut", node.ImagePutRequest(kind="c", data=file.read(), name=name), node.Image)
    assert "echo" in image.functions
    result = client.run(kind="call", image=name, function="echo", data=b"hello")
    assert (result.state, result.output) == ("succeeded", b"hello"), result
    ok(where, "call")

    command = client.run(kind="exec", argv=["/bin/sh", "-c", "cat; echo $A; exit 4"], stdin=b"in", env={"A": "b"})
    assert (command.state, command.cause.type, command.cause.code, command.stdout) == ("failed", "exit", 4, b"inb\n"), command
    ok(where, "command")

    submit = client.channel.stream_unary(SERVICE + "TaskSubmitMany", tasks.TaskSubmitManyRequest.SerializeToString, tasks.TaskSubmitManyReply.FromString)
    spec = tasks.TaskSpec(kind="call", image=name, function="echo", data=b"x")
    batches = (tasks.TaskSubmitManyRequest(tasks=[spec] * 50) for _ in range(4))
    ids = [item.task for item in submit(batches, metadata=client.metadata, timeout=60).tasks]
    assert len(set(ids)) == 200
    for task in ids:
        assert client.call("TaskWait", tasks.TaskWaitRequest(task=task), tasks.TaskResult).state == "succeeded"
    ok(where, "many")

    check_session(where, client, spec)

    code, details = refusal(client.run, kind="call", image=name, function="echo", priority=99)
    assert code == grpc.StatusCode.INVALID_ARGUMENT and b"INVALID_ARGUMENT" in details and b"priority" in details
    code, details = refusal(client.run, kind="call", image=name, function="none")
    assert code == grpc.StatusCode.NOT_FOUND and b"NOT_FOUND" in details
    ok(where, "error")

    large = b"wayang" * (1 << 19)
    assert client.run(kind="call", image=name, function="echo", data=large).output == large
    ok(where, "large")

    task = client.call("TaskSubmit", tasks.TaskSpec(kind="exec", argv=["/bin/sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.1; done"]), tasks.TaskReference)
    follow = client.channel.unary_stream(SERVICE + "TaskFollow", tasks.TaskOutputRequest.SerializeToString, tasks.TaskOutputReply.FromString)
    told = b"".join(piece.data for piece in follow(tasks.TaskOutputRequest(task=task.task, stream="stdout"), metadata=client.metadata, timeout=60))
    assert told == b"line 1\nline 2\nline 3\n", told
    ok(where, "follow")

    code, _ = refusal(client.run, kind="exec", argv=["/bin/sleep", "600"], group=name, timeout=1)
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED
    ended = client.call("GroupWait", tasks.GroupWaitRequest(group=name, timeout_ms=20_000), tasks.GroupStates)
    assert ended.states["cancelled"] == 1, ended
    ok(where, "deadline")


def main():
    with grpc.insecure_channel("unix:" + os.environ["WAYANG_GRPC_SOCKET"]) as channel:
        check("grpcio unix", Client(channel, ()), "grpcpy1")
    with grpc.insecure_channel("127.0.0.1:" + os.environ["WAYANG_GRPC_PORT"]) as channel:
        for metadata in ((), (("authorization", "Bearer wrong"),)):
            code, details = refusal(Client(channel, metadata).call, "NodeInfo", node.NodeInfoRequest(), node.NodeInfoReply)
            assert code == grpc.StatusCode.UNAUTHENTICATED and b"UNAUTHENTICATED" in details
        ok("grpcio tcp", "token")
        check("grpcio tcp", Client(channel, TOKEN), "grpcpy2")


main()
