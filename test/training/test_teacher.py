"""Learning from a teacher that looks at each training picture."""

# ruff: noqa: E402 (what is missing skips the file before the imports fail)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')
pytest.importorskip('pycocotools')
pytest.importorskip('matplotlib')

from edge_vision.core.detector import load_detector, Options
from edge_vision.core.errors import UserError
from edge_vision.core.letterbox import letterbox
from onnx import helper, numpy_helper, TensorProto
from small_detectors import NARROW, QUICK
from training import train_detector
from training.checkpoint import load_checkpoint
from training.coco import read_bgr, read_coco
from training.loss import LossSettings
from training.network import cells, decode_xyxy, Detector
from training.teacher import Pupil, Teacher
from training.train_detector import train


def yolox(file: Path, channels: int = 4, classes: int = 80) -> Path:
    """Write a YOLOX of one layer a stride, for pictures of 64 x 64, with random weights."""
    rng = np.random.default_rng(0)
    nodes, constants, flat = [], [], []

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(value, name))
        return name

    def conv(source: str, name: str, inputs: int, outputs: int, side: int = 1) -> str:
        weight = rng.normal(0, 0.3 / side, (outputs, inputs, side, side)).astype(np.float32)
        constant(f'{name}/w', weight)
        shape = {'kernel_shape': [side, side], 'strides': [side, side]}
        nodes.append(helper.make_node('Conv', [source, f'{name}/w'], [name], name, **shape))
        return name

    for stride in (8, 16, 32):
        stem = conv('images', f'stem{stride}', 3, channels, stride)
        box_feature = conv(stem, f'box{stride}', channels, channels)
        kind_feature = conv(stem, f'kind{stride}', channels, channels)
        parts = [conv(box_feature, f'reg{stride}', channels, 4)]
        for name, source, count in (('obj', box_feature, 1), ('cls', kind_feature, classes)):
            logits = conv(source, f'{name}{stride}', channels, count)
            nodes.append(helper.make_node('Sigmoid', [logits], [f'{logits}/p']))
            parts.append(f'{logits}/p')
        nodes.append(helper.make_node('Concat', parts, [f'map{stride}'], axis=1))
        shape = constant(f'shape{stride}', np.array([1, 5 + classes, -1], np.int64))
        nodes.append(helper.make_node('Reshape', [f'map{stride}', shape], [f'flat{stride}']))
        flat.append(f'flat{stride}')
    nodes.append(helper.make_node('Concat', flat, ['joined'], axis=2))
    nodes.append(helper.make_node('Transpose', ['joined'], ['output'], perm=[0, 2, 1]))
    graph = helper.make_graph(
        nodes,
        'yolox',
        [helper.make_tensor_value_info('images', TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info('output', TensorProto.FLOAT, [1, 84, 5 + classes])],
        constants,
    )
    opsets = [helper.make_opsetid('', 13)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), file)
    return file


def test_it_sees_any_number_and_size_of_pictures(tmp_path):
    teacher = Teacher(yolox(tmp_path / 't.onnx'), ('dog', 'person'), 1)
    bgr = torch.randint(0, 255, (3, 96, 96, 3), dtype=torch.uint8)
    scores, box, features = teacher.look(bgr)
    assert scores.shape == (3, 144 + 36 + 9, 2)
    assert box.shape == (3, 144 + 36 + 9, 4)
    assert [f.shape for f in features] == [(3, 8, 12, 12), (3, 8, 6, 6), (3, 8, 3, 3)]
    # the first feature, by hand: a convolution with the stride as its side, then a 1x1
    constants = onnx.load(tmp_path / 't.onnx').graph.initializer
    weights = {t.name: numpy_helper.to_array(t) for t in constants}
    patch = bgr[1, 8:16, 16:24].permute(2, 0, 1).double().numpy()
    stem = (weights['stem8/w'] * patch).sum((1, 2, 3))
    assert features[0][1, :4, 1, 2].numpy() == pytest.approx(
        weights['box8/w'][:, :, 0, 0] @ stem, rel=1e-3
    )


