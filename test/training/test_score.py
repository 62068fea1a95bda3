"""Average precision against a case worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip('pycocotools')
pytest.importorskip('tqdm')

from training.coco import read_coco
from training.evaluate import best_threshold, by_size
from training.score import average_precision, coco_results


@pytest.fixture
def two_boxes(toy):
    """Picture 1 has a box, picture 2 has one and one in doubt."""
    coco = json.loads(toy.read_text())
    coco['images'] = coco['images'][:2]
    boxes = [(1, [10, 10, 40, 40], 0), (2, [10, 10, 40, 40], 0), (2, [60, 60, 30, 30], 1)]
    coco['annotations'] = [
        {'id': i + 1, 'image_id': image, 'category_id': 5, 'bbox': bbox, 'iscrowd': crowd}
        for i, (image, bbox, crowd) in enumerate(boxes)
    ]
    toy.write_text(json.dumps(coco))
    return read_coco(toy)


HIT, MISS, DOUBT = [10, 10, 50, 50], [60, 10, 90, 50], [60, 60, 90, 90]


@pytest.mark.parametrize(
    'first, second, ap50',
    [
        ([], [], 0.0),
        ([(HIT, 0.9)], [(HIT, 0.8)], 1.0),
        # Of two labels one is found: precision 1 up to recall 1/2, 51 of 101 points.
        ([(HIT, 0.9)], [], 51 / 101),
        # A false box between the two right ones: precision 1, then 2/3.
        ([(HIT, 0.9), (MISS, 0.8)], [(HIT, 0.7)], (51 + 50 * 2 / 3) / 101),
        # A box on what is in doubt is no mistake.
        ([(HIT, 0.9)], [(DOUBT, 0.8), (HIT, 0.7)], 1.0),
    ],
)
def test_average_precision(two_boxes, first, second, ap50):
    results = []
    for number, boxes in ((1, first), (2, second)):
        rows = np.array([[*box, score, 0] for box, score in boxes], float).reshape(-1, 6)
        results += coco_results(number, two_boxes.category_ids, rows)
    assert average_precision(two_boxes, results)['ap50'] == pytest.approx(ap50, abs=1e-6)


def test_threshold_and_table(two_boxes):
    found = [
        np.array([[*HIT, 0.9, 0], [*MISS, 0.3, 0]], np.float32),
        np.array([[*DOUBT, 0.8, 0], [*HIT, 0.7, 0]], np.float32),
    ]
    threshold, f1 = best_threshold(two_boxes, found)
    assert (threshold, f1) == (pytest.approx(0.7), 1.0)
    precision = {f'ap50_{size}': 0.5 for size in ('small', 'medium', 'large')}
    table = by_size(two_boxes, found, precision, 0.8)
    assert table.splitlines()[2].split() == ['medium', '2', '0.500', '1']
