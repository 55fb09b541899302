/* PS1, PS4, TR1: Python calls moved in the middle of their loops, generators, exceptions, numbers and matches. */
#include "rounds.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char code[] =
    "import hashlib, json, re, decimal, math, random, zlib, pickle, dataclasses\n"
    "def _end(value):\n"
    "    return hashlib.sha256(repr(value).encode()).digest()[:8]\n"
    "def bigint(data):\n"
    "    a, b = 3, 7\n"
    "    for i in range(int(data)):\n"
    "        a, b = (a * b + i) % (1 << 4000), (b * 31 + a) % ((1 << 3000) + 1)\n"
    "    return _end(a ^ b)\n"
    "def churn(data):\n"
    "    d, lists, h = {}, [], 1\n"
    "    for i in range(int(data)):\n"
    "        h = (h * 6364136223846793005 + i) & (2**64 - 1)\n"
    "        d[h % 997] = [h, str(h), {'k': i}]\n"
    "        lists.append(d.get((h >> 20) % 997))\n"
    "        if len(lists) > 500:\n"
    "            lists = lists[::2]\n"
    "        node = [h]; node.append(node)\n" /* a cycle for the collector */
    "    return _end((h, len(lists), sorted(k for k in d), [x[1] for x in lists if x]))\n"
    "def generators(data):\n"
    "    def numbers(n):\n"
    "        x = 1\n"
    "        for i in range(n):\n"
    "            got = yield x\n"
    "            x = (x * 48271 + (got or i)) % 2147483647\n"
    "    def pairs(g):\n"
    "        total = 0\n"
    "        v = next(g)\n"
    "        try:\n"
    "            while True:\n"
    "                total = total * 31 + v & 0xffffffffffff\n"
    "                yield total\n"
    "                v = g.send(total % 7)\n"
    "        except StopIteration:\n"
    "            return total\n"
    "    last = 0\n"
    "    for last in pairs(numbers(int(data))):\n"
    "        pass\n"
    "    async def co(n):\n"
    "        return n + last\n"
    "    try:\n"
    "        co(1).send(None)\n"
    "    except StopIteration as e:\n"
    "        last = e.value\n"
    "    return _end(last)\n"
    "def exceptions(data):\n"
    "    class Odd(Exception):\n"
    "        pass\n"
    "    log = []\n"
    "    def deep(n, h):\n"
    "        try:\n"
    "            if n == 0:\n"
    "                raise (Odd if h % 3 else ValueError)(h)\n"
    "            return deep(n - 1, h * 17 % 1000003)\n"
    "        except ValueError as e:\n"
    "            raise Odd(e.args[0] + n) from e\n"
    "        finally:\n"
    "            log.append(n)\n"
    "            if len(log) > 64:\n"
    "                del log[:32]\n"
    "    h = 1\n"
    "    for i in range(int(data)):\n"
    "        try:\n"
    "            deep(30, h + i)\n"
    "        except Odd as e:\n"
    "            h = (h * 31 + e.args[0]) % 1000003\n"
    "    return _end((h, log))\n"
    "def decimals(data):\n"
    "    decimal.getcontext().prec = 60\n"
    "    x = decimal.Decimal(2)\n"
    "    for i in range(1, int(data)):\n"
    "        x = (x + decimal.Decimal(i) / x).sqrt() + decimal.Decimal(1) / i\n"
    "    return _end(x)\n"
    "def regex(data):\n"
    "    text = 'a1b22c333' * 30 + 'x' * 18\n"
    "    found = 0\n"
    "    for i in range(int(data)):\n"
    "        found += len(re.findall(r'([a-c])(\\d+)', text)) + (re.search(r'(x+x+)+y', 'x' * (12 + i % 4)) is None)\n"
    "    return _end(found)\n"
    "def hashes(data):\n"
    "    h = hashlib.sha256(b'start'); c = 0\n"
    "    for i in range(int(data)):\n"
    "        h.update(h.digest()); c = zlib.crc32(h.digest(), c)\n"
    "    return _end((h.hexdigest(), c, hashlib.blake2b(h.digest()).hexdigest()))\n"
    "def bodies(data):\n"
    "    x, v = [0.0, 1.0, 2.5, 4.0], [0.1, -0.2, 0.05, 0.3]\n"
    "    for _ in range(int(data)):\n"
    "        for i in range(4):\n"
    "            v[i] += sum((x[j] - x[i]) / (1e-2 + math.sqrt(abs(x[j] - x[i])) ** 3) for j in range(4) if j != i) * 1e-3\n"
    "        for i in range(4):\n"
    "            x[i] += v[i] * 1e-3\n"
    "    return _end((x, v))\n"
    "def texts(data):\n"
    "    value = {'a': [1, 2.5, None, True], 'b': {'c': 'text \\u00e4'}}\n"
    "    for i in range(int(data)):\n"
    "        value = json.loads(json.dumps(value)); value['a'].append(i * 0.1)\n"
    "        if i % 50 == 0:\n"
    "            value['a'] = value['a'][-4:]\n"
    "        value = pickle.loads(pickle.dumps(value))\n"
    "    return _end(value)\n"
    "def classes(data):\n"
    "    total = 0\n"
    "    for i in range(int(data)):\n"
    "        space = {}\n"
    "        exec(f'import dataclasses\\n@dataclasses.dataclass(order=True)\\nclass P:\\n    x: int\\n    y: int = {i}\\n', {'dataclasses': dataclasses, '__name__': 'm', '__builtins__': __builtins__}, space)\n"
    "        total += sorted(space['P'](k) for k in range(5))[2].x + space['P'](1).y\n"
    "    return _end(total)\n"
    "def drawn(data):\n"
    "    r = random.Random(5); s = 0.0\n"
    "    for _ in range(int(data)):\n"
    "        s += r.gauss(0, 1) + r.choice([1, 2, 3])\n"
    "    return _end(s)\n"
    "def recursion(data):\n"
    "    def ack(n, acc):\n"
    "        return acc if n == 0 else ack(n - 1, (acc * 7 + n) % 1000003) + (n & 1)\n"
    "    h = 1\n"
    "    for i in range(int(data)):\n"
    "        h = ack(600, h) % 1000003\n"
    "    return _end(h)\n";