def test_its_boxes_are_those_of_the_node(shared):
    file = shared / 'models' / 'yolox_nano.onnx'
    item = next(i for i in read_coco(shared / 'data/person/val.json').items if len(i.xyxy) == 1)
    bgr, scale = letterbox(read_bgr(item.file), (416, 416))
    scores, box, _ = Teacher(file, ('person',), 1).look(torch.from_numpy(bgr)[None])
    found = load_detector(str(file), Options(threads=1, classes=('person',))).detect(
        read_bgr(item.file)
    )
    best = int(scores[0, :, 0].argmax())
    assert float(scores[0, best, 0]) == pytest.approx(float(found.scores[0]), abs=1e-4)
    xyxy = decode_xyxy(box[0], *cells(416))[best] / scale
    assert xyxy.numpy() == pytest.approx(found.xyxy[0], abs=0.5)


def test_a_student_like_its_teacher_has_nothing_to_learn(tmp_path):
    torch.manual_seed(0)
    model = Detector(NARROW, 1).eval()
    pupil = Pupil(model, [8, 8, 8]).eval()
    assert all(float(adapt.weight.detach().abs().sum()) == 0 for adapt in pupil.adapt)
    x = torch.rand(2, 3, 64, 64)
    raw = model(x)
    features = [adapt(own).detach() for adapt, own in zip(pupil.adapt, pupil.kept)]
    sure = torch.where(torch.rand(raw[..., 4:].shape) > 0.5, 1.0, 0.0)
    raw = torch.cat([raw[..., :4], 40 * (sure - 0.5)], 2)
    same = pupil.loss(raw, (sure, raw[..., :4].detach(), features), *cells(64), LossSettings())
    assert {k: float(v.detach()) for k, v in same.items()} == pytest.approx(
        {'score': 0, 'box': 0, 'feature': 0}, abs=1e-3
    )
    model(x)
    moved = raw[..., :4].detach() + 0.5
    other = pupil.loss(
        raw, (1 - sure, moved, [f + 2 for f in features]), *cells(64), LossSettings()
    )
    assert all(float(v.detach()) > 0.1 for v in other.values())
    assert float(other['feature'].detach()) == pytest.approx(4, rel=1e-3)


def test_taught_training_goes_on_exactly(toy, tmp_path, monkeypatch):
    images = read_coco(toy)
    teacher = Teacher(yolox(tmp_path / 't.onnx'), ('person',), 1)

    class KilledError(Exception):
        pass

    def kill(row, done, left_s):
        raise KilledError

    train(images, None, QUICK, NARROW, tmp_path / 'whole', teacher=teacher)
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(train_detector, 'report', kill)
        train(images, None, QUICK, NARROW, tmp_path / 'parts', teacher=teacher)
    with pytest.raises(UserError, match='was trained with --teacher'):
        train(images, None, QUICK, NARROW, tmp_path / 'parts')
    train(images, None, QUICK, NARROW, tmp_path / 'parts', teacher=teacher)
    whole, parts = (load_checkpoint(tmp_path / run / 'last.pt') for run in ('whole', 'parts'))
    for name in ('model', 'average', 'pupil'):
        for key, value in whole[name].items():
            assert torch.equal(value, parts[name][key]), key
    assert {'teacher_score', 'teacher_box', 'teacher_feature'} <= set(whole['history'][0])
    assert 'pupil' not in load_checkpoint(tmp_path / 'whole' / 'best.pt')


@pytest.mark.parametrize(
    ('labels', 'classes', 'said'),
    [(('gripper',), 80, "knows no 'gripper'"), (('person',), 3, 'is not a YOLOX file')],
)
def test_what_cannot_teach_is_one_sentence(tmp_path, labels, classes, said):
    with pytest.raises(UserError, match=said):
        Teacher(yolox(tmp_path / 't.onnx', classes=classes), labels, 1)
