"""The same with numpy, on one thread."""
import hashlib

import numpy as np


def _end(value):
    return hashlib.sha256(repr(value).encode()).digest()[:8]


def arrays(data):
    r = np.random.default_rng(3)
    a = r.standard_normal((48, 48))
    s = 0.0
    for i in range(int(data)):
        a = (a @ a.T) / np.linalg.norm(a) + np.eye(48)
        s += float(np.linalg.solve(a, np.ones(48))[0]) + float(np.fft.fft(a[0]).real[1]) + float(np.linalg.eigh(a)[0][3])
    return _end((s, a.tolist()[5]))
