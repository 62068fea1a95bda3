"""The embedded demo: a slow pan and zoom over a photograph of a person."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
import threading
import time
from typing import Tuple

import cv2
from edge_vision.core.sources.base import Captured, Pace, Source
import numpy as np

# matplotlib ships this portrait of Rear Admiral Grace Hopper (public domain, U.S. Navy)
PORTRAIT = 'sample_data/grace_hopper.jpg'
SCENE_WH = (1280, 720)  # pixels
ZOOM_STEP_PX = 4
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
    """Put the photo on a wide, soft wall (720, 1280, 3) that a camera can pan over."""
    height, width = SCENE_WH[1], round(photo.shape[1] * SCENE_WH[1] / photo.shape[0])
    wall = cv2.GaussianBlur(cv2.resize(photo, (64, 36)), (0, 0), 12)
    scene = cv2.resize(wall, SCENE_WH, interpolation=cv2.INTER_CUBIC)
    left = (SCENE_WH[0] - width) // 2
    scene[:, left:left + width] = cv2.resize(photo, (width, height), interpolation=cv2.INTER_CUBIC)
    return scene


def view_at(t_s: float, size_wh) -> Tuple[Tuple[int, int], Tuple[int, int]]:
    """
    Give what the camera sees at t_s: the scene's size (w, h) for its zoom, left and top in it.

    The view zooms between all of the scene's height and 80 % of it, and wanders on a Lissajous
    figure around the middle, by a part of its own width: the person stays in sight.
    """
    phase = 2 * math.pi * t_s / PERIOD_S
    cover = max(size_wh[0] / SCENE_WH[0], size_wh[1] / SCENE_WH[1])
    zoom = cover * (1.125 - 0.125 * math.cos(phase))
    # in steps: between two of them a picture is a mere cut-out, which costs next to nothing
    width = max(size_wh[0], ZOOM_STEP_PX * math.ceil(SCENE_WH[0] * zoom / ZOOM_STEP_PX))
    height = max(size_wh[1], math.ceil(SCENE_WH[1] * width / SCENE_WH[0]))
    swing_x = min(0.35 * (width - size_wh[0]), 0.25 * size_wh[0])
    left = (width - size_wh[0]) / 2 + swing_x * math.sin(phase)
    # the face is in the upper half of the photograph: stay with it
    top = (height - size_wh[1]) * (0.3 + 0.3 * math.sin(2 * phase))
    return (width, height), (round(left), round(top))


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
        self._zoomed = self._scene
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
        zoomed_wh, (left, top) = view_at(t_s, self._size_wh)
        if self._zoomed.shape[1::-1] != zoomed_wh:
            self._zoomed = cv2.resize(self._scene, zoomed_wh)
        width, height = self._size_wh
        return Captured(self._zoomed[top:top + height, left:left + width].copy(), stamp_ns)
