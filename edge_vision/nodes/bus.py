"""
Hands values from node to node inside one process, without a message in between.

rclpy serialises even between two nodes of one process; a frame of 640x480 costs 3 ms that way.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Callable


class Bus:
    """Topics of one process by resolved name; who listens is called in the sender's thread."""

    def __init__(self):
        """Start without topics."""
        self._listeners = defaultdict(list)
        self._offered = set()

    def offer(self, topic: str) -> None:
        """Promise that a node of this process will send on the topic."""
        self._offered.add(topic)

    def offers(self, topic: str) -> bool:
        """Tell whether a node of this process sends on the topic."""
        return topic in self._offered

    def listen(self, topic: str, callback: Callable) -> None:
        """Call `callback(value)` for each value; it must be quick and must not raise."""
        self._listeners[topic].append(callback)

    def send(self, topic: str, value) -> None:
        """Hand the value to all who listen."""
        for callback in self._listeners[topic]:
            callback(value)
