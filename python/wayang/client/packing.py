"""MessagePack in plain Python, for where python3-msgpack is not installed: what a node and its clients say to each other.

``Unpacker`` is fed with bytes as they come and yields whole values; text is str, binary is bytes.
"""

import struct

_MAX_DEPTH = 32


class Incomplete(Exception):
    """More bytes are needed."""


def packb(value):
    """The encoding of None, bool, int, float, str, bytes, and of lists, tuples and dicts of them."""
    out = bytearray()
    _pack(value, out)
    return bytes(out)


def _pack(value, out):
    if value is None:
        out.append(0xC0)
    elif value is True or value is False:
        out.append(0xC3 if value else 0xC2)
    elif isinstance(value, int):
        _pack_int(value, out)
    elif isinstance(value, float):
        out += struct.pack(">Bd", 0xCB, value)
    elif isinstance(value, str):
        encoded = value.encode()
        _pack_header(len(encoded), out, 0xA0, 31, (0xD9, 0xDA, 0xDB))
        out += encoded
    elif isinstance(value, (bytes, bytearray, memoryview)):
        _pack_header(len(value), out, None, -1, (0xC4, 0xC5, 0xC6))
        out += value
    elif isinstance(value, (list, tuple)):
        _pack_header(len(value), out, 0x90, 15, (None, 0xDC, 0xDD))
        for item in value:
            _pack(item, out)
    elif isinstance(value, dict):
        _pack_header(len(value), out, 0x80, 15, (None, 0xDE, 0xDF))
        for key, item in value.items():
            _pack(key, out)
            _pack(item, out)
    else:
        raise TypeError(f"{type(value).__name__} cannot be sent: use numbers, text, bytes, lists and dicts")


def _pack_int(value, out):
    if -32 <= value <= 127:
        out += struct.pack("b" if value < 0 else "B", value)
    elif 0 <= value < 1 << 64:
        for code, form, limit in ((0xCC, ">BB", 8), (0xCD, ">BH", 16), (0xCE, ">BI", 32), (0xCF, ">BQ", 64)):
            if value < 1 << limit:
                out += struct.pack(form, code, value)
                return
    elif -(1 << 63) <= value < 0:
        for code, form, limit in ((0xD0, ">Bb", 7), (0xD1, ">Bh", 15), (0xD2, ">Bi", 31), (0xD3, ">Bq", 63)):
            if value >= -(1 << limit):
                out += struct.pack(form, code, value)
                return
    else:
        raise OverflowError(f"{value} has more than 64 bits")


def _pack_header(length, out, small, most, codes):
    if length <= most:
        out.append(small | length)
    elif codes[0] is not None and length < 1 << 8:
        out += struct.pack(">BB", codes[0], length)
    elif length < 1 << 16:
        out += struct.pack(">BH", codes[1], length)
    else:
        out += struct.pack(">BI", codes[2], length)


_NUMBERS = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
}
_LENGTHS = {
    0xC4: ("bin", ">B"), 0xC5: ("bin", ">H"), 0xC6: ("bin", ">I"), 0xD9: ("str", ">B"), 0xDA: ("str", ">H"), 0xDB: ("str", ">I"),
    0xDC: ("list", ">H"), 0xDD: ("list", ">I"), 0xDE: ("map", ">H"), 0xDF: ("map", ">I"),
}


class Unpacker:
    """Takes bytes by ``feed`` and yields the values that are whole."""

    def __init__(self, max_buffer_size):
        self._buffer = bytearray()
        self._most = max_buffer_size
        self._at = 0

    def feed(self, data):
        """Takes more bytes; ValueError when more than the bound have gathered."""
        self._buffer += data
        if len(self._buffer) > self._most:
            raise ValueError("an answer is longer than the bound")

    def __iter__(self):
        while self._buffer:
            self._at = 0
            try:
                value = self._read(0)
            except Incomplete:
                return
            del self._buffer[:self._at]
            yield value

    def _take(self, count):
        start = self._at
        if len(self._buffer) - start < count:
            raise Incomplete
        self._at = start + count
        return start

    def _number(self, form):
        start = self._take(struct.calcsize(form))
        return struct.unpack_from(form, self._buffer, start)[0]

    def _read(self, depth):
        code = self._buffer[self._take(1)]
        if code <= 0x7F:
            return code
        if code >= 0xE0:
            return code - 256
        if code < 0xC0:
            kind, length = ("map", code & 15) if code < 0x90 else ("list", code & 15) if code < 0xA0 else ("str", code & 31)
            return self._read_sized(kind, length, depth)
        if code in (0xC0, 0xC2, 0xC3):
            return None if code == 0xC0 else code == 0xC3
        if code in _NUMBERS:
            return self._number(_NUMBERS[code])
        if code in _LENGTHS:
            kind, form = _LENGTHS[code]
            return self._read_sized(kind, self._number(form), depth)
        raise ValueError(f"a byte {code:#x} that no answer has")

    def _read_sized(self, kind, length, depth):
        if kind in ("bin", "str"):
            start = self._take(length)
            data = bytes(self._buffer[start:start + length])
            return data if kind == "bin" else data.decode(errors="replace")
        if depth == _MAX_DEPTH:
            raise ValueError("an answer is nested too deeply")
        if kind == "list":
            return [self._read(depth + 1) for _ in range(length)]
        return {self._read(depth + 1): self._read(depth + 1) for _ in range(length)}
