"""Run a network in torch from letterbox to boxes, as the exported file does."""

from __future__ import annotations

from edge_vision.core.letterbox import letterbox
from edge_vision.core.nms import nms
import numpy as np
import torch
from training.coco import ImageSet, read_bgr
from training.network import cells, decode_xyxy, Detector
from training.score import average_precision, coco_results


def to_input(bgr: torch.Tensor) -> torch.Tensor:
    """Turn pictures uint8 [B, H, W, 3] into the network's input: float 0..1 [B, 3, H, W]."""
    return bgr.permute(0, 3, 1, 2).float().div_(255)


def predict(
    model: Detector,
    bgr: np.ndarray,
    score_threshold: float = 0.01,
    iou_threshold: float = 0.6,
    most: int = 300,
) -> np.ndarray:
    """
    Detect in one letterboxed picture, uint8 [H, W, 3].

    Returns rows [n, 6] x0 y0 x1 y1 score class_index, best first, in input pixels.
    """
    return suppress(*decoded(model, bgr), score_threshold, iou_threshold, most)


@torch.no_grad()
def decoded(model: Detector, bgr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [cells, 4] and scores [cells, classes] of one letterboxed picture, uint8 [H, W, 3]."""
    raw = model(to_input(torch.from_numpy(bgr)[None]))[0].float()
    centres, strides = cells(bgr.shape[1], bgr.shape[0])
    return decode_xyxy(raw, centres, strides).numpy(), raw[:, 4:].sigmoid().numpy()


def suppress(
    xyxy: np.ndarray, scores: np.ndarray, score_threshold: float, iou_threshold: float, most: int
) -> np.ndarray:
    """Suppress doubles within each class: [cells, 4], [cells, classes] to rows [n, 6]."""
    cell, index = np.nonzero(scores > score_threshold)
    score = scores[cell, index]
    keep = nms(xyxy[cell], score, index, iou_threshold, most)
    return np.concatenate([xyxy[cell][keep], score[keep, None], index[keep, None]], 1).astype(
        np.float32
    )


def evaluate_network(model: Detector, images: ImageSet, size: int) -> dict[str, float]:
    """Average precision of a network on a set, letterboxed to size x size."""
    results = []
    for item in images.items:
        boxed, scale = letterbox(read_bgr(item.file), (size, size))
        rows = predict(model, boxed)
        rows[:, :4] /= scale
        results += coco_results(item.image_id, images.category_ids, rows)
    return average_precision(images, results)
