"""Each family's formula, against outputs made by its inverse."""

from edge_vision.core.families import FAMILIES
from edge_vision.core.nms import nms
from families_encoded import ENCODINGS
import numpy as np
import pytest

SIZE_WH = (416, 288)  # not square: a mix-up of width and height would show
BOXES = [  # x0, y0, x1, y1, score, class
    (20.5, 30.25, 50.0, 90.0, 0.9, 0), (200.0, 100.0, 330.0, 240.0, 0.6, 2),
    (10.0, 5.0, 400.0, 280.0, 0.45, 7), (300.0, 20.0, 310.0, 44.0, 0.2, 0)]

each_encoding = pytest.mark.parametrize(
    ('family', 'encode', 'classes'), [pytest.param(*value, id=name)
                                      for name, value in ENCODINGS.items()])


def fitting(boxes, classes):
    return [(*box[:5], box[5] % classes) for box in boxes]


@each_encoding
def test_nothing_gives_no_candidates(family, encode, classes):
    found = FAMILIES[family].decode(encode([], SIZE_WH, classes), SIZE_WH, 0.1)
    assert found.xyxy.shape == (0, 4) and found.xyxy.dtype == np.float32
    assert found.scores.shape == found.class_index.shape == (0,)


@each_encoding
@pytest.mark.parametrize('threshold', [0.1, 0.4, 0.95])
def test_boxes_come_back(family, encode, classes, threshold):
    boxes = fitting(BOXES, classes)
    found = FAMILIES[family].decode(encode(boxes, SIZE_WH, classes), SIZE_WH, threshold)
    expected = np.array([box for box in boxes if box[4] >= threshold], np.float64).reshape(-1, 6)
    order = np.argsort(-found.scores)
    np.testing.assert_allclose(found.xyxy[order], expected[:, :4], atol=0.02)
    np.testing.assert_allclose(found.scores[order], expected[:, 4], atol=1e-4)
    assert found.class_index[order].tolist() == expected[:, 5].tolist()


@each_encoding
def test_outputs_are_left_as_they_were(family, encode, classes):
    outputs = encode(fitting(BOXES, classes), SIZE_WH, classes)
    before = [output.copy() for output in outputs]
    FAMILIES[family].decode(outputs, SIZE_WH, 0.1)
    for output, copy in zip(outputs, before):
        np.testing.assert_array_equal(output, copy)


@pytest.mark.parametrize('wrong', [np.nan, np.inf, -np.inf, 1e30], ids=str)
@pytest.mark.parametrize('family', ['yolox', 'yolov5', 'yolov8', 'end_to_end', 'torchvision'])
def test_a_box_gone_wild_does_not_take_the_others_with_it(family, wrong):
    encode = {name: encode for name, encode, _ in ENCODINGS.values()}[family]
    outputs = encode(fitting(BOXES[:3], 91), SIZE_WH, 91)
    row = int(np.argmax(np.isclose(outputs[0].reshape(-1), 200.0))) if family in (
        'end_to_end', 'torchvision') else None
    if row is not None:
        outputs[0].reshape(-1)[row] = wrong  # x0 of the second box
    elif family == 'yolov8':
        outputs[0][0, 2, outputs[0][0, 4:].max(0).argsort()[-2]] = wrong  # its width
    else:
        outputs[0][0, outputs[0][0, :, 5:].max(1).argsort()[-2], 2] = wrong
    found = FAMILIES[family].decode(outputs, SIZE_WH, 0.4)
    assert np.isfinite(found.xyxy).all()
    kept = found.xyxy[nms(found.xyxy, found.scores, found.class_index, 0.5, 10)]
    for expected in (BOXES[0][:4], BOXES[2][:4]):
        assert np.abs(kept - expected).max(axis=1).min() < 0.02
