"""Context where there is no sandbox: a test of a module of tasks calls its functions itself."""

import time
import sys


class Context:
    """What a function gets as `ctx`; the fields may be set at will."""

    def __init__(self, task_id="0" * 26, attempt=1, seconds=3600.0):
        self.task_id = task_id
        self.attempt = attempt
        self.cancelled = False
        self._ends = time.monotonic() + seconds

    @property
    def deadline(self):
        """Seconds left."""
        return self._ends - time.monotonic()

    def log(self, *words):
        """log(text) or log(level, text)."""
        print(*words, file=sys.stderr)

    def progress(self, percent, text=""):
        """How far the task is: 0 to 100, and a few words."""
