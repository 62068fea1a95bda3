"""What a picture is, before anything decodes it: its kind and its size, by its first bytes."""

from __future__ import annotations

import struct

import cv2
from edge_vision.core.errors import UserError
import numpy as np

MOST_BYTES = 32 * 2**20
MOST_PIXELS = 64 * 10**6  # decoded, 190 MB
SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')  # as training.gesture.dataset reads them
SIZE_MARKERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the start of frame, in all its kinds


def size_of(data: bytes) -> tuple[str, int, int]:
    """Give the ending ('.jpg' or '.png'), width and height of a picture; ValueError for others."""
    if data[:8] == b'\x89PNG\r\n\x1a\n' and len(data) >= 24:
        width, height = struct.unpack('>II', data[16:24])
        return '.png', width, height
    if data[:2] != b'\xff\xd8':
        raise ValueError('is neither a JPEG nor a PNG')
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a filling byte
            at += 1
            continue
        if marker in SIZE_MARKERS:
            height, width = struct.unpack('>HH', data[at + 5 : at + 9])
            return '.jpg', width, height
        at += 2 + int.from_bytes(data[at + 2 : at + 4], 'big')
    raise ValueError('is a damaged JPEG')


def checked_picture(data: bytes) -> str:
    """Give the ending for a picture that can really be decoded; ValueError says what it is not."""
    if len(data) > MOST_BYTES:
        raise ValueError(f'has more than {MOST_BYTES >> 20} MB')
    ending, width, height = size_of(data)
    if not 0 < width * height <= MOST_PIXELS:
        raise ValueError(f'has {width}x{height} pixels')
    try:
        bgr = decoded(data)
    except UserError as error:
        raise ValueError('is damaged') from error
    if bgr.size == 0:
        raise ValueError('is empty')
    return ending


def decoded(data: bytes, flags: int = cv2.IMREAD_COLOR) -> np.ndarray:
    """Give uint8 (H, W, 3), BGR; UserError where it cannot be decoded."""
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error:
        bgr = None
    if bgr is None:
        raise UserError('This is no picture that can be read.')
    return bgr


def thumbnail(data: bytes, width: int) -> bytes:
    """Give a small JPEG of a picture, at most `width` pixels wide."""
    bgr = decoded(data, cv2.IMREAD_REDUCED_COLOR_2 if len(data) > 2**17 else cv2.IMREAD_COLOR)
    if bgr.shape[1] > width:
        height = max(1, round(bgr.shape[0] * width / bgr.shape[1]))
        bgr = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
