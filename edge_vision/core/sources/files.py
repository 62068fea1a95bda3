"""Video files with their own timing, and folders of images."""

from __future__ import annotations

from pathlib import Path
import threading
import time
from typing import Sequence, Set

import cv2
from edge_vision.core.sources.base import Captured, EndOfSource, Pace, Source, SourceLost
from edge_vision.core.sources.opencv import OpenCvSource


class VideoSource(OpenCvSource):
    """A video file, played at the times that it carries, or at a given rate."""

    def __init__(self, path: str, fps: float, loop: bool):
        """Play `path`; fps 0 keeps the file's own timing."""
        super().__init__(path)
        self._path = path
        self._fps = fps
        self._loop = loop

    def open(self, stop: threading.Event) -> None:
        """Open the file; SourceLost where it is no video."""
        self._pace = Pace(stop)
        self._due_s = self._started_s = 0.0
        self._rewind()
        get = self._capture.get
        self._file_fps = get(cv2.CAP_PROP_FPS) or 30.0
        self.description = (f'video {self._path}, {get(cv2.CAP_PROP_FRAME_WIDTH):.0f}x'
                            f'{get(cv2.CAP_PROP_FRAME_HEIGHT):.0f} at '
                            f'{self._fps or self._file_fps:g} frames/s'
                            + (', over and over' if self._loop else ''))

    def _rewind(self):
        # opened anew: seeking to the start is not exact in many containers
        self.close()
        self._take((self._path, cv2.CAP_FFMPEG), (
            f'{self._path} is damaged or in no video format that FFmpeg knows '
            f'(MP4, MKV, AVI, WebM)'))
        self._count = 0  # pictures since the start of the file

    def _position_s(self) -> float:
        if self._fps:
            return self._count / self._fps
        position_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        return position_s if position_s > 0 else self._count / self._file_fps

    def read(self) -> Captured:
        """Wait for the next picture's moment; late pictures are passed over, not converted."""
        for _ in range(2):
            while self._capture.grab():
                self._due_s = self._started_s + self._position_s()
                self._count += 1
                late = self._count > 1 and self._pace.lateness_s(self._due_s) > 0.1
                if late and self._count % 10:  # now and then one all the same, however slow we are
                    self.skipped += 1
                    continue
                ok, bgr = self._capture.retrieve()
                if not ok:
                    continue
                self._pace.wait_until(self._due_s)
                return Captured(bgr, time.time_ns())
            if self._count == 0:
                raise SourceLost(f'{self._path} has no picture that can be decoded')
            if not self._loop:
                raise EndOfSource(f'{self._path} is at its end')
            # the last picture stays as long as the others did
            self._started_s = self._due_s + 1 / (self._fps or self._file_fps)
            self._rewind()
        raise SourceLost(f'{self._path} has no picture that can be decoded')


class ImagesSource(Source):
    """The images of a folder or of a glob, in the order of their names."""

    def __init__(self, paths: Sequence[str], fps: float, loop: bool):
        """Show `paths` at fps pictures per second; 0 means one a second."""
        self._paths = list(paths)
        self._fps = fps or 1.0
        self._loop = loop

    def open(self, stop: threading.Event) -> None:
        """Start with the first image."""
        self._pace = Pace(stop)
        self._count = 0
        self._unreadable: Set[str] = set()
        self.description = f'{len(self._paths)} images at {self._fps:g} pictures/s'

    def read(self) -> Captured:
        """Wait for the next moment and load the next image that can be read."""
        while len(self._unreadable) < len(self._paths):
            if self._count >= len(self._paths) and not self._loop:
                raise EndOfSource(f'all {len(self._paths)} images were shown')
            path = self._paths[self._count % len(self._paths)]
            due_s = self._count / self._fps
            self._count += 1
            bgr = cv2.imread(path)
            if bgr is None:
                self._unreadable.add(path)
                self.skipped += 1
                continue
            self._pace.wait_until(due_s)
            return Captured(bgr, time.time_ns())
        raise SourceLost(f'none of the {len(self._paths)} files can be read as an image, '
                         f'{Path(self._paths[0]).name} for one; JPEG and PNG would do')
