"""Gesture models: what they answer, and what is said of a file that is none."""

import json

from edge_vision.core import onnx_model
from edge_vision.core.detector import load_detector
from edge_vision.core.errors import UserError
from edge_vision.core.gesture import (
    CLASSIFICATION,
    GestureModel,
    load_gesture,
    MissingModel,
    REGRESSION,
)
from edge_vision.core.letterbox import stretch
from gesture_files import coloured, LABELS, POINTS, save_classifier, save_pointer, SHARPNESS
import numpy as np
from onnx import TensorProto
from onnx_files import labels_metadata, save_model
import pytest


def softmax(logits):
    e = np.exp(logits - logits.max())
    return e / e.sum()


@pytest.fixture
def classifier(tmp_path):
    return GestureModel(save_classifier(tmp_path / 'c.onnx'), threads=1)


def test_a_classifier_says_what_it_is(classifier):
    assert (classifier.task, classifier.labels) == (CLASSIFICATION, LABELS)
    assert (classifier.input_wh, classifier.provider) == ((32, 32), 'cpu')


@pytest.mark.parametrize('size_wh', [(640, 480), (32, 32), (9, 200)])
def test_probabilities_are_those_of_the_graph(classifier, size_wh):
    bgr = np.random.default_rng(1).integers(0, 256, (size_wh[1], size_wh[0], 3), np.uint8)
    before = bgr.copy()
    wanted = softmax(SHARPNESS * stretch(bgr, (32, 32)).mean((0, 1)) / 255)
    np.testing.assert_allclose(classifier.infer(classifier.prepare(bgr)), wanted, atol=1e-5)
    np.testing.assert_array_equal(bgr, before)


@pytest.mark.parametrize('name', LABELS)
def test_classes_come_best_first(classifier, name):
    numbers = classifier.infer(classifier.prepare(coloured(name)))
    gestures = classifier.gestures(numbers, 7, 'eye')
    assert (gestures.stamp_ns, gestures.frame_id) == (7, 'eye')
    assert gestures.best == (name, pytest.approx(float(numbers.max())))
    assert sorted(gestures.labels) == sorted(LABELS) and sum(gestures.scores) == pytest.approx(1)
    assert list(gestures.scores) == sorted(gestures.scores, reverse=True)


@pytest.mark.parametrize(('labels', 'wanted'), [
    (POINTS, (250, 20)), (('index', 'thumb'), (125, 10)), (('thumb', 'wrist'), (125, 10)),
    (('index',), (125, 10))])
def test_the_fingertip_is_the_index_or_the_first_point_in_pixels(tmp_path, labels, wanted):
    model = GestureModel(save_pointer(tmp_path / 'p.onnx', labels))
    assert (model.task, model.labels) == (REGRESSION, labels)
    bgr = coloured('none', (640, 480))
    tip = model.fingertip(model.infer(model.prepare(bgr)), (640, 480), 7, 'eye')
    share = np.array(wanted) / 255
    np.testing.assert_allclose(tip.xy, share * (640, 480), atol=0.01)
    assert (tip.stamp_ns, tip.frame_id, tip.score) == (7, 'eye', 0)


def test_a_point_beside_the_picture_is_put_at_its_border(tmp_path):
    model = GestureModel(save_pointer(tmp_path / 'p.onnx', ('a', 'b', 'c', 'index')))
    white = np.full((10, 20, 3), 255, np.uint8)
    assert model.fingertip(model.infer(model.prepare(white)), (20, 10), 7, 'eye').xy == (20, 10)


def other(path, output, array, **more):
    return save_model(path, {output: np.asarray(array, np.float32)},
                      more.pop('input_shape', (1, 32, 32, 3)), more.pop('input_type', 'uint8'),
                      metadata=more.pop('metadata', labels_metadata('up', 'down')), **more)


