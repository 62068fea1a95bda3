"""The embedded demo: a slow pan and zoom over a photograph of a person."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
import threading
import time

import cv2
import numpy as np

from edge_vision.core.sources.base import Captured, Pace, Source

# matplotlib ships this portrait of Rear Admiral Grace Hopper (public domain, U.S. Navy)
PORTRAIT = 'sample_data/grace_hopper.jpg'
SCENE_WH = (1280, 720)  # pixels
PERIOD_S = 24.0  # one round of the camera's path


def find_portrait():
    """Path of the photograph in an installed matplotlib, without importing it, or None."""
    spec = importlib.util.find_spec('matplotlib')
    folders = [Path(spec.origin).parent / 'mpl-data'] if spec and spec.origin else []
    folders.append(Path('/usr/share/matplotlib/mpl-data'))  # Debian keeps the data apart
    return next((str(f / PORTRAIT) for f in folders if (f / PORTRAIT).is_file()), None)


def draw_stand_in() -> np.ndarray:
    """Test picture (600, 512, 3) for machines without matplotlib: a gradient and rings."""
    y, x = np.mgrid[0:600, 0:512].astype(np.float32)
    rings = 127 + 127 * np.cos(np.hypot(x - 256, y - 300) / 12)
    return np.dstack([x / 2, y / 2.4, rings]).astype(np.uint8)


def build_scene(photo: np.ndarray) -> np.ndarray:
    """Put the photo in the middle of a wide, soft wall (720, 1280, 3) that a camera can pan over."""
    height, width = SCENE_WH[1], round(photo.shape[1] * SCENE_WH[1] / photo.shape[0])
    wall = cv2.GaussianBlur(cv2.resize(photo, (64, 36)), (0, 0), 12)
    scene = cv2.resize(wall, SCENE_WH, interpolation=cv2.INTER_CUBIC)
    left = (SCENE_WH[0] - width) // 2
    scene[:, left:left + width] = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
    return scene


def camera_path(scene_wh, size_wh, t_s: float) -> np.ndarray:
    """
    Affine matrix (2, 3) that maps the output picture at t_s to the scene.

    The view zooms between all of the scene's height and 80 % of it, and wanders on a Lissajous
    figure around the middle, where the person stays in sight.
    """
    phase = 2 * math.pi * t_s / PERIOD_S
    cover = min(scene_wh[0] / size_wh[0], scene_wh[1] / size_wh[1])
    scale = cover * (0.9 + 0.1 * math.cos(phase))
    room_x = scene_wh[0] - scale * size_wh[0]
    room_y = scene_wh[1] - scale * size_wh[1]
    left = room_x * (0.5 + 0.35 * math.sin(phase))
    # the face is in the upper half of the photograph: stay with it
    top = room_y * (0.3 + 0.3 * math.sin(2 * phase))
    return np.array([[scale, 0, left], [0, scale, top]], np.float32)


class DemoSource(Source):
    """The photograph seen by a camera that moves slowly; needs no device and no file of ours."""

    def __init__(self, size_wh, fps: float):
        """Fix the size of the picture and its rate in pictures per second."""
        self._size_wh = size_wh
        self._fps = fps

    def open(self, stop: threading.Event) -> None:
        """Load the photograph."""
        path = find_portrait()
        photo = cv2.imread(path) if path else None
        self._scene = build_scene(draw_stand_in() if photo is None else photo)
        self._pace = Pace(stop)
        self._count = 0
        what = 'portrait' if photo is not None else 'test picture (matplotlib is not installed)'
        self.description = (f'demo {what}, {self._size_wh[0]}x{self._size_wh[1]} '
                            f'at {self._fps:g} frames/s')

    def read(self) -> Captured:
        """Wait for the next moment and draw the view of the photograph."""
        t_s = self._count / self._fps
        late_s = self._pace.lateness_s(t_s)
        if late_s > 1 / self._fps:  # behind by more than a picture: skip what is past
            missed = int(late_s * self._fps)
            self.skipped += missed
            self._count += missed
            t_s = self._count / self._fps
        self._pace.wait_until(t_s)
        self._count += 1
        stamp_ns = time.time_ns()
        matrix = camera_path(SCENE_WH, self._size_wh, t_s)
        bgr = cv2.warpAffine(self._scene, matrix, self._size_wh,
                             flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                             borderMode=cv2.BORDER_REPLICATE)
        return Captured(bgr, stamp_ns)
