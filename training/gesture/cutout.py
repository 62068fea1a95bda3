"""Cut hands out of pictures in which a box says where they are."""

from __future__ import annotations

import cv2
import numpy as np

MARGIN = 0.25  # of the box's sides, looked at around it
ROUNDS = 3
LONGEST = 72  # pixels of the part in which the hand is sought; more cost time and give little
LEAST_EXTENT = 0.7  # of the box's sides that the hand must span; else a finger was lost
AREA = (0.15, 0.9)  # share of the box that a hand fills
FEATHER = 0.006  # of the picture's long side
TOUCHED = 0.05  # least opacity at a point


def hand_alpha(bgr: np.ndarray, box: np.ndarray, points: np.ndarray) -> np.ndarray:
    """
    Find the hand's pixels within a box, x0 y0 x1 y1 in 0..1: opacity, float32 [H, W], 0..1.

    By colour (GrabCut, Rother et al. 2004); where that fails, or misses one of the points [P, 2],
    the ellipse that fills the box.
    """
    height, width = bgr.shape[:2]
    x0, y0, x1, y1 = np.round(box * (width, height, width, height)).astype(int)
    left, top = max(0, x0 - int(MARGIN * (x1 - x0))), max(0, y0 - int(MARGIN * (y1 - y0)))
    right = min(width, x1 + int(MARGIN * (x1 - x0)))
    bottom = min(height, y1 + int(MARGIN * (y1 - y0)))
    inner = x0 - left, y0 - top, min(x1, width - 1) - x0, min(y1, height - 1) - y0
    mask: np.ndarray = np.zeros((height, width), np.float32)
    found = hand_mask(bgr[top:bottom, left:right], inner)
    if found is not None:
        mask[top:bottom, left:right] = found
    mask = cv2.GaussianBlur(mask, (0, 0), FEATHER * max(width, height))
    spots = np.clip(points[np.isfinite(points).all(1)], 0, 0.999) * (width, height)
    if found is not None and all(mask[int(y), int(x)] > TOUCHED for x, y in spots):
        return mask
    mask[:] = 0
    centre, axes = ((x0 + x1) // 2, (y0 + y1) // 2), ((x1 - x0) // 2, (y1 - y0) // 2)
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 1.0, -1)
    return cv2.GaussianBlur(mask, (0, 0), FEATHER * max(width, height))


def hand_mask(bgr: np.ndarray, inner_xywh: tuple[int, int, int, int]) -> np.ndarray | None:
    """Mask the hand in a part of a picture, or None where what is found cannot be all of it."""
    shape = bgr.shape[:2]
    scale = min(1.0, LONGEST / max(shape))
    bgr = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    x, y, w, h = (max(1, round(v * scale)) for v in inner_xywh)
    inner_xywh = x, y, min(w, bgr.shape[1] - x - 1), min(h, bgr.shape[0] - y - 1)
    mask = np.zeros(bgr.shape[:2], np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # the same each time
    try:
        cv2.grabCut(bgr, mask, inner_xywh, *models, ROUNDS, cv2.GC_INIT_WITH_RECT)
    except cv2.error:  # a box of one pixel, or of one colour
        return None
    hand = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.uint8)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(hand)
    if count < 2:
        return None
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    _, _, w, h, area = stats[largest]
    share = area / max(1, inner_xywh[2] * inner_xywh[3])
    extent = min(w / max(1, inner_xywh[2]), h / max(1, inner_xywh[3]))
    if extent < LEAST_EXTENT or not AREA[0] <= share <= AREA[1]:
        return None
    whole = (parts == largest).astype(np.float32)
    return cv2.resize(whole, shape[::-1], interpolation=cv2.INTER_LINEAR)
