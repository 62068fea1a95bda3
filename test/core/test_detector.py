"""Loading: each family is told by its shapes, and what fits nothing ends in one sentence."""

import dataclasses
import re

import cv2
from edge_vision.core.detector import load_detector, Options, timed_detect
from edge_vision.core.errors import UserError
from families_encoded import cells, ENCODINGS
import numpy as np
from onnx_files import labels_metadata, save_model
import pytest

SIDE = 96  # at 64, a YOLOv8 of 80 classes has as many rows as columns
BOX = (16.0, 8.0, 40.0, 56.0, 0.8, 0)  # in input pixels of a model of SIDE
OPEN, STATIC = (1, 3, 'height', 'width'), (1, 3, SIDE, SIDE)


def outputs_of(encode, classes, boxes=(BOX,)):
    arrays = encode(list(boxes), (SIDE, SIDE), classes)
    names = ('boxes', 'labels', 'scores') if len(arrays) == 3 else ('output',)
    return dict(zip(names, arrays))


def own_model(path, rows=(BOX,), **more):
    settings = {'input_shape': (1, SIDE, SIDE, 3), 'input_type': 'uint8', 'options': True,
                'metadata': labels_metadata('person', 'dog'), **more}
    return save_model(path, {'detections': np.array(rows, np.float32).reshape(-1, 6)}, **settings)


@pytest.fixture
def options():
    return Options(threads=1, input_size=SIDE)


@pytest.mark.parametrize('input_type', ['float32', 'float16'])
@pytest.mark.parametrize('input_shape', [
    pytest.param(STATIC, id='fixed size'), pytest.param(OPEN, id='open size'),
    pytest.param(('batch', 3, 'h', 'w'), id='open batch too')])
@pytest.mark.parametrize('name', list(ENCODINGS))
def test_recognised_by_its_shapes(tmp_path, options, name, input_shape, input_type):
    family, encode, classes = ENCODINGS[name]
    path = save_model(tmp_path / 'm.onnx', outputs_of(encode, classes), input_shape, input_type)
    detector = load_detector(path, options)
    assert detector.family == family
    found = detector.detect(np.zeros((2 * SIDE, 2 * SIDE, 3), np.uint8))
    np.testing.assert_allclose(found.xyxy, [2 * np.array(BOX[:4])], atol=0.05)
    assert found.scores == pytest.approx([0.8], abs=1e-3)


def test_torchvision_has_no_batch(tmp_path, options):
    encode = ENCODINGS['torchvision'][1]
    path = save_model(tmp_path / 'm.onnx', outputs_of(encode, 91, [(*BOX[:5], 18)]),
                      (3, 'height', 'width'))
    detector = load_detector(path, options)
    assert detector.family == 'torchvision'
    assert detector.detect(np.zeros((SIDE, SIDE, 3), np.uint8)).name(0) == 'dog'


@pytest.mark.parametrize('picture_hw', [(SIDE, SIDE), (480, 640), (640, 480), (1, 33), (33, 1)])
def test_own_model(tmp_path, options, picture_hw):
    detector = load_detector(own_model(tmp_path / 'own.onnx'), options)
    assert detector.family == 'own' and detector.labels == ('person', 'dog')
    height, width = picture_hw
    scale = SIDE / max(picture_hw)
    found = detector.detect(np.zeros((height, width, 3), np.uint8))
    expected = np.clip(np.array(BOX[:4]) / scale, 0, [width, height] * 2)
    np.testing.assert_allclose(found.xyxy, [expected], rtol=1e-4)
    assert found.name(0) == 'person'


def test_own_model_gets_the_thresholds_as_inputs(tmp_path, options):
    detector = load_detector(own_model(tmp_path / 'own.onnx'), options)
    detector.options = dataclasses.replace(options, score_threshold=0.75, iou_threshold=0.3,
                                           max_detections=7)
    _, *used = detector.infer(detector.prepare(np.zeros((SIDE, SIDE, 3), np.uint8)))
    assert [value.tolist() for value in used] == [[0.75], pytest.approx([0.3]), [7]]


def test_nothing_found_is_an_empty_value(tmp_path, options):
    detector = load_detector(own_model(tmp_path / 'own.onnx', rows=()), options)
    found = detector.detect(np.zeros((48, 64, 3), np.uint8))
    assert len(found) == 0 and found.xyxy.shape == (0, 4)


