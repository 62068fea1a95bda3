"""
Distillation by soft scores: a stronger detector's boxes join the labels of the training images.

The teacher's weights are not used, only what it sees, so any detector that the node loads will do.
"""

from __future__ import annotations

from dataclasses import replace
import json
from pathlib import Path

from edge_vision.core.errors import UserError
import numpy as np
from training.coco import ImageSet, iou_matrix, Item

MATCH = 0.5  # IoU from which a teacher's box and a label are the same thing
UNSEEN = 0.5  # confidence put down for a label that the teacher does not see


def read_soft(file: Path, images: ImageSet) -> dict[int, np.ndarray]:
    """Read a COCO results file as rows [n, 6] x0 y0 x1 y1 score class_index by image."""
    rows: dict[int, list[list[float]]] = {}
    for entry in json.loads(file.read_text(encoding='utf-8')):
        if entry['category_id'] not in images.category_ids:
            raise UserError(f'{file} has category {entry["category_id"]}, the data have not.')
        x, y, w, h = entry['bbox']
        index = images.category_ids.index(entry['category_id'])
        rows.setdefault(entry['image_id'], []).append([x, y, x + w, y + h, entry['score'], index])
    return {k: np.array(v, np.float32) for k, v in rows.items()}


def with_soft(images: ImageSet, soft: dict[int, np.ndarray]) -> ImageSet:
    """
    Join a teacher's boxes, rows [n, 6] by image id, to the labels.

    A label that the teacher sees weighs (1 + score) / 2. What it sees beside the labels becomes a
    box that weighs its score; where that covers a box in doubt, it takes the doubtful box's place.
    """
    none = np.zeros((0, 6), np.float32)
    items = tuple(join(item, soft.get(item.image_id, none)) for item in images.items)
    return replace(images, items=items)


def join(item: Item, rows: np.ndarray) -> Item:
    """Join one picture's soft boxes to its labels (see `with_soft`)."""
    iou = iou_matrix(item.xyxy, rows[:, :4]) * (item.class_index[:, None] == rows[None, :, 5])
    seen = iou.max(1, initial=0.0) >= MATCH
    score = np.full(len(item.xyxy), UNSEEN, np.float32)
    if len(rows):
        score = np.where(seen, rows[iou.argmax(1), 4], score)
    sure = item.weight > 0
    extra = rows[iou[sure].max(0, initial=0.0) < MATCH]
    keep = sure | ~seen
    weight = np.where(sure, (1 + score) / 2, 0.0)[keep]
    return replace(
        item,
        xyxy=np.concatenate([item.xyxy[keep], extra[:, :4]]).astype(np.float32),
        class_index=np.concatenate([item.class_index[keep], extra[:, 5].astype(np.int64)]),
        weight=np.concatenate([weight, extra[:, 4]]).astype(np.float32),
    )
