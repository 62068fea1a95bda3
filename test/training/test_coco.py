"""Reading and checking image sets: what is wrong ends in one sentence."""

from __future__ import annotations

import json

from edge_vision.core.errors import UserError
import numpy as np
import pytest

pytest.importorskip('tqdm')

from training.coco import iou_matrix, read_coco
from training.soft import join, read_soft, with_soft


def change(file, **parts):
    coco = json.loads(file.read_text())
    for name, value in parts.items():
        coco[name] = value(coco[name])
    file.write_text(json.dumps(coco))


def test_a_good_set_is_read(toy):
    images = read_coco(toy)
    assert images.labels == ('person',)
    assert images.category_ids == (5,)
    assert len(images.items) == 10
    assert images.boxes == sum(len(item.xyxy) for item in images.items) > 0
    assert images.items[0].file.is_file()


def test_crowds_weigh_nothing(toy):
    change(toy, annotations=lambda rows: [{**row, 'iscrowd': i % 2} for i, row in enumerate(rows)])
    images = read_coco(toy)
    weights = np.concatenate([item.weight for item in images.items])
    assert set(weights) == {0.0, 1.0}
    assert images.boxes == int((weights > 0).sum())


def test_a_box_that_overhangs_is_cut(toy):
    change(toy, annotations=lambda rows: [{**rows[0], 'bbox': [-10, -10, 40, 200]}, *rows[1:]])
    assert read_coco(toy).items[0].xyxy.tolist() == [[0, 0, 30, 96]]


@pytest.mark.parametrize(
    'parts, sentence',
    [
        ({'annotations': lambda rows: []}, 'not a single box'),
        ({'annotations': lambda rows: [{**rows[0], 'category_id': 99}]}, 'category 99'),
        ({'annotations': lambda rows: [{**rows[0], 'image_id': 99}]}, 'image 99'),
        ({'annotations': lambda rows: [{**rows[0], 'bbox': [200, 0, 9, 9]}]}, 'outside'),
        ({'images': lambda rows: []}, 'lists no images'),
        ({'categories': lambda rows: []}, 'names no category'),
        (
            {'images': lambda rows: [{**rows[0], 'file_name': 'gone.png'}, *rows[1:]]},
            'gone.png',
        ),
    ],
)
def test_what_is_wrong_is_said(toy, parts, sentence):
    change(toy, **parts)
    with pytest.raises(UserError, match=sentence):
        read_coco(toy)


def test_a_missing_folder_is_said(toy, tmp_path):
    with pytest.raises(UserError, match='does not exist; name it with --images'):
        read_coco(toy, tmp_path / 'elsewhere')


def test_an_empty_folder_is_said(toy, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match='10 of the 10 images'):
        read_coco(toy, tmp_path / 'empty')


@pytest.mark.parametrize('text, sentence', [('{', 'not JSON'), ('[]', 'no images')])
def test_what_is_no_coco_file_is_said(tmp_path, text, sentence):
    file = tmp_path / 'x.json'
    file.write_text(text)
    with pytest.raises(UserError, match=sentence):
        read_coco(file)


def test_iou():
    a = np.array([[0, 0, 2, 2]], np.float32)
    b = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [2, 2, 3, 3]], np.float32)
    assert iou_matrix(a, b) == pytest.approx(np.array([[1, 1 / 3, 0]]))
    assert iou_matrix(a[:0], b).shape == (0, 3)


def test_soft_boxes_join_the_labels(toy, tmp_path):
    images = read_coco(toy)
    item = next(item for item in images.items if len(item.xyxy) == 1)
    x0, y0, x1, y1 = (float(v) for v in item.xyxy[0])
    seen = [x0, y0, x1 - x0, y1 - y0]
    boxes = [(seen, 0.6), ([0, 0, 3, 3], 0.2)]
    file = tmp_path / 'soft.json'
    file.write_text(
        json.dumps(
            [
                {'image_id': item.image_id, 'category_id': 5, 'bbox': bbox, 'score': score}
                for bbox, score in boxes
            ]
        )
    )
    joined = with_soft(images, read_soft(file, images))
    found = next(other for other in joined.items if other.image_id == item.image_id)
    assert found.weight.tolist() == pytest.approx([0.8, 0.2])
    other = next(i for i in joined.items if len(i.xyxy) and i.image_id != item.image_id)
    assert set(other.weight.tolist()) == {0.75}


def test_a_soft_box_takes_a_doubtful_ones_place(toy):
    change(toy, annotations=lambda rows: [{**rows[0], 'iscrowd': 1}, *rows[1:]])
    item = read_coco(toy).items[0]
    row = np.array([[*item.xyxy[0], 0.3, 0]], np.float32)
    assert join(item, row).weight.tolist() == pytest.approx([0.3])
    assert join(item, row[:0]).weight.tolist() == [0.0]
