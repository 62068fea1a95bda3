"""The body of an MJPEG stream, cut into its pictures."""

from __future__ import annotations

import re

from edge_vision.core.sources.base import SourceLost

MOST_BYTES = 32 * 1024 * 1024  # no single JPEG of a camera is larger
MOST_HEAD_BYTES = 64 * 1024  # between two JPEGs of a stream stand a few lines
END_OF_PART = re.compile(rb'\xff\xd9(?:\r\n|\n|--)')


class JpegSplitter:
    """
    Cuts a multipart/x-mixed-replace body into its JPEGs.

    Where a part has a Content-Length it is trusted; otherwise the part is cut at the end
    marker (FF D9) that a line end or a boundary follows: one within the picture, of a thumbnail,
    is followed by neither.
    """

    def __init__(self):
        """Start with nothing received."""
        self._buffer = bytearray()
        self._searched = 0  # bytes of the buffer that hold no end marker

    def feed(self, data: bytes):
        """Take what arrived and return the JPEGs that are now complete, oldest first."""
        self._buffer += data
        found = []
        while True:
            jpeg = self._cut()
            if jpeg is None:
                break
            found.append(jpeg)
        if len(self._buffer) > MOST_BYTES:
            raise SourceLost(f'not an MJPEG camera: no end of a JPEG in {MOST_BYTES >> 20} MiB')
        return found

    def _cut(self):
        start = self._buffer.find(b'\xff\xd8')
        if start > MOST_HEAD_BYTES or (start < 0 and len(self._buffer) > MOST_HEAD_BYTES):
            raise SourceLost('not an MJPEG camera: there is no JPEG in what it sends')
        if start < 0:
            return None
        length = self._content_length(bytes(self._buffer[:start]))
        if length:
            end = start + length
            if len(self._buffer) < end:
                return None
        else:
            match = END_OF_PART.search(self._buffer, max(start, self._searched))
            if match is None:
                self._searched = max(start, len(self._buffer) - 3)
                return None
            end = match.start() + 2
        jpeg = bytes(self._buffer[start:end])
        del self._buffer[:end]
        self._searched = 0
        return jpeg

    @staticmethod
    def _content_length(head: bytes) -> int:
        for line in reversed(head.split(b'\n')):
            name, _, value = line.partition(b':')
            if name.strip().lower() == b'content-length' and value.strip().isdigit():
                return int(value)
        return 0
