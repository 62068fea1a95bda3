"""
What the outputs of the known detector families mean.

Each decoder takes (outputs, size_wh, threshold): the list of output arrays, the width and height
of the network's input, and the lowest score. It gives Candidates in input pixels.
"""

from __future__ import annotations

from functools import lru_cache
from typing import List, NamedTuple, Tuple

from edge_vision.core.nms import best_class
import numpy as np

STRIDES = (8, 16, 32)
FARTHEST_PX = 1e5  # of a corner; any input is smaller


class Candidates(NamedTuple):
    """Boxes before suppression: xyxy float32 (N, 4) in input pixels, scores, class index."""

    xyxy: np.ndarray
    scores: np.ndarray
    class_index: np.ndarray


def _candidates(xyxy, scores, class_index) -> Candidates:
    # one box without bounds would take all others with it in the suppression
    xyxy = np.clip(np.asarray(xyxy, np.float32).reshape(-1, 4), -FARTHEST_PX, FARTHEST_PX)
    found = Candidates(xyxy, np.asarray(scores, np.float32).reshape(-1),
                       np.asarray(class_index, np.int64).reshape(-1))
    known = ~np.isnan(xyxy).any(axis=1)
    return found if known.all() else Candidates(*(part[known] for part in found))


def from_centres(centre_xy: np.ndarray, size_wh: np.ndarray) -> np.ndarray:
    """Corners x0, y0, x1, y1 of boxes given by centre (N, 2) and width and height (N, 2)."""
    return np.concatenate([centre_xy - size_wh / 2, centre_xy + size_wh / 2], axis=1)


@lru_cache(maxsize=8)
def grid(size_wh: Tuple[int, int], strides: Tuple[int, ...] = STRIDES):
    """Cell numbers x, y (N, 2) and stride (N, 1) of every cell, level by level, row by row."""
    cells, steps = [], []
    for stride in strides:
        x, y = np.meshgrid(np.arange(size_wh[0] // stride), np.arange(size_wh[1] // stride))
        cells.append(np.stack([x, y], axis=-1).reshape(-1, 2))
        steps.append(np.full((x.size, 1), stride))
    return (np.concatenate(cells).astype(np.float32), np.concatenate(steps).astype(np.float32))


def _objectness_rows(rows: np.ndarray, threshold: float) -> np.ndarray:
    # a class probability is at most 1, so a row whose objectness is too low can never pass
    return rows[rows[:, 4] >= threshold]


def yolox(outputs: List[np.ndarray], size_wh, threshold: float) -> Candidates:
    """
    YOLOX (Megvii, demo/ONNXRuntime): [1, cells, 5 + C] with raw boxes.

    xy = (o[:2] + cell) * stride, wh = exp(o[2:4]) * stride, score = objectness x class.
    """
    rows = outputs[0][0]
    passing = np.flatnonzero(rows[:, 4] >= threshold)
    rows = rows[passing]
    cells, steps = (part[passing] for part in grid(tuple(size_wh)))
    keep, scores, class_index = best_class(rows[:, 5:] * rows[:, 4:5], threshold)
    rows, cells, steps = rows[keep], cells[keep], steps[keep]
    with np.errstate(over='ignore'):
        size = np.exp(rows[:, 2:4]) * steps
    xyxy = from_centres((rows[:, :2] + cells) * steps, size)
    return _candidates(xyxy, scores, class_index)


def yolov5(outputs: List[np.ndarray], size_wh, threshold: float) -> Candidates:
    """YOLOv5 and v7: [1, 3 x cells, 5 + C], centre and size in input pixels, obj, classes."""
    rows = _objectness_rows(outputs[0][0], threshold)
    keep, scores, class_index = best_class(rows[:, 5:] * rows[:, 4:5], threshold)
    rows = rows[keep]
    return _candidates(from_centres(rows[:, :2], rows[:, 2:4]), scores, class_index)


def yolov8(outputs: List[np.ndarray], size_wh, threshold: float) -> Candidates:
    """YOLOv8, v9, v11, v12: [1, 4 + C, cells], centre and size in input pixels, classes."""
    columns = outputs[0][0]
    keep, scores, class_index = best_class(columns[4:], threshold, axis=0)
    boxes = columns[:4, keep].T
    return _candidates(from_centres(boxes[:, :2], boxes[:, 2:4]), scores, class_index)


def end_to_end(outputs: List[np.ndarray], size_wh, threshold: float) -> Candidates:
    """[N, 6] or [1, N, 6], NMS inside or not needed: x0, y0, x1, y1, score, class."""
    rows = outputs[0].reshape(-1, 6)
    rows = rows[rows[:, 4] >= threshold]
    return _candidates(rows[:, :4], rows[:, 4], rows[:, 5].round())


def torchvision(outputs: List[np.ndarray], size_wh, threshold: float) -> Candidates:
    """torchvision.models.detection: boxes [N, 4] in input pixels, labels [N], scores [N]."""
    boxes = next(o for o in outputs if o.ndim == 2)
    labels = next(o for o in outputs if o.ndim == 1 and o.dtype.kind in 'iu')
    scores = next(o for o in outputs if o.ndim == 1 and o.dtype.kind == 'f')
    keep = scores >= threshold
    return _candidates(boxes[keep], scores[keep], labels[keep])


def fastestdet(outputs: List[np.ndarray], size_wh, threshold: float) -> Candidates:
    """
    Read FastestDet (dog-qiuqiu, deploy/): [1, 5 + C, h, w], one level.

    Row 0 objectness, 1 to 4 the box (tanh offset of the centre, sigmoid size, both in shares of
    the picture), then class scores; score = objectness^0.6 x class^0.4.
    """
    planes = outputs[0][0]
    _, height, width = planes.shape
    rows = planes.reshape(planes.shape[0], -1)
    y, x = np.divmod(np.arange(height * width), width)
    passing = np.flatnonzero(rows[0] >= threshold ** (1 / 0.6))  # the class score is at most 1
    rows, x, y = rows[:, passing], x[passing], y[passing]
    scores = rows[0] ** 0.6 * rows[5:] ** 0.4
    keep, scores, class_index = best_class(scores, threshold, axis=0)
    box = rows[1:5, keep]
    centre = np.stack([(x[keep] + np.tanh(box[0])) / width,
                       (y[keep] + np.tanh(box[1])) / height], axis=1)
    size = 1 / (1 + np.exp(-box[2:4].T))
    return _candidates(from_centres(centre, size) * np.array(list(size_wh) * 2), scores,
                       class_index)
