"""Fitting a picture into the size that a network wants, and its boxes back again."""

from __future__ import annotations

from typing import Tuple

import cv2
import numpy as np

PADDING = 114  # the grey with which YOLOX and the YOLO family are trained


def letterbox(bgr: np.ndarray, size_wh: Tuple[int, int]) -> Tuple[np.ndarray, float]:
    """
    Shrink or enlarge bgr (H, W, 3) into size_wh with its aspect kept, at the top left.

    Returns the padded picture uint8 (h, w, 3) and the scale: input pixels for one image pixel.
    """
    height, width = bgr.shape[:2]
    scale = min(size_wh[0] / width, size_wh[1] / height)
    inner_w = min(size_wh[0], max(1, round(width * scale)))
    inner_h = min(size_wh[1], max(1, round(height * scale)))
    padded = np.full((size_wh[1], size_wh[0], 3), PADDING, np.uint8)
    cv2.resize(bgr, (inner_w, inner_h), dst=padded[:inner_h, :inner_w],
               interpolation=cv2.INTER_LINEAR)
    return padded, scale


def stretch(bgr: np.ndarray, size_wh: Tuple[int, int]) -> np.ndarray:
    """
    Give bgr (H, W, 3) in size_wh, its aspect not kept: what gesture models see and learn from.

    Shrinking averages, as else thin fingers fall between the pixels; enlarging interpolates. A
    picture of that size already is given as it is, without a copy.
    """
    height, width = bgr.shape[:2]
    if (width, height) == tuple(size_wh):
        return bgr
    shrinks = size_wh[0] <= width and size_wh[1] <= height
    return cv2.resize(bgr, tuple(size_wh),
                      interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def boxes_to_image(xyxy: np.ndarray, scale_xy, image_wh: Tuple[int, int]) -> np.ndarray:
    """
    Take boxes (N, 4) from input pixels to image pixels and clip them to the image.

    scale_xy: input pixels for one image pixel in x and y (both the same after `letterbox`).
    """
    scale = np.array([scale_xy[0], scale_xy[1]] * 2, np.float32)
    limit = np.array(list(image_wh) * 2, np.float32)
    return np.clip(xyxy / scale, 0, limit).astype(np.float32, copy=False)
