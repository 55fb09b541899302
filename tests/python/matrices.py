"""numpy in a task: one thread, all in memory."""

import numpy
import wayang


@wayang.json
def solve(value):
    size = value["size"]
    matrix = numpy.arange(size * size, dtype=float).reshape(size, size) % 7 + numpy.eye(size) * size
    right = numpy.arange(size, dtype=float)
    found = numpy.linalg.solve(matrix, right)
    spectrum = numpy.fft.rfft(right)
    return {"wrong": float(numpy.abs(matrix @ found - right).max()), "first": float(spectrum[0].real),
            "eigen": float(numpy.linalg.eigvalsh(matrix + matrix.T).sum() - 2 * numpy.trace(matrix))}


def draw():
    return str(numpy.random.random())
