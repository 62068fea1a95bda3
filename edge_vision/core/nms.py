"""Non-maximum suppression per class, with a bounded cost."""

from __future__ import annotations

import cv2
import numpy as np

MOST_CANDIDATES = 1000  # the best by score; bounds the time whatever a model puts out


def best_class(scores: np.ndarray, threshold: float, axis: int = 1):
    """
    Threshold class scores and keep the best class of each anchor.

    scores: float (N, C), or (C, N) with axis 0. Returns (rows, best score, class index) of the
    at most MOST_CANDIDATES best anchors that reach the threshold, in no order.
    """
    best = scores.max(axis=axis)
    rows = np.flatnonzero(best >= threshold)
    if len(rows) > MOST_CANDIDATES:
        cut = np.argpartition(best[rows], -MOST_CANDIDATES)[-MOST_CANDIDATES:]
        rows = rows[cut]
    chosen = scores[rows] if axis == 1 else scores[:, rows]
    return rows, best[rows], chosen.argmax(axis=axis)


def nms(xyxy: np.ndarray, scores: np.ndarray, class_index: np.ndarray, iou_threshold: float,
        max_detections: int) -> np.ndarray:
    """
    Greedy suppression of boxes that overlap a better one of the same class.

    xyxy: float (N, 4). A box goes when its IoU with a kept one is above iou_threshold.
    Returns the rows that stay, best first, at most max_detections. The work is OpenCV's
    compiled NMSBoxes; classes are kept apart by moving each to a place of its own.
    """
    if not len(scores):
        return np.zeros(0, np.int64)
    if len(scores) > MOST_CANDIDATES:
        top = np.argpartition(scores, -MOST_CANDIDATES)[-MOST_CANDIDATES:]
        return top[nms(xyxy[top], scores[top], class_index[top], iou_threshold, max_detections)]
    boxes = xyxy.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    extent = float(np.abs(xyxy).max()) * 2 + 1
    boxes[:, :2] += class_index[:, None] * extent
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), 0.0, float(iou_threshold))
    return np.asarray(kept, np.int64).reshape(-1)[:max_detections]
