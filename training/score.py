"""Average precision by COCO's rules (pycocotools), from boxes in image pixels."""

from __future__ import annotations

import contextlib
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from training.coco import ImageSet

SIZES = ('small', 'medium', 'large')  # area under 32 x 32, under 96 x 96, above, in image pixels


def coco_results(image_id: int, category_ids: tuple[int, ...], rows: np.ndarray) -> list[dict]:
    """Turn one picture's rows [n, 6] into the entries of a COCO results file."""
    return [
        {
            'image_id': image_id,
            'category_id': category_ids[int(c)],
            'score': round(float(s), 5),
            'bbox': [round(float(v), 2) for v in (x0, y0, x1 - x0, y1 - y0)],
        }
        for x0, y0, x1, y1, s, c in rows
    ]


def ground_truth(images: ImageSet) -> COCO:
    """Give the labels to pycocotools; boxes in doubt are crowds, which it ignores."""
    coco = COCO()
    annotations: list[dict] = []
    for item in images.items:
        for xyxy, index, weight in zip(item.xyxy.astype(float), item.class_index, item.weight):
            w, h = xyxy[2] - xyxy[0], xyxy[3] - xyxy[1]
            annotations.append(
                {
                    'id': len(annotations) + 1,
                    'image_id': item.image_id,
                    'area': w * h,
                    'category_id': images.category_ids[index],
                    'bbox': [xyxy[0], xyxy[1], w, h],
                    'iscrowd': int(weight <= 0),
                }
            )
    coco.dataset = {
        'info': {},
        'annotations': annotations,
        'images': [
            {'id': i.image_id, 'width': i.size_wh[0], 'height': i.size_wh[1]} for i in images.items
        ],
        'categories': [{'id': k, 'name': n} for k, n in zip(images.category_ids, images.labels)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def average_precision(images: ImageSet, results: list[dict], most: int = 300) -> dict[str, float]:
    """AP at IoU 0.5 and AP over 0.5..0.95, and AP50 by size; `most` boxes of a picture count."""
    names = ('ap50', 'ap', *(f'ap50_{s}' for s in SIZES))
    if not results:
        return dict.fromkeys(names, 0.0)
    truth = ground_truth(images)
    with contextlib.redirect_stdout(io.StringIO()):
        judge = COCOeval(truth, truth.loadRes(results), 'bbox')
        judge.params.maxDets = [1, 10, most]
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval['precision']  # [IoU, recall, class, area, most]
    at = precision[:, :, :, :, -1]

    def mean(values: np.ndarray) -> float:
        values = values[values > -1]
        return float(values.mean()) if values.size else 0.0

    return {
        'ap50': mean(at[0, :, :, 0]),
        'ap': mean(at[:, :, :, 0]),
        **{f'ap50_{s}': mean(at[0, :, :, i + 1]) for i, s in enumerate(SIZES)},
    }
