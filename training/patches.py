"""
Paste small pieces of other pictures: people for the small and crowded, and things that are not.

A detector trained on people alone takes any compact thing for one. So a part of the pieces is cut
from pictures without an object, and a part is an object whose blocks are shuffled: the same
colours and texture, but not the shape (negative augmentation, Sinha et al. 2021).
"""

from __future__ import annotations

import cv2
import numpy as np

Sample = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # bgr, xyxy, class_index, weight

MARGIN = 0.15  # of an object's box, cut out around it
LEAST_WHOLE = 0.6  # share of a box within the cut for it to stay a label
HIDDEN, GONE = 0.4, 0.85  # share of a box under a piece from which it is in doubt, or dropped
SHUFFLED_SHARE = 0.5  # of the pieces with an object
SURE = 0.6  # weight from which a box is cut out as an object


def cut(rng: np.random.Generator, sample: Sample) -> Sample:
    """Cut one object with a margin, or any part of a picture that has none."""
    bgr, xyxy, class_index, weight = sample
    height, width = bgr.shape[:2]
    sure = np.flatnonzero(weight >= SURE)
    if len(sure):
        x0, y0, x1, y1 = xyxy[rng.choice(sure)]
        pad_x, pad_y = MARGIN * (x1 - x0), MARGIN * (y1 - y0)
        x0, y0, x1, y1 = x0 - pad_x, y0 - pad_y, x1 + pad_x, y1 + pad_y
    else:
        w, h = rng.uniform(0.2, 0.7, 2) * (width, height)
        x0, y0 = rng.uniform(0, width - w), rng.uniform(0, height - h)
        x1, y1 = x0 + w, y0 + h
    left, top = max(0, int(x0)), max(0, int(y0))
    right, bottom = min(width, max(int(x1), left + 4)), min(height, max(int(y1), top + 4))
    inner = np.clip(xyxy, (left, top, left, top), (right, bottom, right, bottom))
    seen = area(inner) / np.maximum(area(xyxy), 1e-6)
    weight = np.where(seen >= LEAST_WHOLE, weight, 0.0).astype(np.float32)
    keep = seen > 0.05
    inner = inner - np.array((left, top, left, top), np.float32)
    return bgr[top:bottom, left:right], inner[keep], class_index[keep], weight[keep]


def shuffle(rng: np.random.Generator, bgr: np.ndarray) -> np.ndarray:
    """Put the blocks of a piece in another order."""
    rows, columns = (int(v) for v in rng.integers(2, 5, 2))
    height, width = max(1, bgr.shape[0] // rows), max(1, bgr.shape[1] // columns)
    blocks = [(r * height, c * width) for r in range(rows) for c in range(columns)]
    result = np.zeros((rows * height, columns * width, 3), np.uint8)
    whole = cv2.resize(bgr, (columns * width, rows * height))
    for (y, x), number in zip(blocks, rng.permutation(len(blocks))):
        v, u = blocks[number]
        block = whole[v : v + height, u : u + width]
        result[y : y + height, x : x + width] = block[:, :: int(rng.choice((-1, 1)))]
    return result


def paste(rng: np.random.Generator, onto: Sample, piece: Sample, longest: int) -> Sample:
    """Put a piece at a random place, its long side `longest` pixels; boxes under it give way."""
    bgr, xyxy, class_index, weight = onto
    part, part_xyxy, part_class, part_weight = piece
    scale = longest / max(part.shape[:2])
    w, h = (max(4, min(bgr.shape[0], round(n * scale))) for n in part.shape[1::-1])
    stretched = np.array((w / part.shape[1], h / part.shape[0]) * 2, np.float32)
    x, y = int(rng.integers(0, bgr.shape[1] - w + 1)), int(rng.integers(0, bgr.shape[0] - h + 1))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    bgr[y : y + h, x : x + w] = cv2.resize(part, (w, h), interpolation=interpolation)
    under = np.clip(xyxy, (x, y, x, y), (x + w, y + h, x + w, y + h))
    hidden = area(under) / np.maximum(area(xyxy), 1e-6)
    weight = np.where(hidden > HIDDEN, 0.0, weight).astype(np.float32)
    keep = hidden <= GONE
    return (
        bgr,
        np.concatenate([xyxy[keep], part_xyxy * stretched + np.array((x, y, x, y), np.float32)]),
        np.concatenate([class_index[keep], part_class]),
        np.concatenate([weight[keep], part_weight]),
    )


def area(xyxy: np.ndarray) -> np.ndarray:
    """Area of boxes [n, 4]."""
    return np.clip(xyxy[:, 2:] - xyxy[:, :2], 0, None).prod(1)


def add_piece(rng: np.random.Generator, onto: Sample, source: Sample) -> Sample:
    """Paste one piece of another picture, an object as it is or shuffled, or a part of nothing."""
    bgr, xyxy, class_index, weight = cut(rng, source)
    if len(xyxy) and rng.random() < SHUFFLED_SHARE:
        bgr = shuffle(rng, bgr)
        xyxy, class_index, weight = xyxy[:0], class_index[:0], weight[:0]
    if rng.random() < 0.5:
        bgr = bgr[:, ::-1]
        xyxy = np.stack(
            [bgr.shape[1] - xyxy[:, 2], xyxy[:, 1], bgr.shape[1] - xyxy[:, 0], xyxy[:, 3]], 1
        )
    side = onto[0].shape[0]
    longest = round(float(np.exp(rng.uniform(np.log(14), np.log(0.45 * side)))))
    return paste(rng, onto, (bgr, xyxy, class_index, weight), longest)
