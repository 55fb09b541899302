"""A long computation in plain Python: a planet's orbit, step by step. It knows nothing of nodes, files or moves."""


def orbit(data, ctx):
    steps = int(data)
    x, y, vx, vy = 1.0, 0.0, 0.0, 0.9
    for step in range(steps):
        pull = (x * x + y * y) ** -1.5
        vx, vy = vx - 1e-4 * x * pull, vy - 1e-4 * y * pull
        x, y = x + 1e-4 * vx, y + 1e-4 * vy
        if step % 4096 == 0:
            ctx.progress(100 * step // steps, f"step {step:,}")
    return repr((x, y, vx, vy)).encode()


def short(data, ctx):
    """What somebody waits for."""
    return repr(sum(i * i for i in range(int(data)))).encode()
