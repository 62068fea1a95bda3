"""
Pictures on their way to the viewers: each is encoded once, however many look at it.

The pictures come from a thread of the node; the viewers wait in the event loop of the server.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
import threading
from typing import Dict, Optional, Tuple

from edge_vision.core.jpeg import encode, Variant
import numpy as np


class Feed:
    """The newest JPEG of one topic in one size and quality; used in the event loop."""

    def __init__(self):
        """Start without a picture."""
        self.viewers = 0
        self._newest: Tuple[bytes, int] = (b'', 0)
        self._arrived = asyncio.Event()

    def put(self, jpeg: bytes, stamp_ns: int) -> None:
        """Take a picture and wake up all who wait."""
        self._newest = (jpeg, stamp_ns)
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()

    async def next(self, timeout_s: float) -> Optional[Tuple[bytes, int]]:
        """Wait for a picture newer than now, as (JPEG, stamp in ns); None when time is over."""
        try:
            await asyncio.wait_for(self._arrived.wait(), timeout_s)
        except asyncio.TimeoutError:
            return None
        return self._newest


class Feeds:
    """All feeds that somebody looks at."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        """Serve viewers in `loop`."""
        self._loop = loop
        self._lock = threading.Lock()
        self._feeds: Dict[Tuple[str, Variant], Feed] = {}

    @contextmanager
    def watch(self, topic: str, variant: Variant):
        """Look at a topic as long as the context lasts; gives its Feed."""
        key = (topic, variant)
        with self._lock:
            feed = self._feeds.setdefault(key, Feed())
            feed.viewers += 1
        try:
            yield feed
        finally:
            with self._lock:
                feed.viewers -= 1
                if not feed.viewers:
                    del self._feeds[key]

    def wanted(self, topic: str) -> bool:
        """Tell whether anybody looks at the topic; any thread."""
        with self._lock:
            return any(name == topic for name, _ in self._feeds)

    def viewers(self) -> int:
        """Count the viewers; any thread."""
        with self._lock:
            return sum(feed.viewers for feed in self._feeds.values())

    def show(self, topic: str, bgr: np.ndarray, stamp_ns: int, default_quality: int,
             jpeg: Optional[bytes] = None) -> None:
        """
        Encode a picture once for each variant that is watched and hand it over; any thread.

        Quality 0 of a variant stands for default_quality. jpeg: the picture as the camera
        encoded it, used where the viewer asks for nothing else.
        """
        with self._lock:
            watched = [(variant, feed) for (name, variant), feed in self._feeds.items()
                       if name == topic]
        for variant, feed in watched:
            if jpeg is not None and variant == Variant(0, 0, 0):
                data = jpeg
            else:
                data = encode(bgr, variant._replace(quality=variant.quality or default_quality))
            self._loop.call_soon_threadsafe(feed.put, data, stamp_ns)
