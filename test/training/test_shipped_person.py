"""The shipped person detectors: the contract, and people that they must find. Needs no torch."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
from edge_vision.core.detector import load_detector, Options
import numpy as np
import onnxruntime
import pytest

MODELS = Path(__file__).resolve().parents[2] / 'edge_vision' / 'models'
SHIPPED = sorted(file.stem for file in MODELS.glob('person*.onnx'))
MOST_BYTES = 8_000_000  # all shipped person detectors together


def open_session(name: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    file = str(MODELS / f'{name}.onnx')
    return onnxruntime.InferenceSession(file, options, providers=['CPUExecutionProvider'])


def test_the_default_is_there_and_all_are_small():
    assert 'person' in SHIPPED
    assert sum((MODELS / f'{name}.onnx').stat().st_size for name in SHIPPED) <= MOST_BYTES


@pytest.mark.parametrize('name', SHIPPED)
def test_inputs_and_outputs(name):
    session = open_session(name)
    (image,) = session.get_inputs()
    side = image.shape[1]
    assert (image.name, image.type) == ('image', 'tensor(uint8)')
    assert image.shape == [1, side, side, 3] and side % 32 == 0
    optional = {i.name: (i.type, i.shape) for i in session.get_overridable_initializers()}
    assert {
        'score_threshold': ('tensor(float)', [1]),
        'iou_threshold': ('tensor(float)', [1]),
        'max_detections': ('tensor(int64)', [1]),
    }.items() <= optional.items()
    (output,) = session.get_outputs()
    assert (output.name, output.type) == ('detections', 'tensor(float)')
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata['task'] == 'detection'
    assert json.loads(metadata['labels']) == ['person']
    rows = session.run(None, {'image': np.zeros((1, side, side, 3), np.uint8)})[0]
    assert rows.shape[1] == 6 and rows.dtype == np.float32


@pytest.mark.parametrize('name', SHIPPED)
def test_opset_and_ir(name):
    onnx = pytest.importorskip('onnx')
    model = onnx.load(str(MODELS / f'{name}.onnx'))
    assert [(o.domain, o.version) for o in model.opset_import] == [('', 13)]
    assert model.ir_version == 8


@pytest.mark.parametrize('name', SHIPPED)
def test_each_has_a_card(name):
    card = (MODELS / f'{name}.md').read_text(encoding='utf-8')
    for word in ('AP50', 'licence', 'bytes', ' ms'):
        assert word in card


def best_score(detector, bgr: np.ndarray) -> float:
    found = detector.detect(bgr)
    return float(found.scores[0]) if len(found) else 0.0


@pytest.mark.parametrize('name', SHIPPED)
@pytest.mark.parametrize('zoom', [1.0, 0.85, 0.75])
def test_a_portrait_is_found(name, zoom):
    matplotlib = pytest.importorskip('matplotlib')
    folder = Path(matplotlib.get_data_path()) / 'sample_data'
    portrait = cv2.imread(str(folder / 'grace_hopper.jpg'))
    height, width = portrait.shape[:2]
    h, w = int(height * zoom), int(width * zoom)
    detector = load_detector(name, Options(score_threshold=0.1))
    for x in {0, (width - w) // 2, width - w}:
        assert best_score(detector, portrait[:h, x : x + w]) > 0.4


@pytest.mark.parametrize('name', SHIPPED)
def test_people_of_a_video_are_found_and_nobody_else(name, shared):
    video = cv2.VideoCapture(str(shared / 'data' / 'video' / 'one_by_one_person.mp4'))
    detector = load_detector(name, Options(score_threshold=0.1))
    with_people = [*range(90, 180, 30), *range(260, 420, 40), *range(540, 680, 40)]
    without = [*range(0, 50, 25), 212, 480, 725, 900, 1215, 1380]
    score = {}
    for number in sorted([*with_people, *without]):
        video.set(cv2.CAP_PROP_POS_FRAMES, number)
        there, bgr = video.read()
        assert there
        score[number] = best_score(detector, bgr)
    assert [n for n in with_people if score[n] <= Options().score_threshold] == []
    assert [n for n in without if score[n] > 0.2] == []
