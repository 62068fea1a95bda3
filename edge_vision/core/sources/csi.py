"""Jetson CSI cameras, through GStreamer."""

from __future__ import annotations

import threading

import cv2
from edge_vision.core.sources.opencv import OpenCvSource


def csi_pipeline(sensor_id: int, size_wh, fps: float) -> str:
    """
    Give the GStreamer pipeline from a Jetson CSI sensor to BGR, newest picture only.

    nvarguscamerasrc and nvvidconv are NVIDIA's elements (Jetson Linux, Accelerated GStreamer).
    """
    width, height = size_wh
    return (f'nvarguscamerasrc sensor-id={sensor_id} ! '
            f'video/x-raw(memory:NVMM), width={width}, height={height}, '
            f'framerate={max(1, round(fps or 30))}/1, format=NV12 ! '
            f'nvvidconv ! video/x-raw, format=BGRx ! videoconvert ! '
            f'video/x-raw, format=BGR ! appsink drop=true max-buffers=1 sync=false')


def has_gstreamer() -> bool:
    """Tell whether this OpenCV was built with GStreamer (the wheels from pip are not)."""
    lines = cv2.getBuildInformation().splitlines()
    return any('GStreamer' in line and 'YES' in line for line in lines)


class GstreamerSource(OpenCvSource):
    """A camera behind a GStreamer pipeline that ends in an appsink with BGR."""

    def __init__(self, pipeline: str, name: str):
        """Run `pipeline`; `name` is what the user called it."""
        super().__init__(name)
        self._pipeline = pipeline

    def open(self, stop: threading.Event) -> None:
        """Start the pipeline."""
        self._take((self._pipeline, cv2.CAP_GSTREAMER), (
            f'{self._name}: the GStreamer pipeline does not start; is the sensor connected and '
            f'nvargus-daemon running?'))
        self.description = f'{self._name} through GStreamer'
