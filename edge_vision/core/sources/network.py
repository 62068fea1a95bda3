"""Cameras on the network: MJPEG and still pictures over HTTP, anything that FFmpeg reads."""

from __future__ import annotations

import base64
from http.client import HTTPException
import os
import re
import threading
import time
from typing import Any, List
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

import cv2
from edge_vision.core.sources.base import Captured, Pace, Source, SourceLost
import numpy as np

TIMEOUT_S = 5.0  # a camera that is silent for longer is taken for lost
MOST_BYTES = 32 * 1024 * 1024  # no single JPEG of a camera is larger
MOST_HEAD_BYTES = 64 * 1024  # between two JPEGs of a stream stand a few lines
CHUNK_BYTES = 256 * 1024  # more than one picture, so that a slow reader gets to the newest
MOST_DAMAGED = 10  # pictures in a row


def without_password(url: str) -> str:
    """Hide the user and password of a URL, for logs and messages."""
    return re.sub(r'(?<=//)[^/?#]*@', '', url)


def open_url(url: str):
    """Open an HTTP URL, with basic authentication if it carries user:password@."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition('@')
    headers = {'User-Agent': 'edge_vision'}
    if at:
        headers['Authorization'] = 'Basic ' + base64.b64encode(unquote(user).encode()).decode()
    return urlopen(Request(urlunsplit(parts._replace(netloc=host)), headers=headers),
                   timeout=TIMEOUT_S)


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


class HttpSource(Source):
    """An HTTP camera: an MJPEG stream, or a URL that gives one JPEG and is asked again."""

    def __init__(self, url: str, fps: float):
        """Read `url`; fps is the rate for still pictures (0: five a second)."""
        self._url = url
        self._name = without_password(url)
        self._fps = fps or 5.0
        self._response: Any = None  # http.client.HTTPResponse while open

    def open(self, stop: threading.Event) -> None:
        """Connect and see what the camera delivers."""
        self._stop = stop
        self._pace = Pace(stop)
        self._count = self._damaged = 0
        self._splitter = JpegSplitter()
        self._stream = self._connect() == 'multipart/x-mixed-replace'
        self.description = f'{"MJPEG stream" if self._stream else "pictures"} of {self._name}'

    def _connect(self) -> str:
        self.close()
        try:
            self._response = open_url(self._url)
        except HTTPError as error:
            error.close()
            hint = ' (the URL may carry user:password@)' if error.code == 401 else ''
            raise SourceLost(
                f'{self._name} answers {error.code} {error.reason}{hint}') from error
        except (OSError, ValueError, HTTPException) as error:
            reason = getattr(error, 'reason', None) or error
            raise SourceLost(f'{self._name} does not answer: {reason}') from error
        kind = self._response.headers.get_content_type()
        if kind == 'multipart/x-mixed-replace' or kind.startswith('image/'):
            return kind
        raise SourceLost(f'{self._name} delivers {kind}, not an MJPEG stream or a JPEG')

    def read(self) -> Captured:
        """Wait for the newest JPEG and decode it; a damaged one now and then is passed over."""
        while True:
            jpeg, stamp_ns = self._next_of_stream() if self._stream else self._next_still()
            bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if jpeg else None
            if bgr is not None:
                self._damaged = 0
                # a still picture may be a PNG, which must not be passed on as a JPEG
                return Captured(bgr, stamp_ns, jpeg if jpeg[:2] == b'\xff\xd8' else None)
            self._damaged += 1
            self.skipped += 1
            if self._damaged > MOST_DAMAGED or self._stop.is_set():
                raise SourceLost(f'{self._name} delivers damaged JPEGs')

    def _next_of_stream(self):
        found: List[bytes] = []
        give_up_s = time.monotonic() + TIMEOUT_S
        while not found:
            if time.monotonic() > give_up_s or self._stop.is_set():
                raise SourceLost(f'{self._name} sent no whole picture in {TIMEOUT_S:g} s')
            try:
                data = self._response.read1(CHUNK_BYTES)
            except (OSError, HTTPException) as error:
                raise SourceLost(f'{self._name} fell silent: {error}') from error
            if not data:
                raise SourceLost(f'{self._name} closed the stream')
            try:
                found = self._splitter.feed(data)
            except SourceLost as error:
                raise SourceLost(f'{self._name} is {error}') from error
        self.skipped += len(found) - 1
        return found[-1], time.time_ns()

    def _next_still(self):
        self._pace.wait_until(self._count / self._fps)
        if self._count:
            self._connect()
        self._count += 1
        try:
            return self._response.read(MOST_BYTES), time.time_ns()
        except (OSError, HTTPException) as error:
            raise SourceLost(f'{self._name} fell silent: {error}') from error

    def close(self) -> None:
        """Disconnect."""
        if self._response is not None:
            self._response.close()
            self._response = None


class FfmpegSource(Source):
    """RTSP and other network streams, through OpenCV's FFmpeg."""

    def __init__(self, url: str):
        """Read `url`, over TCP: UDP loses whole pictures on a wireless network."""
        self._url = url
        self._name = without_password(url)
        self._capture: Any = None  # cv2.VideoCapture while open

    def open(self, stop: threading.Event) -> None:
        """Connect, waiting TIMEOUT_S at most."""
        os.environ.setdefault('OPENCV_FFMPEG_CAPTURE_OPTIONS', 'rtsp_transport;tcp')
        wait_ms = int(TIMEOUT_S * 1000)
        self._capture = cv2.VideoCapture(self._url, cv2.CAP_FFMPEG, [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, wait_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, wait_ms])
        if not self._capture.isOpened():
            raise SourceLost(f'{self._name} cannot be opened: no answer, a wrong path, or a '
                             f'wrong password')
        get = self._capture.get
        self.description = (f'{self._name}, {get(cv2.CAP_PROP_FRAME_WIDTH):.0f}x'
                            f'{get(cv2.CAP_PROP_FRAME_HEIGHT):.0f}')

    def read(self) -> Captured:
        """Wait for the next picture; decoding goes on at the camera's rate, so none is old."""
        if not self._capture.grab():
            raise SourceLost(f'{self._name} stopped delivering pictures')
        stamp_ns = time.time_ns()
        ok, bgr = self._capture.retrieve()
        if not ok:
            raise SourceLost(f'{self._name} delivered a damaged picture')
        return Captured(bgr, stamp_ns)

    def close(self) -> None:
        """Disconnect."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None
