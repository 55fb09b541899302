"""What is asked for, and what became of it."""

import math
from dataclasses import dataclass, field
from typing import Any, Dict, List

from .errors import TaskFailed


@dataclass(frozen=True)
class Task:
    """One piece of work, as ``run`` and ``submit`` take it. Made by ``Task.call`` or ``Task.command``."""

    params: Dict[str, Any]

    @staticmethod
    def call(image, function, data=b"", **options):
        """A function of an image (its name or sha256). Options: see ``Task.command``."""
        params = {"kind": "call", "image": image, "function": function}
        if data:
            params["data"] = bytes(data)
        return Task(_with_options(params, **options))

    @staticmethod
    def command(*argv, stdin=b"", env=None, cwd=None, inputs=None, secrets=None, artifacts=None, **options):
        """A command with its arguments.

        ``inputs`` ({relative path: bytes, or (bytes, mode)}) are put into its working directory before it begins, ``secrets``
        ({name: bytes}) it reads at /run/secrets/NAME, and ``artifacts`` (True, or {"max_files": ..., "max_bytes": ...}) keeps
        what it leaves in ``out/``: the result lists it in ``artifacts``, ``Client.artifact`` reads it.

        Options: ``profile`` (isolation), ``class_`` (idle, batch, normal, urgent), ``priority`` (a level inside the class),
        ``timeout`` (seconds from dispatch to the end), ``reuse`` ("never": a fresh worker);
        ``retry`` ({"max_attempts": 3, ...}), ``deadline`` (seconds from now), ``group``,
        ``parent`` (a task's id), ``detached`` (only the parent's cancel ends it), ``key`` (idempotency),
        ``limits`` ({"memory_bytes": ..., "cpu_milli": ..., "pids": ..., "disk_bytes": ...}), ``connect`` (destinations,
        "HOST:PORT" each), ``pure`` (True: the same on the same input gives the same, an earlier result may answer it),
        ``durable`` (True: stored before it is acknowledged, it outlives a restart of the node).
        """
        params = {"kind": "exec", "argv": list(argv)}
        if env is not None:
            params["env"] = dict(env)
        if cwd is not None:
            params["cwd"] = cwd
        if stdin:
            params["stdin"] = bytes(stdin)
        if inputs:
            params["inputs"] = [_input(path, content) for path, content in inputs.items()]
        if secrets:
            params["secrets"] = {name: bytes(value) for name, value in secrets.items()}
        if artifacts is not None and artifacts is not False:
            params["artifacts"] = {} if artifacts is True else dict(artifacts)
        return Task(_with_options(params, **options))


def _input(path, content):
    if isinstance(content, tuple):
        data, mode = content
        return {"path": path, "data": bytes(data), "mode": mode}
    return {"path": path, "data": bytes(content)}


def _with_options(
    params, *, profile=None, class_=None, priority=None, timeout=None, reuse=None, limits=None, connect=None, pure=False, migration=None,
    **life,
):
    given = {
        **_life(**life),
        "limits": limits, "grants": {"connect": list(connect)} if connect else None, "pure": True if pure else None,
        "profile": profile, "class": class_, "priority": priority, "timeout_ms": milliseconds(timeout), "reuse": reuse,
        "migration": migration,
    }
    params.update((key, value) for key, value in given.items() if value is not None)
    return params


def _life(*, retry=None, deadline=None, group=None, parent=None, detached=False, key=None, durable=None):
    return {
        "retry": retry, "deadline_ms": milliseconds(deadline), "group": group, "parent": parent,
        "detached": "yes" if detached else None, "idempotency_key": key, "durable": durable,
    }


def milliseconds(seconds):
    """At least one for any time that is given."""
    return None if seconds is None else max(1, math.ceil(seconds * 1000))


@dataclass(frozen=True)
class Result:
    """How a task ended. ``cause`` is {"type": ..., and "code", "signal", "what" or "detail"}; ``artifacts`` are
    {"name", "bytes", "sha256"} each; ``cached``: an earlier pure task's result answered it.
    """

    task: str
    state: str
    cause: Dict[str, Any]
    output: bytes = b""
    stdout: bytes = b""
    stderr: bytes = b""
    stdout_dropped: int = 0
    stderr_dropped: int = 0
    queue_us: int = 0
    start_us: int = 0
    run_us: int = 0
    log: bytes = b""
    artifacts: List[Dict[str, Any]] = field(default_factory=list)
    cached: bool = False
    more: Dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(answer):
        """From an answer's map; what this version does not know goes into ``more``."""
        known = {key: value for key, value in answer.items() if key in _RESULT_FIELDS}
        return Result(**known, more={key: value for key, value in answer.items() if key not in _RESULT_FIELDS})

    @property
    def succeeded(self):
        """Whether it ended well."""
        return self.state == "succeeded"

    def check(self):
        """Returns itself, or raises ``TaskFailed``."""
        if not self.succeeded:
            raise TaskFailed(self)
        return self


_RESULT_FIELDS = frozenset(Result.__dataclass_fields__) - {"more"}
