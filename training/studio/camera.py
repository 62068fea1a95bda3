"""The camera of this machine, or a stream, as the studio shows it and keeps pictures of it."""

from __future__ import annotations

import asyncio
from collections import deque
import threading
import time

from edge_vision.core.capture import Capture
from edge_vision.core.errors import UserError
from edge_vision.core.frame import Frame
from edge_vision.core.jpeg import encode, Variant
from edge_vision.core.sources import parse_source
from edge_vision.core.stats import RateMeter
import numpy as np

KEPT = 90  # pictures that can still be kept after they were shown: three seconds at 30 frames/s
QUALITY = 92  # of what the camera does not deliver as JPEG itself
LINGER_S = 5.0  # the device is let go when nobody has looked for so long
RECONNECT_S = 1.0


class Camera:
    """
    Opens the source while somebody looks; hands out numbered JPEGs.

    Pictures come in the capture thread; viewers wait in the event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop):
        """Have no source yet."""
        self._loop = loop
        self._lock = threading.Lock()
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=KEPT)
        self._arrived = asyncio.Event()
        self._newest: tuple[int, np.ndarray | None] = (time.time_ns() // 1000, None)
        self._capture: Capture | None = None
        self._viewers = 0
        self._left_s = 0.0
        self.rate = RateMeter()
        self.source, self.sentence, self.good = '', 'no camera is chosen', True

    def choose(self, source: str) -> None:
        """Look through another source; UserError where it can never work."""
        parsed = parse_source(source)
        if self._capture is None:
            self._capture = Capture(parsed, 'studio', RECONNECT_S, self._take, self._tell)
            self._capture.enable(self._viewers > 0)
            self._capture.start()
        else:
            self._capture.exchange(parsed)
        self.source, self.sentence, self.good = source, 'opening the camera', True
        with self._lock:
            self._kept.clear()

    def _take(self, frame: Frame) -> None:
        number = self._newest[0] + 1
        jpeg = frame.jpeg or encode(frame.bgr, Variant(quality=QUALITY))
        with self._lock:
            self._kept.append((number, jpeg))
            self._newest = (number, frame.bgr)
        self.rate.tick()
        self._call(self._wake)

    def _tell(self, sentence: str, good: bool) -> None:
        self.sentence, self.good = sentence, good
        self._call(self._wake)

    def _call(self, function) -> None:
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop has ended before the capture thread
            pass

    def _wake(self) -> None:
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()

    def look(self) -> None:
        """Count a viewer; in the event loop."""
        self._viewers += 1
        if self._capture is not None:
            self._capture.enable(True)

    def leave(self) -> None:
        """Count a viewer less; the device is let go a little later."""
        self._viewers -= 1
        self._left_s = time.monotonic()
        self._loop.call_later(LINGER_S, self._rest)

    def _rest(self) -> None:
        if (
            self._viewers == 0
            and self._capture is not None
            and time.monotonic() - self._left_s >= LINGER_S - 0.1
        ):
            self._capture.enable(False)

    async def next(self, after: int, timeout_s: float) -> tuple[int, bytes] | None:
        """Wait for a picture newer than the number `after`, as (number, JPEG); None if none."""
        end_s = time.monotonic() + timeout_s
        while True:
            with self._lock:
                newest = self._kept[-1] if self._kept else None
            if newest is not None and newest[0] > after:
                return newest
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                return None
            try:
                await asyncio.wait_for(self._arrived.wait(), left_s)
            except asyncio.TimeoutError:
                return None

    def newest(self) -> tuple[int, np.ndarray | None]:
        """Give the newest picture with its number."""
        return self._newest

    def kept(self, number: int) -> bytes:
        """Give the JPEG of a picture that was shown; UserError where it is too long ago."""
        with self._lock:
            for one, jpeg in self._kept:
                if one == number:
                    return jpeg
        raise UserError('That picture is too long ago; take another one.')

    def close(self) -> None:
        """Let go of the device."""
        if self._capture is not None:
            self._capture.close()
