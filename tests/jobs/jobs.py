"""Python calls whose answer, eight bytes, depends on every step: numbers, containers, generators, exceptions on their way, matches. Input: rounds."""
import dataclasses
import decimal
import hashlib
import json
import math
import pickle
import random
import re
import zlib


def _end(value):
    return hashlib.sha256(repr(value).encode()).digest()[:8]


def bigint(data):
    a, b = 3, 7
    for i in range(int(data)):
        a, b = (a * b + i) % (1 << 4000), (b * 31 + a) % ((1 << 3000) + 1)
    return _end(a ^ b)


def churn(data):
    d, lists, h = {}, [], 1
    for i in range(int(data)):
        h = (h * 6364136223846793005 + i) & (2**64 - 1)
        d[h % 997] = [h, str(h), {'k': i}]
        lists.append(d.get((h >> 20) % 997))
        if len(lists) > 500:
            lists = lists[::2]
        node = [h]
        node.append(node)  # a cycle for the collector
    return _end((h, len(lists), sorted(k for k in d), [x[1] for x in lists if x]))


def generators(data):
    def numbers(n):
        x = 1
        for i in range(n):
            got = yield x
            x = (x * 48271 + (got or i)) % 2147483647

    def pairs(g):
        total = 0
        v = next(g)
        try:
            while True:
                total = total * 31 + v & 0xffffffffffff
                yield total
                v = g.send(total % 7)
        except StopIteration:
            return total

    last = 0
    for last in pairs(numbers(int(data))):
        pass

    async def co(n):
        return n + last

    try:
        co(1).send(None)
    except StopIteration as e:
        last = e.value
    return _end(last)


def exceptions(data):
    class Odd(Exception):
        pass

    log = []

    def deep(n, h):
        try:
            if n == 0:
                raise (Odd if h % 3 else ValueError)(h)
            return deep(n - 1, h * 17 % 1000003)
        except ValueError as e:
            raise Odd(e.args[0] + n) from e
        finally:
            log.append(n)
            if len(log) > 64:
                del log[:32]

    h = 1
    for i in range(int(data)):
        try:
            deep(30, h + i)
        except Odd as e:
            h = (h * 31 + e.args[0]) % 1000003
    return _end((h, log))


def decimals(data):
    decimal.getcontext().prec = 60
    x = decimal.Decimal(2)
    for i in range(1, int(data)):
        x = (x + decimal.Decimal(i) / x).sqrt() + decimal.Decimal(1) / i
    return _end(x)


def regex(data):
    text = 'a1b22c333' * 30 + 'x' * 18
    found = 0
    for i in range(int(data)):
        found += len(re.findall(r'([a-c])(\d+)', text)) + (re.search(r'(x+x+)+y', 'x' * (12 + i % 4)) is None)
    return _end(found)


def hashes(data):
    h = hashlib.sha256(b'start')
    c = 0
    for i in range(int(data)):
        h.update(h.digest())
        c = zlib.crc32(h.digest(), c)
    return _end((h.hexdigest(), c, hashlib.blake2b(h.digest()).hexdigest()))


def bodies(data):
    x, v = [0.0, 1.0, 2.5, 4.0], [0.1, -0.2, 0.05, 0.3]
    for _ in range(int(data)):
        for i in range(4):
            v[i] += sum((x[j] - x[i]) / (1e-2 + math.sqrt(abs(x[j] - x[i])) ** 3) for j in range(4) if j != i) * 1e-3
        for i in range(4):
            x[i] += v[i] * 1e-3
    return _end((x, v))


def texts(data):
    value = {'a': [1, 2.5, None, True], 'b': {'c': 'text \u00e4'}}
    for i in range(int(data)):
        value = json.loads(json.dumps(value))
        value['a'].append(i * 0.1)
        if i % 50 == 0:
            value['a'] = value['a'][-4:]
        value = pickle.loads(pickle.dumps(value))
    return _end(value)


def classes(data):
    total = 0
    for i in range(int(data)):
        space = {}
        exec(f'import dataclasses\n@dataclasses.dataclass(order=True)\nclass P:\n    x: int\n    y: int = {i}\n', {'dataclasses': dataclasses, '__name__': 'm', '__builtins__': __builtins__}, space)
        total += sorted(space['P'](k) for k in range(5))[2].x + space['P'](1).y
    return _end(total)


def drawn(data):
    r = random.Random(5)
    s = 0.0
    for _ in range(int(data)):
        s += r.gauss(0, 1) + r.choice([1, 2, 3])
    return _end(s)


def recursion(data):
    def ack(n, acc):
        return acc if n == 0 else ack(n - 1, (acc * 7 + n) % 1000003) + (n & 1)

    h = 1
    for i in range(int(data)):
        h = ack(600, h) % 1000003
    return _end(h)
