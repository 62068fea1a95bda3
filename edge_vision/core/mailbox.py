"""Hand-over between two threads in which the newest item wins."""

from __future__ import annotations

import threading
from typing import Optional


class Mailbox:
    """
    A slot for one item; a new item replaces one that nobody has taken yet.

    A queue would keep old frames alive in front of a slow consumer; here it always gets the
    newest, and what was replaced is counted in `dropped`.
    """

    def __init__(self):
        """Start empty and open."""
        self._ready = threading.Condition()
        self._item = None
        self._closed = False
        self.dropped = 0

    def put(self, item) -> None:
        """Leave an item; never blocks. A closed box forgets it at once."""
        with self._ready:
            if self._closed:
                return
            if self._item is not None:
                self.dropped += 1
            self._item = item
            self._ready.notify()

    def take(self, timeout_s: Optional[float] = None):
        """Wait for an item; None when the time is over or the box is closed."""
        with self._ready:
            self._ready.wait_for(lambda: self._item is not None or self._closed, timeout_s)
            item, self._item = self._item, None
            return item

    def close(self) -> None:
        """Wake up whoever waits; from now on `take` returns at once."""
        with self._ready:
            self._closed = True
            self._item = None
            self._ready.notify_all()

    @property
    def closed(self) -> bool:
        """Tell whether `close` was called."""
        return self._closed
