"""Stamps between nanoseconds and messages."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

NS = 1_000_000_000


def header(stamp_ns: int, frame_id: str) -> Header:
    """Give the header for a moment in nanoseconds since 1970."""
    return Header(stamp=Time(sec=stamp_ns // NS, nanosec=stamp_ns % NS), frame_id=frame_id)


def stamp_ns_of(message_header: Header) -> int:
    """Nanoseconds since 1970 of a header."""
    return message_header.stamp.sec * NS + message_header.stamp.nanosec
