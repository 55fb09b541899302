"""The SDK as a test of somebody's own module uses it: outside of any sandbox. Also its MessagePack, against itself and noise."""

import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))

import wayang
from wayang import _msgpack


@wayang.json
def add(value, ctx):
    ctx.progress(50, "half")
    return {"sum": value["a"] + value["b"], "id": len(ctx.task_id)}


@wayang.json
async def later(value):
    return value


@wayang.msgpack
def same(value):
    return value


class Outside(unittest.TestCase):
    def test_function_is_called_with_a_context_of_ones_own(self):
        self.assertEqual(add(b'{"a": 1, "b": 2}', wayang.Context()), b'{"sum":3,"id":26}')
        self.assertEqual(later(b"[1]"), b"[1]")
        self.assertGreater(wayang.Context(seconds=5).deadline, 4)

    def test_function_that_saves_is_called_with_what_it_saved(self):
        def count(ctx):
            done = int(ctx.saved or 0)
            ctx.on_save(lambda: str(done).encode())
            while done < 5:
                done += 1
                ctx.wanted = done == 3
                ctx.progress(done)
            return done

        first = wayang.Context()
        with self.assertRaises(wayang.Yield):
            count(first)
        self.assertEqual(first.kept, b"3")
        self.assertEqual(count(wayang.Context(attempt=2, saved=first.kept)), 5)
        self.assertFalse(isinstance(wayang.Yield(), Exception))

    def test_wrong_input_says_what_and_where(self):
        for data, words in ((b"", "is empty"), (b"[1,", "at line 1 column 4"), (b"\xff", "byte 0 is no UTF-8")):
            with self.assertRaisesRegex(wayang.InputError, words):
                add(data, wayang.Context())
        for data, words in ((b"", "ends inside a value, at byte 0"), (b"\x91", "1 items are announced"), (b"\xc1", "0xc1"),
                            (b"\x01\x02", "1 bytes follow the value, at byte 1"), (b"\xa1\xff", "no UTF-8, at byte 1"),
                            (b"\x81\x90\x01", "a key is a list"), (b"\x91" * 100 + b"\x01", "nested deeper than 64")):
            with self.assertRaisesRegex(wayang.InputError, words):
                same(data)

    def test_wrong_result_says_what(self):
        with self.assertRaisesRegex(TypeError, "the result is no JSON: Object of type set"):
            wayang.json(lambda value: {1})(b"1")
        for value, words in (({1}, "a set has no form"), (1 << 64, "65 bits"), (-(1 << 63) - 1, "bits is too large")):
            with self.assertRaisesRegex(TypeError, words):
                wayang.msgpack(lambda _, value=value: value)(b"\xc0")

    def test_too_many_parameters_are_told_at_once(self):
        with self.assertRaisesRegex(TypeError, "takes too many arguments"):
            wayang.json(lambda a, b, c: a)


class MessagePack(unittest.TestCase):
    def value(self, depth=0):
        kind = random.randrange(8 if depth < 4 else 6)
        if kind == 0:
            return random.choice((None, True, False))
        if kind == 1:
            return random.choice((1, -1)) * random.getrandbits(random.randrange(1, 63))
        if kind == 2:
            return random.choice((0, 127, 128, 255, 256, 65535, 65536, 2**32, 2**64 - 1, -32, -33, -128, -129, -(2**63)))
        if kind == 3:
            return random.random()
        if kind == 4:
            return "ä" * random.choice((0, 15, 16, 127, 128, 40000))
        if kind == 5:
            return bytes(random.choice((0, 255, 256, 70000)))
        if kind == 6:
            return [self.value(depth + 1) for _ in range(random.choice((0, 3, 15, 16)))]
        return {f"k{n}": self.value(depth + 1) for n in range(random.choice((0, 3, 15, 16)))}

    def test_values_come_back(self):
        random.seed(3)
        for _ in range(500):
            value = self.value()
            self.assertEqual(_msgpack.unpack(_msgpack.pack(value)), value)
        for count in (70_000,):
            self.assertEqual(len(_msgpack.unpack(_msgpack.pack(list(range(count))))), count)

    def test_integers_take_the_least_room(self):
        for value, size in ((0, 1), (127, 1), (128, 2), (255, 2), (256, 3), (65536, 5), (2**32, 9), (-32, 1), (-33, 2), (-128, 2), (-129, 3),
                            (-(2**31), 5), (-(2**31) - 1, 9)):
            self.assertEqual(len(_msgpack.pack(value)), size, value)

    def test_noise_is_a_value_or_a_format_error(self):
        random.seed(4)
        for _ in range(20_000):
            data = random.randbytes(random.randrange(1, 40))
            try:
                _msgpack.unpack(data)
            except _msgpack.FormatError:
                pass


if __name__ == "__main__":
    unittest.main()
