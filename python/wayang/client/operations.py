"""Every operation of a node, once for both clients: each is a call by name with a map, and a conversion of the answer."""

from .errors import from_wire
from .tasks import Result, milliseconds

_MAX_PIECE = 1 << 20


def _outcomes(answer):
    return [item["task"] if "task" in item else from_wire(item["error"]) for item in answer["tasks"]]


class Operations:
    """Methods that ``Client`` has as functions and ``AsyncClient`` as coroutines.

    ``timeout``, in seconds, is how long to wait for the answer (``CallTimeout``); the task itself has its own.
    """

    def _call(self, operation, params, convert, timeout):
        raise NotImplementedError

    def run(self, task, *, timeout=None):
        """Runs a task and returns its ``Result`` when it ended."""
        return self._call("task.run", task.params, Result.of, timeout)

    def submit(self, task, *, timeout=None):
        """Admits a task; returns its id."""
        return self._call("task.submit", task.params, lambda answer: answer["task"], timeout)

    def submit_many(self, tasks, *, timeout=None):
        """Admits up to 10,000 tasks at once; returns for each, in their order, its id or the ``WayangError`` that refused it."""
        return self._call("task.submit_many", {"tasks": [task.params for task in tasks]}, _outcomes, timeout)

    def wait(self, task_id, *, wait_timeout=None, timeout=None):
        """The ``Result`` of a task once it ended; ``WaitTimeout`` when that takes longer than ``wait_timeout`` seconds."""
        params = {"task": task_id}
        if wait_timeout is not None:
            params["timeout_ms"] = milliseconds(wait_timeout)
        return self._call("task.wait", params, Result.of, timeout)

    def get(self, task_id, *, timeout=None):
        """What is known of a task, without its payloads: a map."""
        return self._call("task.get", {"task": task_id}, dict, timeout)

    def cancel(self, task_id, *, timeout=None):
        """Asks a task to stop; returns when the node has taken note, not when it ended."""
        return self._call("task.cancel", {"task": task_id}, lambda answer: None, timeout)

    def pause(self, task_id, *, timeout=None):
        """Holds a queued task, or stops the processes of a running command; ``Unsupported`` for a call that runs."""
        return self._call("task.pause", {"task": task_id}, lambda answer: None, timeout)

    def checkpoint(self, task_id, *, timeout=None):
        """Writes a running call into a file of the node; it is paused, and goes on from there when it is resumed."""
        return self._call("task.checkpoint", {"task": task_id}, lambda answer: None, timeout)

    def migrate(self, task_id, node=None, *, timeout=None):
        """Lets a running call go on at a peer, or (without ``node``) at its home again; returns when it does, with what that took."""
        return self._call("task.migrate", {"task": task_id} if node is None else {"task": task_id, "to": node}, lambda answer: answer, timeout)

    def resume(self, task_id, *, timeout=None):
        """Lets a paused task go on."""
        return self._call("task.resume", {"task": task_id}, lambda answer: None, timeout)

    def update(self, task_id, *, class_=None, priority=None, task_timeout=None, timeout=None):
        """Changes what a queued task waits as; ``Conflict`` when it was started already."""
        changes = {"class": class_, "priority": priority, "timeout_ms": milliseconds(task_timeout)}
        params = {"task": task_id, **{key: value for key, value in changes.items() if value is not None}}
        return self._call("task.update", params, lambda answer: None, timeout)

    def group(self, name, *, timeout=None):
        """How many tasks of a group are in each state: state to number."""
        return self._call("group.get", {"group": name}, lambda answer: answer["states"], timeout)

    def groups(self, *, limit=100, cursor=None, timeout=None):
        """A page of the tenant's groups in the order of their names: {groups: [{group, live, ended}], next}; ``next`` is the ``cursor`` of the page behind, absent at the end."""
        params = {"limit": limit} if cursor is None else {"limit": limit, "cursor": cursor}
        return self._call("group.list", params, dict, timeout)

    def cancel_group(self, name, *, timeout=None):
        """Asks all tasks of a group that have not ended to stop; how many they are."""
        return self._call("group.cancel", {"group": name}, lambda answer: answer["asked"], timeout)

    def wait_group(self, name, *, wait_timeout=None, timeout=None):
        """The states of a group once all its tasks ended; ``WaitTimeout`` when that takes longer than ``wait_timeout`` seconds."""
        params = {"group": name}
        if wait_timeout is not None:
            params["timeout_ms"] = milliseconds(wait_timeout)
        return self._call("group.wait", params, lambda answer: answer["states"], timeout)

    def output(self, task_id, stream="output", *, offset=0, max_bytes=_MAX_PIECE, timeout=None):
        """A piece of output, stdout or stderr, also while the task runs: {data, offset, total_bytes, dropped_bytes, ended}."""
        params = {"task": task_id, "stream": stream, "offset": offset, "max_bytes": max_bytes}
        return self._call("task.output", params, dict, timeout)

    def artifact(self, task_id, name, *, offset=0, max_bytes=_MAX_PIECE, timeout=None):
        """A piece of a file that a task left in ``out/``: {data, offset, bytes, sha256}, the last two of the whole file."""
        params = {"task": task_id, "name": name, "offset": offset, "max_bytes": max_bytes}
        return self._call("task.artifact", params, dict, timeout)

    def explain(self, task_id, *, timeout=None):
        """Why a task waits, or was placed as it was: a paragraph."""
        return self._call("task.explain", {"task": task_id}, lambda answer: answer["text"], timeout)

    def tasks(self, state=None, *, limit=100, timeout=None):
        """Tasks in a state (default: all that have not ended), those that have been in it longest first: a list of maps."""
        params = {"limit": limit} if state is None else {"limit": limit, "state": state}
        return self._call("task.list", params, lambda answer: answer["tasks"], timeout)

    def put_image(self, kind, data, name=None, *, timeout=None):
        """Stores an image ("c": a C plugin's bytes) and returns its map when it is ready to run."""
        params = {"kind": kind, "data": bytes(data)}
        if name is not None:
            params["name"] = name
        return self._call("image.put", params, dict, timeout)

    def images(self, *, timeout=None):
        """The images that the caller sees."""
        return self._call("image.list", {}, lambda answer: answer["images"], timeout)

    def node_info(self, *, timeout=None):
        """What the node is and can do."""
        return self._call("node.info", {}, dict, timeout)

    def node_stats(self, *, timeout=None):
        """Counters, gauges and latency quantiles: name to integer."""
        return self._call("node.stats", {}, lambda answer: answer["values"], timeout)

    def request(self, operation, params=None, *, timeout=None):
        """Any operation by its name, for what this client has no method for; returns the answer as it came."""
        return self._call(operation, params or {}, lambda answer: answer, timeout)