static const char numpy_code[] =
    "import numpy as np\n"
    "def arrays(data):\n"
    "    r = np.random.default_rng(3)\n"
    "    a = r.standard_normal((48, 48)); s = 0.0\n"
    "    for i in range(int(data)):\n"
    "        a = (a @ a.T) / np.linalg.norm(a) + np.eye(48)\n"
    "        s += float(np.linalg.solve(a, np.ones(48))[0]) + float(np.fft.fft(a[0]).real[1]) + float(np.linalg.eigh(a)[0][3])\n"
    "    return _end((s, a.tolist()[5]))\n";

/* In the order in which the module defines them. */
static job jobs[] = {
    {"bigint", "3000", 0, 0, 0}, {"churn", "15000", 0, 0, 0},    {"generators", "60000", 0, 0, 0}, {"exceptions", "1200", 0, 0, 0},
    {"decimals", "12000", 0, 0, 0}, {"regex", "120", 0, 0, 0},      {"hashes", "40000", 0, 0, 0},     {"bodies", "3000", 0, 0, 0},
    {"texts", "1200", 0, 0, 0},   {"classes", "60", 0, 0, 0},      {"drawn", "40000", 0, 0, 0},      {"recursion", "300", 0, 0, 0},
    {"arrays", "60", 0, 0, 0},
};

int main(int argc, char **argv) {
    static const char *const plain[] = {"json", "re", "math", "hashlib", "decimal", "zlib", "pickle", "dataclasses", "random", NULL};
    static const char *const more[] = {"json", "re", "math", "hashlib", "decimal", "zlib", "pickle", "dataclasses", "random", "numpy", NULL};
    static uint8_t source[65536];
    static char whole[sizeof code + sizeof numpy_code];
    static mover m;
    test_setup setup;
    int binary = open(WY_TEST_STAGE "/wayang-zygote", O_PATH | O_CLOEXEC);
    int python = open(WY_TEST_STAGE "/wayang_python.so", O_RDONLY | O_CLOEXEC);
    if (python < 0) {
        fprintf(stderr, "skipped: wayang_python.so was not built (install libpython3-dev)\n");
        return TEST_SKIPPED;
    }
    test_begin(&setup, argc, argv);
    (void)close(setup.zygote_binary);
    setup.zygote_binary = binary;
    setup.python = python;
    int numpy = access("/usr/lib/python3/dist-packages/numpy", R_OK) == 0;
    memcpy(whole, code, sizeof code - 1);
    memcpy(whole + sizeof code - 1, numpy ? numpy_code : "", numpy ? sizeof numpy_code : 1);
    size_t bytes = test_python_source(source, whole, numpy ? more : plain);
    rounds_begin(&setup);
    mover_open(&m, &setup, WY_IMAGE_PYTHON, source, bytes);
    rounds_run(&m, jobs, (uint16_t)(sizeof jobs / sizeof jobs[0] - !numpy), 600);
    mover_close(&m);
    return 0;
}
