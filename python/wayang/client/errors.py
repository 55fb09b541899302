"""What can go wrong, one class for each code of the node's closed list."""


class WayangError(Exception):
    """The node refused an operation, or was lost while it was pending.

    ``code``: which refusal; ``message``: in words; ``field``: the parameter at fault, or None; ``retry_after_ms``: when to try
    again, or None where that does not help.
    """

    code = "internal"

    def __init__(self, message, field=None, retry_after_ms=None, code=None):
        super().__init__(message)
        self.message = message
        self.field = field
        self.retry_after_ms = retry_after_ms
        if code is not None:
            self.code = code

    def __str__(self):
        return f"{self.code}: {self.message}"


class InvalidArgument(WayangError):
    """A parameter is missing, unknown, of the wrong type or out of range; ``field`` names it."""

    code = "invalid_argument"


class NotFound(WayangError):
    """No such task, image, function or profile, or it was forgotten."""

    code = "not_found"


class UnknownOperation(WayangError):
    """The node has no operation of that name: it may be older than this client."""

    code = "unknown_operation"


class PermissionDenied(WayangError):
    """The caller may not do that."""

    code = "permission_denied"


class Unauthenticated(WayangError):
    """The token is missing, unknown, revoked or expired."""

    code = "unauthenticated"


class ResourceExhausted(WayangError):
    """A bound is reached; ``retry_after_ms`` says when to try again."""

    code = "resource_exhausted"


class TooLarge(WayangError):
    """A payload is over its bound."""

    code = "too_large"


class ImageFailed(WayangError):
    """The image could not be loaded; the message says why."""

    code = "image_failed"


class Unsupported(WayangError):
    """This host or profile cannot do it; the message says what is missing."""

    code = "unsupported"


class Unavailable(WayangError):
    """No node answers there, or it is starting, recovering or shutting down."""

    code = "unavailable"


class NodeLost(WayangError):
    """The connection broke while the call was pending: its task may or may not have run."""

    code = "node_lost"


class WaitTimeout(WayangError):
    """A wait ended before the task did; the task goes on."""

    code = "wait_timeout"


class Conflict(WayangError):
    """It contradicts what is there: a key that stands for another task, a change of a task that was started."""

    code = "conflict"


class InternalError(WayangError):
    """A defect of the node, or an answer that this client does not understand."""

    code = "internal"


class CallTimeout(WayangError, TimeoutError):
    """No answer came within the time that the caller gave; the task, if there is one, goes on. Never sent by a node."""

    code = "call_timeout"


class TaskFailed(Exception):
    """Raised by ``Result.check()``: the task ended, and not well. ``result`` says how."""

    def __init__(self, result):
        cause = result.cause
        detail = cause.get("detail", cause.get("what", cause.get("code", cause.get("signal", ""))))
        super().__init__(f"task {result.task} {result.state}: {cause.get('type', '?')} {detail}".rstrip())
        self.result = result


_CLASSES = {
    cls.code: cls
    for cls in (
        InvalidArgument, NotFound, UnknownOperation, PermissionDenied, Unauthenticated, ResourceExhausted, TooLarge, ImageFailed,
        Unsupported, Unavailable, NodeLost, WaitTimeout, Conflict, InternalError,
    )
}


def from_wire(error):
    """The exception for an error map; a code that this version does not know keeps its name."""
    if not isinstance(error, dict):
        return InternalError(f"The node answered with an error that is not understood: {error!r}")
    code = error.get("code")
    cls = _CLASSES.get(code, WayangError)
    return cls(error.get("message", "no message"), error.get("field"), error.get("retry_after_ms"), code)
