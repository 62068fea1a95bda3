"""Cameras on the network that speak HTTP: MJPEG streams and still pictures."""

from __future__ import annotations

from http.client import HTTPException, responses
import threading
import time
from typing import Any, List
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import (
    build_opener,
    HTTPBasicAuthHandler,
    HTTPDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    Request,
)

import cv2
from edge_vision.core.sources.base import (
    Captured,
    Pace,
    Source,
    SourceLost,
    TIMEOUT_S,
    without_password,
)
from edge_vision.core.sources.mjpeg import JpegSplitter, MOST_BYTES
import numpy as np

CHUNK_BYTES = 256 * 1024  # more than one picture, so that a slow reader gets to the newest
MOST_DAMAGED = 10  # pictures in a row


def open_url(url: str):
    """Open an HTTP URL; user:password@ in it serve for basic and for digest authentication."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition('@')
    bare = urlunsplit(parts._replace(netloc=host))
    answers = []  # to the challenge of a camera that wants to know who asks
    if at:
        name, _, password = user.partition(':')
        passwords = HTTPPasswordMgrWithDefaultRealm()
        passwords.add_password(None, bare, unquote(name), unquote(password))
        answers = [HTTPDigestAuthHandler(passwords), HTTPBasicAuthHandler(passwords)]
    request = Request(bare, headers={'User-Agent': 'edge_vision'})
    return build_opener(*answers).open(request, timeout=TIMEOUT_S)


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
            phrase = responses.get(error.code, '')
            raise SourceLost(f'{self._name} answers {error.code} {phrase}{hint}') from error
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