# colour of the picture (blue, green, red) and the numbers that must reach the network
@pytest.mark.parametrize(('name', 'shape', 'dtype', 'expected'), [
    pytest.param('yolox', STATIC, 'float32', (10, 20, 30), id='yolox: BGR, 0 to 255'),
    pytest.param('yolov5', STATIC, 'float32', (30 / 255, 20 / 255, 10 / 255),
                 id='yolov5: RGB, 0 to 1'),
    pytest.param('yolov8', STATIC, 'float32', (30 / 255, 20 / 255, 10 / 255),
                 id='yolov8: RGB, 0 to 1'),
    pytest.param('yolov8', STATIC, 'float16', (30 / 255, 20 / 255, 10 / 255),
                 id='half precision: the same numbers'),
    pytest.param('yolov8', (1, SIDE, SIDE, 3), 'float32', (30 / 255, 20 / 255, 10 / 255),
                 id='channels last: the same numbers'),
    pytest.param('fastestdet', STATIC, 'float32', (10 / 255, 20 / 255, 30 / 255),
                 id='fastestdet: BGR, 0 to 1'),
    pytest.param('own', (1, SIDE, SIDE, 3), 'uint8', (10, 20, 30), id='own: BGR as it is'),
])
def test_what_the_network_sees(tmp_path, options, name, shape, dtype, expected):
    if name == 'own':
        path = own_model(tmp_path / 'm.onnx', rows=(BOX,), echo=True)
        before = np.array(BOX[:3])
    else:
        _, encode, classes = ENCODINGS[name]
        arrays = outputs_of(encode, classes, ())
        path = save_model(tmp_path / 'm.onnx', arrays, shape, dtype, echo=True)
        before = arrays['output'].reshape(-1)[:3]
    detector = load_detector(path, options)
    picture = np.full((SIDE, SIDE, 3), (10, 20, 30), np.uint8)
    seen = detector.infer(detector.prepare(picture))[0].reshape(-1)[:3] - before
    np.testing.assert_allclose(seen, expected, rtol=2e-3)


