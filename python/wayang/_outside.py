"""Context where there is no sandbox: a test of a module of tasks calls its functions itself."""

import time
import sys


class Yield(BaseException):
    """The function gives its place back."""


class Context:
    """What a function gets as `ctx`; the fields may be set at will."""

    def __init__(self, task_id="0" * 26, attempt=1, seconds=3600.0, saved=None):
        self.task_id = task_id
        self.attempt = attempt
        self.cancelled = False
        self.saved = saved
        self.kept = None  # what was saved last
        self.wanted = False  # the place is wanted back
        self._on_save = None
        self._ends = time.monotonic() + seconds

    @property
    def deadline(self):
        """Seconds left."""
        return self._ends - time.monotonic()

    def log(self, *words):
        """log(text) or log(level, text)."""
        print(*words, file=sys.stderr)

    def save(self, state):
        """What the next attempt finds as `saved`; here it stands in `kept`."""
        self.kept = bytes(memoryview(state))

    def on_save(self, callback):
        """When the place is wanted, callback() is saved and the function is left."""
        self._on_save = callback

    @property
    def save_wanted(self):
        """The place is wanted back."""
        if self.wanted and self._on_save is not None:
            self.save(self._on_save())
            raise Yield
        return self.wanted

    def progress(self, percent, text=""):
        """How far the task is: 0 to 100, and a few words."""
        if self._on_save is not None:
            _ = self.save_wanted
