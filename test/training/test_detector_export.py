"""Model files: the contract, and parity with torch."""

# ruff: noqa: E402 (what is missing skips the file before the imports fail)

from __future__ import annotations

import dataclasses
import json

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')
pytest.importorskip('pycocotools')

from edge_vision.core.detector import load_detector, Options
from edge_vision.core.errors import UserError
from small_detectors import NARROW
from training.average import settle_batch_norm
from training.checkpoint import save_checkpoint
from training.export_onnx import build_onnx, export, parse_size
from training.network import Detector
from training.parity import check_parity, open_session

LABELS = ['cup', 'plate', 'spoon']


@pytest.fixture
def model():
    torch.manual_seed(1)
    model = Detector(NARROW, len(LABELS))
    settle_batch_norm(model, [torch.rand(4, 3, 96, 96)])
    for head in (model.head8, model.head16, model.head32):
        torch.nn.init.normal_(head.class_out.weight, std=0.3)
        torch.nn.init.normal_(head.box_out.weight, std=0.2)
    return model.eval()


@pytest.fixture
def checkpoint(model, tmp_path):
    file = tmp_path / 'best.pt'
    save_checkpoint(
        file,
        {'labels': LABELS, 'widths': NARROW, 'size': 96, 'average': model.state_dict()},
    )
    return file


def test_the_file_keeps_the_contract(checkpoint, tmp_path):
    exported = export(checkpoint, tmp_path / 'toy.onnx')
    assert [(o.domain, o.version) for o in exported.opset_import] == [('', 13)]
    assert exported.ir_version == 8
    props = {p.key: p.value for p in exported.metadata_props}
    assert (props['task'], json.loads(props['labels'])) == ('detection', LABELS)
    session = open_session(exported)
    assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [
        ('image', 'tensor(uint8)', [1, 96, 96, 3])
    ]
    optional = {i.name: (i.type, i.shape) for i in session.get_overridable_initializers()}
    assert optional['score_threshold'] == optional['iou_threshold'] == ('tensor(float)', [1])
    assert optional['max_detections'] == ('tensor(int64)', [1])
    assert [o.name for o in session.get_outputs()] == ['detections']


def test_thresholds_and_order(model):
    session = open_session(build_onnx(model, (96, 96), LABELS))
    bgr = np.random.default_rng(0).integers(0, 255, (1, 96, 96, 3), dtype=np.uint8)

    def run(score, most):
        feeds = {'score_threshold': np.array([score], np.float32)}
        feeds['max_detections'] = np.array([most], np.int64)
        return session.run(None, {'image': bgr, **feeds})[0]

    rows = run(0.0, 20)
    assert rows.shape == (20, 6) and rows.dtype == np.float32
    assert (np.diff(rows[:, 4]) <= 0).all()
    assert len(run(0.0, 3)) == 3
    middle = float(rows[10, 4])
    assert (run(middle, 20)[:, 4] > middle).all()
    assert run(1.0, 20).shape == (0, 6)


def test_a_difference_is_found(model):
    exported = build_onnx(model, (96, 96), LABELS)
    check_parity(exported, model)
    with torch.no_grad():
        for head in (model.head8, model.head16, model.head32):
            head.box_out.bias += 0.2
    with pytest.raises(UserError, match='differs from torch'):
        check_parity(exported, model)


def test_the_node_loads_it(checkpoint, tmp_path):
    export(checkpoint, tmp_path / 'toy.onnx')
    detector = load_detector(str(tmp_path / 'toy.onnx'), Options(score_threshold=0.0))
    assert tuple(detector.labels) == tuple(LABELS)
    noise = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    bgr = cv2.resize(noise, (200, 150))
    found = detector.detect(bgr)
    assert len(found) > 0 and found.xyxy.max() <= 200
    detector.options = dataclasses.replace(detector.options, score_threshold=1.0)
    assert len(detector.detect(bgr)) == 0


def test_another_size_and_one_that_cannot_be(checkpoint, tmp_path):
    export(checkpoint, tmp_path / 'toy.onnx', parse_size('128'))
    (image,) = open_session(onnx.load(tmp_path / 'toy.onnx')).get_inputs()
    assert image.shape == [1, 128, 128, 3]


def test_a_wide_input_wastes_nothing_of_a_wide_picture(checkpoint, tmp_path):
    wide = tmp_path / 'wide.onnx'
    export(checkpoint, wide, parse_size('128x96'))  # compares with torch
    detector = load_detector(str(wide), Options(score_threshold=0.0))
    assert detector.input_wh == (128, 96)
    bgr = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    prepared = detector.prepare(bgr)
    assert prepared.scale_xy == (0.4, 0.4) and prepared.blob.shape == (1, 96, 128, 3)
    found = detector.detect(bgr)
    assert len(found) > 0 and found.xyxy.max(0)[2] > 240  # to the right of where a square ends


@pytest.mark.parametrize('text', ['100', '0', 'wide', '320x', '320x240x160', '320x100', '-32'])
def test_a_size_that_cannot_be(text):
    with pytest.raises(UserError, match=f"--size is '{text}'; a multiple of 32 such as 320, or"):
        parse_size(text)
