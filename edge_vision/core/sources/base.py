"""What the capture thread asks of a source of pictures."""

from __future__ import annotations

from dataclasses import dataclass
import re
import threading
import time
from typing import Optional

import numpy as np

TIMEOUT_S = 5.0  # a network camera that is silent for longer is taken for lost


def without_password(url: str) -> str:
    """Hide the user and password of a URL, for logs and messages."""
    return re.sub(r'(?<=//)[^/?#]*@', '', url)


class SourceLost(Exception):
    """The source stopped delivering or cannot be opened now; trying again may help."""


class EndOfSource(Exception):
    """The source has delivered all that it had (a file without `loop`)."""


@dataclass(frozen=True)
class Captured:
    """
    One picture as it came from the source.

    bgr: uint8 (H, W, 3). stamp_ns: wall clock in nanoseconds, taken right after the capture and
    before any decoding. jpeg: the source's own JPEG of it, if it delivers JPEG.
    """

    bgr: np.ndarray
    stamp_ns: int
    jpeg: Optional[bytes] = None


class Source:
    """
    A source of pictures, used by one thread.

    `open` and `read` block and raise SourceLost; `read` raises EndOfSource. After `open`,
    `description` says in a few words what was really opened, with the settings read back.
    """

    description = ''
    skipped = 0  # pictures of the source that were passed over because they were late

    def open(self, stop: threading.Event) -> None:
        """Take the device; `stop` ends any waiting in `read` early."""
        raise NotImplementedError

    def read(self) -> Captured:
        """Wait for the next picture."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the device; also called after a failed `open`."""


class Pace:
    """Waits so that pictures leave at the moments that a file or a rate prescribes."""

    def __init__(self, stop: threading.Event):
        """Start the clock with the first `wait_until`."""
        self._stop = stop
        self._start_s: Optional[float] = None

    def lateness_s(self, due_s: float) -> float:
        """Seconds since the moment `due_s` after the first picture; negative if it is to come."""
        now_s = time.monotonic()
        if self._start_s is None:
            self._start_s = now_s - due_s
        return now_s - self._start_s - due_s

    def wait_until(self, due_s: float) -> None:
        """Wait until `due_s` seconds after the first picture, or until told to stop."""
        late_s = self.lateness_s(due_s)
        if late_s < 0:
            self._stop.wait(-late_s)
        elif late_s > 1.0:  # far behind (the machine slept): go on from here, do not race
            self._start_s = time.monotonic() - due_s
