"""RTSP and other network streams, through OpenCV's FFmpeg."""

from __future__ import annotations

import os
import threading

import cv2
from edge_vision.core.sources.base import TIMEOUT_S, without_password
from edge_vision.core.sources.opencv import OpenCvSource


class FfmpegSource(OpenCvSource):
    """RTSP and other network streams, through OpenCV's FFmpeg."""

    def __init__(self, url: str):
        """Read `url`, over TCP: UDP loses whole pictures on a wireless network."""
        super().__init__(without_password(url))
        self._url = url

    def open(self, stop: threading.Event) -> None:
        """Connect, waiting TIMEOUT_S at most."""
        os.environ.setdefault('OPENCV_FFMPEG_CAPTURE_OPTIONS', 'rtsp_transport;tcp')
        wait_ms = int(TIMEOUT_S * 1000)
        get = self._take((self._url, cv2.CAP_FFMPEG, [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, wait_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, wait_ms]), (
            f'{self._name} cannot be opened: no answer, a wrong path, or a wrong password')).get
        self.description = (f'{self._name}, {get(cv2.CAP_PROP_FRAME_WIDTH):.0f}x'
                            f'{get(cv2.CAP_PROP_FRAME_HEIGHT):.0f}')
