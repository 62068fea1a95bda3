"""A thread that works on the newest item only."""

from __future__ import annotations

import threading
from typing import Callable

from edge_vision.core.mailbox import Mailbox


class Worker:
    """
    A named thread that calls `work(item)` for the newest item given to `put`.

    An error in `work` does not end the thread: a node must outlive one bad message. It goes to
    `on_error(exception)`, is counted, and the next item is worked on.
    """

    def __init__(self, name: str, work: Callable, on_error: Callable[[Exception], None]):
        """Start the thread."""
        self._mailbox = Mailbox()
        self._work = work
        self._on_error = on_error
        self.errors = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Count the items that a newer one replaced before they were worked on."""
        return self._mailbox.dropped

    def put(self, item) -> None:
        """Hand over an item; never blocks, replaces one that still waits."""
        self._mailbox.put(item)

    def _run(self):
        while True:
            item = self._mailbox.take()
            if self._mailbox.closed:
                return
            try:
                self._work(item)
            except Exception as error:  # noqa: BLE001 told, counted, and on we go
                self.errors += 1
                self._on_error(error)

    def close(self, timeout_s: float = 2.0) -> None:
        """End the thread; an item under work is finished, if that takes less than timeout_s."""
        self._mailbox.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)
