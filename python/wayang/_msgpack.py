"""MessagePack in plain Python: what the tasks' decorator needs. Values: None, bool, int, float, str, bytes, list, dict."""

import struct

MAX_DEPTH = 64


class FormatError(ValueError):
    """Not MessagePack, or a value that it has no form for; says where or what."""


def pack(value):
    parts = []
    _pack(value, parts.append, 0)
    return b"".join(parts)


def unpack(data):
    view = memoryview(data)
    value, at = _unpack(view, 0, 0)
    if at != len(view):
        raise FormatError(f"{len(view) - at} bytes follow the value, at byte {at}")
    return value


def _head(out, length, small, limit, forms):
    if length < limit:
        out(bytes((small | length,)))
        return
    for code, form, most in forms:
        if length <= most:
            out(struct.pack(form, code, length))
            return
    raise FormatError(f"{length} items or bytes are too many")


_STR = ((0xD9, ">BB", 0xFF), (0xDA, ">BH", 0xFFFF), (0xDB, ">BI", 0xFFFFFFFF))
_BIN = ((0xC4, ">BB", 0xFF), (0xC5, ">BH", 0xFFFF), (0xC6, ">BI", 0xFFFFFFFF))
_ARRAY = ((0xDC, ">BH", 0xFFFF), (0xDD, ">BI", 0xFFFFFFFF))
_MAP = ((0xDE, ">BH", 0xFFFF), (0xDF, ">BI", 0xFFFFFFFF))


def _pack(value, out, depth):
    if depth > MAX_DEPTH:
        raise FormatError(f"nested deeper than {MAX_DEPTH}")
    if value is None:
        out(b"\xc0")
    elif value is True or value is False:
        out(b"\xc3" if value else b"\xc2")
    elif isinstance(value, int):
        _pack_int(value, out)
    elif isinstance(value, float):
        out(struct.pack(">Bd", 0xCB, value))
    elif isinstance(value, str):
        text = value.encode()
        _head(out, len(text), 0xA0, 32, _STR)
        out(text)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        raw = bytes(value)
        _head(out, len(raw), 0, 0, _BIN)
        out(raw)
    elif isinstance(value, (list, tuple)):
        _head(out, len(value), 0x90, 16, _ARRAY)
        for item in value:
            _pack(item, out, depth + 1)
    elif isinstance(value, dict):
        _head(out, len(value), 0x80, 16, _MAP)
        for key, item in value.items():
            _pack(key, out, depth + 1)
            _pack(item, out, depth + 1)
    else:
        raise FormatError(f"a {type(value).__name__} has no form in it")


def _pack_int(value, out):
    if 0 <= value < 0x80:
        out(bytes((value,)))
    elif -0x20 <= value < 0:
        out(bytes((value & 0xFF,)))
    else:
        forms = ((0xCC, ">BB", 8), (0xCD, ">BH", 16), (0xCE, ">BI", 32), (0xCF, ">BQ", 64))
        signed = ((0xD0, ">Bb", 8), (0xD1, ">Bh", 16), (0xD2, ">Bi", 32), (0xD3, ">Bq", 64))
        for code, form, bits in forms if value >= 0 else signed:
            if (value >> bits if value >= 0 else (value + (1 << (bits - 1))) >> bits) == 0:
                out(struct.pack(form, code, value))
                return
        raise FormatError(f"an integer of {value.bit_length()} bits is too large")


_FIXED = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
_SIZED = {0xC4: (">B", "bin"), 0xC5: (">H", "bin"), 0xC6: (">I", "bin"), 0xD9: (">B", "str"), 0xDA: (">H", "str"),
          0xDB: (">I", "str"), 0xDC: (">H", "array"), 0xDD: (">I", "array"), 0xDE: (">H", "map"), 0xDF: (">I", "map")}


def _unpack(view, at, depth):
    if depth > MAX_DEPTH:
        raise FormatError(f"nested deeper than {MAX_DEPTH}, at byte {at}")
    head = _take(view, at, 1)[0]
    if head < 0x80:
        return head, at + 1
    if head >= 0xE0:
        return head - 0x100, at + 1
    if head < 0x90:
        return _unpack_items("map", head & 0x0F, view, at + 1, depth)
    if head < 0xA0:
        return _unpack_items("array", head & 0x0F, view, at + 1, depth)
    if head < 0xC0:
        return _unpack_items("str", head & 0x1F, view, at + 1, depth)
    if head in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[head], at + 1
    if head in _FIXED:
        form = _FIXED[head]
        size = struct.calcsize(form)
        return struct.unpack(form, _take(view, at + 1, size))[0], at + 1 + size
    if head in _SIZED:
        form, kind = _SIZED[head]
        size = struct.calcsize(form)
        return _unpack_items(kind, struct.unpack(form, _take(view, at + 1, size))[0], view, at + 1 + size, depth)
    raise FormatError(f"byte 0x{head:02x} begins an extension or nothing, at byte {at}")


def _unpack_items(kind, count, view, at, depth):
    if kind == "bin":
        return bytes(_take(view, at, count)), at + count
    if kind == "str":
        try:
            return str(_take(view, at, count), "utf-8"), at + count
        except UnicodeDecodeError as error:
            raise FormatError(f"a string is no UTF-8, at byte {at + error.start}") from None
    if count > len(view) - at:
        raise FormatError(f"{count} items are announced where {len(view) - at} bytes are left, at byte {at}")
    if kind == "array":
        items = []
        for _ in range(count):
            item, at = _unpack(view, at, depth + 1)
            items.append(item)
        return items, at
    pairs = {}
    for _ in range(count):
        start = at
        key, at = _unpack(view, at, depth + 1)
        if isinstance(key, (list, dict)):
            raise FormatError(f"a key is a list or a map, at byte {start}")
        pairs[key], at = _unpack(view, at, depth + 1)
    return pairs, at


def _take(view, at, count):
    if count > len(view) - at:
        raise FormatError(f"it ends inside a value, at byte {at}")
    return view[at:at + count]
