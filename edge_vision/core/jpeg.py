"""JPEG encoding, with the size and quality that a viewer asks for."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np


class Variant(NamedTuple):
    """What a viewer wants: 0 for the picture's own width or height, quality 1 to 100."""

    width: int = 0
    height: int = 0
    quality: int = 80


def encode(bgr: np.ndarray, variant: Variant = Variant()) -> bytes:
    """Give the JPEG of bgr (H, W, 3); with only one of width and height the aspect is kept."""
    height, width = bgr.shape[:2]
    want_w, want_h = variant.width, variant.height
    if want_w or want_h:
        want_w = want_w or max(1, round(width * want_h / height))
        want_h = want_h or max(1, round(height * want_w / width))
        if (want_w, want_h) != (width, height):
            shrinks = want_w < width
            bgr = cv2.resize(bgr, (want_w, want_h),
                             interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    ok, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, variant.quality])
    if not ok:
        raise ValueError(f'no JPEG can be made of an image of shape {bgr.shape}')
    return data.tobytes()
