"""From the word that a user gives as `source` to the source, or to one clear sentence."""

from __future__ import annotations

from dataclasses import dataclass
from glob import glob
import os
from pathlib import Path
import re
import threading
from urllib.parse import unquote, urlsplit

from edge_vision.core.errors import UserError
from edge_vision.core.sources.base import EndOfSource, Source, SourceLost, without_password
from edge_vision.core.sources.csi import csi_pipeline, GstreamerSource, has_gstreamer
from edge_vision.core.sources.demo import DemoSource
from edge_vision.core.sources.files import ImagesSource, VideoSource
from edge_vision.core.sources.http import HttpSource
from edge_vision.core.sources.rtsp import FfmpegSource
from edge_vision.core.sources.v4l2 import V4l2Source

WHAT_WOULD_DO = ('demo: (embedded picture), 0 or /dev/video0 (camera), csi:0 (Jetson CSI), '
                 'rtsp://... or http://... (network camera), a video file, a folder or a glob '
                 'of images')
IMAGE_ENDINGS = {'.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff', '.ppm', '.pgm'}


@dataclass(frozen=True)
class Settings:
    """What is asked of a source: size in pixels, rate (0: the source's own), start again."""

    width: int = 640
    height: int = 480
    fps: float = 0.0
    loop: bool = True


def _no_such(text: str, why: str) -> UserError:
    return UserError(f"source '{text}' {why}; what would do: {WHAT_WOULD_DO}")


def _images_of(paths):
    return sorted(p for p in paths
                  if Path(p).suffix.lower() in IMAGE_ENDINGS and os.path.isfile(p))


def _device(text: str, settings: Settings) -> Source:
    path = f'/dev/video{int(text)}' if text.isdigit() else text
    if not os.path.exists(path):
        there = ', '.join(sorted(glob('/dev/video*'))) or 'no /dev/video* at all'
        raise _no_such(text, f'is no camera of this machine (it has {there})')
    device = int(text) if text.isdigit() else text
    return V4l2Source(device, (settings.width, settings.height), settings.fps)


def _csi(text: str, settings: Settings) -> Source:
    number = text[len('csi:'):] or '0'
    if not number.isdigit():
        raise _no_such(text, 'names no CSI sensor')
    if not has_gstreamer():
        raise UserError(f"source '{text}' needs an OpenCV with GStreamer, and this one has none: "
                        f'use the python3-opencv of JetPack instead of the wheel from pip')
    pipeline = csi_pipeline(int(number), (settings.width, settings.height), settings.fps)
    return GstreamerSource(pipeline, text)


def parse_source(text: str, settings: Settings = Settings()) -> Source:
    """
    Give the source that `text` names, not opened yet.

    Raises UserError with the list of what would do for a word that can never work: an unknown
    scheme, a missing file or device, a folder without images.
    """
    text = text.strip()
    match = re.match(r'([a-zA-Z][a-zA-Z0-9+.-]+):', text)
    scheme = match.group(1).lower() if match and not os.path.exists(text) else ''
    if text == 'demo' or scheme == 'demo':
        return DemoSource((settings.width, settings.height), settings.fps or 30.0)
    if text.isdecimal() or text.startswith('/dev/'):
        return _device(text, settings)
    if text == 'csi' or scheme == 'csi':
        return _csi(text, settings)
    if scheme in ('http', 'https', 'rtsp', 'rtsps', 'rtmp', 'udp', 'tcp', 'srt'):
        _check_host(text)
        return HttpSource(text, settings.fps) if 'http' in scheme else FfmpegSource(text)
    if scheme and scheme != 'file':
        raise _no_such(text, f"has the unknown scheme '{scheme}:'")
    path = unquote(urlsplit(text).path) if scheme else os.path.expanduser(text)
    if os.path.isdir(path):
        if not os.access(path, os.R_OK | os.X_OK):
            raise _no_such(text, 'is a folder that this user may not read')
        images = _images_of(os.path.join(path, name) for name in os.listdir(path))
        if not images:
            raise _no_such(text, 'is a folder without images')
        return ImagesSource(images, settings.fps, settings.loop)
    if any(c in path for c in '*?[') and not os.path.exists(path):
        images = _images_of(glob(path, recursive=True))
        if not images:
            raise _no_such(text, 'is a glob that no image fits')
        return ImagesSource(images, settings.fps, settings.loop)
    if not os.path.isfile(path):
        raise _no_such(text, 'is neither a file nor a folder' if text else 'is empty')
    if not os.access(path, os.R_OK):
        raise _no_such(text, 'may not be read by this user')
    if Path(path).suffix.lower() in IMAGE_ENDINGS:
        return ImagesSource([path], settings.fps, settings.loop)
    return _video(text, os.path.abspath(path), settings)  # FFmpeg takes a:b for a protocol


def _check_host(text: str) -> None:
    try:
        parts = urlsplit(text)
        fits = bool(parts.hostname) and parts.port != 0  # asking for a wrong port raises
    except ValueError:
        fits = False
    if not fits or re.search(r'\s', text):
        raise _no_such(without_password(text), 'is no address, as rtsp://host:554/path is one')


def _is_text(path: str) -> bool:
    with open(path, 'rb') as file:
        head = file.read(1024)
    try:
        return b'\0' not in head and bool(head.decode('utf-8'))
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4 and len(head) == 1024  # cut within a letter


def _video(text: str, path: str, settings: Settings) -> Source:
    if _is_text(path):  # FFmpeg would show its letters as a video
        raise _no_such(text, 'is a text file')
    video = VideoSource(path, settings.fps, settings.loop)
    try:
        video.open(threading.Event())  # a file that is no video now will never be one
        video.read()
    except (SourceLost, EndOfSource) as error:
        raise _no_such(text, f'cannot be played: {error}') from error
    finally:
        video.close()
    return video
