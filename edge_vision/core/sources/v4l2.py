"""Cameras of the machine itself by V4L2: USB cameras above all."""

from __future__ import annotations

import threading
import time

import cv2
from edge_vision.core.sources.base import Captured, SourceLost
from edge_vision.core.sources.opencv import OpenCvSource
import numpy as np

MOST_DAMAGED = 10  # pictures in a row; many USB cameras begin with a broken one or two


def decode_v4l2(raw: np.ndarray, size_wh):
    """
    Give the picture that a V4L2 buffer holds, as (bgr, jpeg or None).

    raw: what OpenCV returns with the conversion to BGR off: a row of JPEG bytes, YUYV as
    uint8 (H, W, 2), or BGR where the back end converts all the same. Raises SourceLost for
    anything else.
    """
    if raw.ndim == 3 and raw.shape[2] == 3:
        return raw, None
    if raw.ndim == 3 and raw.shape[2] == 2:
        return cv2.cvtColor(raw, cv2.COLOR_YUV2BGR_YUYV), None
    if raw.size > 2 and tuple(raw.reshape(-1)[:2]) == (0xFF, 0xD8):
        # the buffer is longer than the JPEG in it: cut at the last end marker
        data = raw.tobytes()
        data = data[:data.rfind(b'\xff\xd9') + 2]
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
        if bgr is None:
            raise SourceLost('the camera delivered a damaged JPEG')
        return bgr, data
    width, height = size_wh
    if raw.size == width * height * 2:
        return cv2.cvtColor(raw.reshape(height, width, 2), cv2.COLOR_YUV2BGR_YUYV), None
    raise SourceLost(f'the camera delivered {raw.size} bytes for {width}x{height}, which is '
                     f'neither MJPG nor YUYV')


class V4l2Source(OpenCvSource):
    """A USB camera by index or device path; MJPG where it can, whose JPEG is kept."""

    def __init__(self, device, size_wh, fps: float):
        """Ask `device` (0 or /dev/video0) for a size and a rate; it may choose others."""
        super().__init__(f'camera {device}')
        self._device = device
        self._size_wh = size_wh
        self._fps = fps

    def open(self, stop: threading.Event) -> None:
        """Open the device, ask for the settings and read back what it chose."""
        capture = self._take((self._device, cv2.CAP_V4L2), (
            f'{self._name} cannot be opened: unplugged, used by another program, or not '
            f'permitted (group video)'))
        capture.set(cv2.CAP_PROP_FOURCC, int.from_bytes(b'MJPG', 'little'))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._size_wh[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size_wh[1])
        if self._fps:
            capture.set(cv2.CAP_PROP_FPS, self._fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._real_wh = (int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
                         int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
        code = int(capture.get(cv2.CAP_PROP_FOURCC))
        fourcc = (code & 0xFFFFFFFF).to_bytes(4, 'little').decode('ascii', 'replace')
        if fourcc in ('MJPG', 'YUYV'):  # all others OpenCV turns into BGR
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        self._damaged = 0
        self.description = (f'{self._name}, {self._real_wh[0]}x{self._real_wh[1]} '
                            f'{fourcc} at {capture.get(cv2.CAP_PROP_FPS):g} frames/s')

    def read(self) -> Captured:
        """Wait for the next picture of the camera."""
        while True:
            if not self._capture.grab():
                raise SourceLost(f'{self._name} stopped delivering pictures')
            stamp_ns = time.time_ns()
            try:
                ok, raw = self._capture.retrieve()
                if not ok:
                    raise SourceLost(f'{self._name} delivered an empty picture')
                bgr, jpeg = decode_v4l2(raw, self._real_wh)
            except SourceLost:
                self._damaged += 1
                self.skipped += 1
                if self._damaged > MOST_DAMAGED:
                    raise
                continue
            self._damaged = 0
            return Captured(bgr, stamp_ns, jpeg)
