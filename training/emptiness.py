"""
More pictures without an object than there are: parts between the objects, turned pictures.

Few sets show what is not meant. What lies between the objects of all pictures does, and a thing
that is no object is none on its side either.
"""

from __future__ import annotations

import numpy as np
from training.patches import Sample

TRIES = 6  # places looked at for a part without an object
LEAST_SIDE = 32  # pixels of such a part
UNSURE = 0.15  # boxes that weigh less hardly count as objects; those in doubt (0) do
LEAST_OBJECT = 0.3  # weight of a box that makes a picture one with an object


def is_empty(sample: Sample) -> bool:
    """Tell whether a picture hardly has an object."""
    return not bool((sample[3] >= LEAST_OBJECT).any())


def between(rng: np.random.Generator, sample: Sample) -> Sample | None:
    """Cut out a part without an object, or find none."""
    bgr, xyxy, _, weight = sample
    height, width = bgr.shape[:2]
    objects = xyxy[(weight == 0) | (weight >= UNSURE)]
    for _ in range(TRIES):
        w, h = (int(v) for v in rng.uniform(0.2, 0.9, 2) * (width, height))
        if min(w, h) < LEAST_SIDE:
            continue
        x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
        inner = np.minimum(objects[:, 2:], (x + w, y + h)) - np.maximum(objects[:, :2], (x, y))
        if not (inner > 0).all(1).any():
            return without_boxes(bgr[y : y + h, x : x + w])
    return None


def turned(rng: np.random.Generator, sample: Sample) -> Sample:
    """Turn an empty picture by a quarter, a half or not at all; its faint boxes are forgotten."""
    return without_boxes(np.ascontiguousarray(np.rot90(sample[0], int(rng.integers(0, 4)))))


def without_boxes(bgr: np.ndarray) -> Sample:
    """Make a sample of a picture alone."""
    none = np.zeros(0)
    return bgr, np.zeros((0, 4), np.float32), none.astype(np.int64), none.astype(np.float32)
