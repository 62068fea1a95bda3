"""
The installed commands: each imports its node only once Ctrl-C can no longer tear the import.

Importing rclpy, OpenCV and ONNX Runtime takes a second, in which Python would answer a signal
with a traceback.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
import os
import signal


def _run(node: str) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        # nothing is open yet that would want to be closed
        signal.signal(number, lambda *_: os._exit(0))
    return import_module(f'edge_vision.nodes.{node}').main()


camera_node = partial(_run, 'camera_node')
detector_node = partial(_run, 'detector_node')
gesture_node = partial(_run, 'gesture_node')
overlay_node = partial(_run, 'overlay_node')
speech_node = partial(_run, 'speech_node')
nano = partial(_run, 'nano')