def test_letterbox_pads_at_the_right_and_the_foot(tmp_path, options):
    detector = load_detector(own_model(tmp_path / 'own.onnx'), options)
    blob = detector.prepare(np.zeros((SIDE // 2, SIDE, 3), np.uint8)).blob
    assert blob.shape == (1, SIDE, SIDE, 3) and blob.dtype == np.uint8
    assert not blob[0, :SIDE // 2].any() and (blob[0, SIDE // 2:] == 114).all()


def test_overlapping_boxes_are_suppressed_per_class(tmp_path, options):
    # each in a cell of its own; the second doubles the first, the third is of another class
    boxes = [BOX, (17.0, 18.0, 41.0, 62.0, 0.6, 0), (25.0, 16.0, 49.0, 56.0, 0.5, 1)]
    path = save_model(tmp_path / 'm.onnx', outputs_of(ENCODINGS['yolov8'][1], 2, boxes))
    found = load_detector(path, options).detect(np.zeros((SIDE, SIDE, 3), np.uint8))
    assert [found.name(row) for row in range(len(found))] == ['class_0', 'class_1']
    np.testing.assert_allclose(found.xyxy, [BOX[:4], boxes[2][:4]], atol=0.01)


@pytest.mark.parametrize(('change', 'expected'), [
    pytest.param({}, ['person', 'dog', 'person'], id='all above the threshold, best first'),
    pytest.param({'score_threshold': 0.75}, ['person', 'dog'], id='threshold'),
    pytest.param({'max_detections': 1}, ['person'], id='max_detections'),
    pytest.param({'classes': ('dog',)}, ['dog'], id='one class'),
    pytest.param({'score_threshold': 0.99}, [], id='nothing good enough')])
def test_options_may_change_while_it_runs(tmp_path, options, change, expected):
    rows = [(0, 0, 9, 9, 0.9, 0), (0, 0, 9, 9, 0.8, 1), (20, 20, 40, 40, 0.7, 0),
            (30, 0, 40, 9, 0.1, 0)]
    detector = load_detector(own_model(tmp_path / 'own.onnx', rows), options)
    detector.options = dataclasses.replace(options, **change)
    found = detector.detect(np.zeros((SIDE, SIDE, 3), np.uint8))
    assert [found.name(row) for row in range(len(found))] == expected


def test_stages_are_timed(tmp_path, options):
    detector = load_detector(own_model(tmp_path / 'own.onnx'), options)
    found, stages_ms = timed_detect(detector, np.zeros((48, 64, 3), np.uint8))
    assert len(found) == 1
    assert set(stages_ms) == {'preprocess', 'inference', 'postprocess'}
    assert all(value >= 0 for value in stages_ms.values())


@pytest.mark.parametrize(('metadata', 'given', 'expected'), [
    pytest.param({}, (), ('class_0', 'class_1'), id='none known: by number'),
    pytest.param(labels_metadata('cat', 'dog'), (), ('cat', 'dog'), id='of the file'),
    pytest.param({'names': "{0: 'cat', 1: 'dog'}"}, (), ('cat', 'dog'), id="Ultralytics' names"),
    pytest.param(labels_metadata('cat', 'dog'), ('a', 'b'), ('a', 'b'), id='the option wins')])
def test_class_names(tmp_path, options, metadata, given, expected):
    path = save_model(tmp_path / 'm.onnx', outputs_of(ENCODINGS['yolov8'][1], 2),
                      metadata=metadata)
    assert load_detector(path, dataclasses.replace(options, labels=given)).labels == expected


def test_the_family_may_be_named(tmp_path, options):
    path = save_model(tmp_path / 'm.onnx', outputs_of(ENCODINGS['end to end, N x 6'][1], 2))
    assert load_detector(path, options).family == 'end_to_end'
    named = load_detector(path, dataclasses.replace(options, model_family='own'))
    assert named.family == 'own'


def write(path, data):
    path.write_bytes(data)
    return str(path)


def saved(**arguments):
    return lambda path: save_model(path, **arguments)


FLOATS = np.zeros((1, 7, 7), np.float32)


@pytest.mark.parametrize(('make', 'sentence'), [
    pytest.param(lambda p: str(p), r'is no file and no shipped model.*hog would do', id='missing'),
    pytest.param(lambda p: '', r'is no file and no shipped model', id='empty name'),
    pytest.param(lambda p: str(p.parent), r'is no file and no shipped model', id='a folder'),
    pytest.param(lambda p: write(p, b''), r'cannot be loaded by ONNX Runtime', id='empty file'),
    pytest.param(lambda p: write(p, b'no model' * 99), r'is no ONNX model', id='broken file'),
    pytest.param(saved(outputs={'o': FLOATS}), r'its outputs are o float32 \[1, 7, 7\].*yolox',
                 id='outputs that fit nothing'),
    pytest.param(saved(outputs={'o': np.zeros((1, 1000), np.float32)}),
                 r'its outputs are o float32 \[1, 1000\]', id='a classifier'),
    pytest.param(saved(outputs={'a': FLOATS, 'b': FLOATS}), r'a float32.*b float32',
                 id='two outputs that fit nothing'),
    pytest.param(saved(outputs={'o': FLOATS}, second_input=True),
                 r'its inputs are image .*; image_2 ', id='two inputs'),
    pytest.param(saved(outputs={'o': FLOATS}, input_shape=(1, 64, 64)), r'its inputs are image',
                 id='an input that is no picture'),
    pytest.param(saved(outputs={'o': FLOATS}, input_shape=(1, 1, 64, 64)), r'its inputs are',
                 id='a grey picture'),
    pytest.param(saved(outputs={'o': FLOATS}, input_type='int64'), r'its inputs are image int64',
                 id='an input of another type'),
])
def test_what_cannot_be_used_ends_in_one_sentence(tmp_path, options, make, sentence):
    with pytest.raises(UserError, match=sentence) as caught:
        load_detector(make(tmp_path / 'm.onnx'), options)
    assert '\n' not in str(caught.value)


def test_an_unknown_family_and_class_are_refused(tmp_path, options):
    path = own_model(tmp_path / 'own.onnx')
    with pytest.raises(UserError, match="'yolo99' is unknown; auto, own, yolox"):
        load_detector(path, dataclasses.replace(options, model_family='yolo99'))
    with pytest.raises(UserError, match="'horse' is unknown to this model, which knows person"):
        load_detector(path, dataclasses.replace(options, classes=('person', 'horse')))


def test_yolox_of_other_sizes_counts_its_cells(tmp_path, options):
    output = np.zeros((1, cells((416, 416)), 85), np.float32)
    path = save_model(tmp_path / 'm.onnx', {'o': output}, OPEN)
    with pytest.raises(UserError, match=re.escape('[1, 3549, 85]')):
        load_detector(path, options)  # the input is left open and SIDE is a wrong guess
    detector = load_detector(path, dataclasses.replace(options, input_size=416))
    assert (detector.family, detector.input_wh) == ('yolox', (416, 416))


def test_hog_in_pictures_without_people(options):
    detector = load_detector(' hog ', options)
    assert detector.labels == ('person',) and detector.provider == 'cpu'
    assert len(detector.detect(np.full((480, 640, 3), 128, np.uint8))) == 0
    for size_hw in ((1, 1), (40, 900), (900, 40)):
        assert detector.detect(np.zeros((*size_hw, 3), np.uint8)).xyxy.shape == (0, 4)


def test_hog_on_a_drawn_person(options):
    picture = np.full((480, 640, 3), 200, np.uint8)
    cv2.circle(picture, (320, 110), 28, (40, 40, 40), -1)
    cv2.ellipse(picture, (320, 215), (48, 85), 0, 0, 360, (40, 40, 40), -1)
    for x in (298, 342):
        cv2.line(picture, (x, 270), (x, 420), (40, 40, 40), 32)
    found = load_detector('hog', options).detect(picture)
    assert len(found) >= 1 and (found.scores > 0.4).all()
    x0, y0, x1, y1 = found.xyxy[0]
    assert x0 < 320 < x1 and y0 < 215 < y1