@pytest.mark.parametrize(('make', 'words'), [
    (lambda p: other(p, 'detections', np.zeros((0, 6))),
     ['is no gesture model', 'detections float32 [0, 6]', 'probabilities float32 [1, C]',
      'points float32 [1, P, 2]']),
    (lambda p: other(p, 'output', np.zeros((1, 3549, 85)), input_shape=(1, 3, 416, 416),
                     input_type='float32'),
     ['is no gesture model', 'image float32 [1, 3, 416, 416]', 'one image uint8 [1, H, W, 3]']),
    (lambda p: save_classifier(p, input_shape=(1, 'h', 'w', 3)), ["[1, 'h', 'w', 3]", 'fixed']),
    (lambda p: save_classifier(p, input_type=TensorProto.FLOAT), ['image float32', 'uint8']),
    (lambda p: other(p, 'probabilities', [1, 0]), ['probabilities float32 [2]']),
    (lambda p: other(p, 'probabilities', np.ones((1, 0))), ['probabilities float32 [1, 0]']),
    (lambda p: other(p, 'points', [[0.5, 0.5]]), ['points float32 [1, 2]', '[1, P, 2]']),
    (lambda p: other(p, 'probabilities', [[1, 0]], second_input=True), ['image_2']),
    (lambda p: other(p, 'probabilities', [[0.5, 0.3, 0.2]]),
     ['3 classes', 'names up, down', 'a JSON list of 3 names']),
    (lambda p: other(p, 'probabilities', [[1, 0]], metadata={}), ['2 classes', 'names none']),
    (lambda p: other(p, 'points', np.zeros((1, 1, 2))), ['1 points', 'names up, down']),
    (lambda p: other(p, 'probabilities', [[7.5, -3]]), ['from -3 to 7.5', 'softmax']),
    (lambda p: other(p, 'probabilities', [[np.nan, 1]]), ['not finite']),
    (lambda p: p.write_bytes(b'no model' * 99) and str(p), ['is no ONNX model']),
], ids=['detector', 'foreign detector', 'open size', 'float image', 'no batch', 'no class',
        'flat points', 'two inputs', 'too few labels', 'no labels', 'too many labels', 'logits',
        'not finite', 'no model'])
def test_a_file_that_is_no_gesture_model_is_refused_in_one_sentence(tmp_path, make, words):
    path = make(tmp_path / 'odd.onnx')
    with pytest.raises(UserError) as caught:
        load_gesture(path)
    sentence = str(caught.value)
    assert sentence.startswith(path) and '\n' not in sentence
    assert not [word for word in words if word not in sentence], sentence


def test_each_task_has_its_place(tmp_path):
    pointer = save_pointer(tmp_path / 'p.onnx')
    classifier = save_classifier(tmp_path / 'c.onnx')
    assert load_gesture(pointer, REGRESSION).task == REGRESSION
    with pytest.raises(UserError, match=r'gives points \(thumb, index\), where .*probabilities'):
        load_gesture(pointer, CLASSIFICATION)
    with pytest.raises(UserError, match=r'gives probabilities .*, where .* points would do'):
        load_gesture(classifier, REGRESSION)


def test_shipped_models_go_by_their_names_and_may_come_later(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_model, 'MODELS_FOLDER', tmp_path)
    monkeypatch.setenv('EDGE_VISION_MODELS', str(tmp_path / 'own'))
    with pytest.raises(MissingModel, match=r"'gesture' is not there: .*/gesture\.onnx"):
        load_gesture('gesture')
    save_classifier(tmp_path / 'gesture.onnx')
    assert load_gesture(' gesture ').labels == LABELS
    with pytest.raises(UserError, match='one of gesture, fingertip would do') as caught:
        load_gesture('gestures')
    assert not isinstance(caught.value, MissingModel)


@pytest.mark.parametrize('labels', [LABELS, tuple(json.loads('["a","b","c","d","e","f"]'))])
def test_a_gesture_model_is_no_detector(tmp_path, labels):
    """Six probabilities have the shape of a box."""
    with pytest.raises(UserError, match='is no detector but a model for classification'):
        load_detector(save_classifier(tmp_path / 'c.onnx', labels))
