"""Networks that share the processor's cores take turns."""

from __future__ import annotations

import threading


class Turns:
    """
    A lock that is given in the order in which it was asked for, as a context manager.

    A network that runs on several threads waits for all of them at each of its layers, so two that
    run at once on the same cores stop each other and take longer than one after the other. A plain
    lock would not do: a thread that gives it back and asks again at once nearly always gets it.
    """

    def __init__(self):
        self._next, self._now = threading.Lock(), threading.Lock()

    def __enter__(self) -> None:
        with self._next:  # who waits for his turn keeps those that come later out here
            self._now.acquire()

    def __exit__(self, *_) -> None:
        self._now.release()


CORES = Turns()  # of this process, for networks that use them all
