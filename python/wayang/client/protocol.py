"""Requests out, answers in: what both clients share, without a socket."""

from .errors import InternalError, NodeLost, from_wire

try:
    import msgpack
except ImportError:
    msgpack = None

from . import packing

MAX_ANSWER_BYTES = 256 << 20
_REQUEST = 0
_RESPONSE = 1


def _codec():
    if msgpack is None:
        return packing.packb, packing.Unpacker(MAX_ANSWER_BYTES)
    unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, unicode_errors="replace", max_buffer_size=MAX_ANSWER_BYTES)
    return msgpack.packb, unpacker


class Protocol:
    """One connection's message ids, encoder and decoder. Not thread-safe."""

    def __init__(self):
        self._pack, self._unpacker = _codec()
        self._last = 0

    def request(self, operation, params):
        """Returns the message id and the bytes of a request. Message 0 is never used: the node speaks by it of the connection."""
        self._last = self._last % 0xFFFFFFFF + 1
        return self._last, self._pack([_REQUEST, self._last, operation, [params]])

    def feed(self, data):
        """Returns (id, exception or None, result) of each answer that is whole now.

        Raises the reason when the node ends the connection as a whole, or sends what is no answer.
        """
        answers = []
        try:
            self._unpacker.feed(data)
            messages = list(self._unpacker)
        except (ValueError, OverflowError, BufferError) as fault:
            raise NodeLost(f"The node sent something that is no answer: {fault}") from fault
        for message in messages:
            if not isinstance(message, (list, tuple)) or not message:
                raise NodeLost("The node sent something that is no answer.")
            if message[0] != _RESPONSE or len(message) != 4:
                continue
            _, number, error, result = message
            failure = None if error is None else from_wire(error)
            if number == 0 and failure is not None:
                raise failure
            answers.append((number, failure, result))
        return answers


def understood(convert, result):
    """The result as the caller gets it."""
    try:
        return convert(result)
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise InternalError(f"The node's answer is not understood ({fault!r}): are both of the same version?") from fault
