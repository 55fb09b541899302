"""An event loop for sandboxes without sockets: coroutines, timers and threads, no files and no subprocesses.

asyncio's own loop wakes itself through a socket pair and waits in epoll; neither is there. This one waits on a lock.
"""

import asyncio
import selectors
import threading


class _Waiting(selectors.BaseSelector):
    def __init__(self):
        self._wake = threading.Event()

    def register(self, fileobj, events, data=None):
        raise OSError("this event loop has no descriptors: the sandbox has none to wait for")

    def unregister(self, fileobj):
        raise KeyError(fileobj)

    def modify(self, fileobj, events, data=None):
        raise KeyError(fileobj)

    def select(self, timeout=None):
        if timeout is None or timeout > 0:
            self._wake.wait(timeout)
        self._wake.clear()
        return []

    def wake(self):
        self._wake.set()

    def get_key(self, fileobj):
        raise KeyError(fileobj)

    def get_map(self):
        return {}


class EventLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        super().__init__(_Waiting())

    def _make_self_pipe(self):
        self._internal_fds = 0

    def _close_self_pipe(self):
        pass

    def _write_to_self(self):
        if self._selector is not None:
            self._selector.wake()


class Policy(asyncio.DefaultEventLoopPolicy):
    _loop_factory = EventLoop


def install():
    asyncio.set_event_loop_policy(Policy())
