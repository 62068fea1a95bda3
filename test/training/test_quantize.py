"""Quantized model files: the same contract, nearly the same boxes."""

# ruff: noqa: E402 (what is missing skips the file before the imports fail)

from __future__ import annotations

from edge_vision.core.errors import UserError
import numpy as np
import pytest

torch = pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')
pytest.importorskip('pycocotools')

from onnx import numpy_helper
from training.average import settle_batch_norm
from training.coco import read_coco
from training.export_onnx import build_onnx
from training.network import BASE_WIDTHS, Detector
from training.parity import open_session
from training.quantize import float_nodes, int8_within, parts_of, to_float16, to_int8

NARROW = {name: [16] * len(row) for name, row in BASE_WIDTHS.items()}


@pytest.fixture
def exported():
    torch.manual_seed(0)
    model = Detector(NARROW, 1)
    settle_batch_norm(model, [torch.rand(4, 3, 96, 96)])
    return build_onnx(model.eval(), (96, 96), ['person'])


def contract(model) -> tuple:
    session = open_session(model)
    inputs = [(i.name, i.type, i.shape) for i in session.get_inputs()]
    metadata = session.get_modelmeta().custom_metadata_map
    opset = [(o.domain, o.version) for o in model.opset_import]
    return inputs, [o.name for o in session.get_outputs()], metadata, opset, model.ir_version


def best_box(model) -> np.ndarray:
    bgr = np.random.default_rng(0).integers(0, 255, (1, 96, 96, 3), dtype=np.uint8)
    feeds = {'image': bgr, 'score_threshold': np.zeros(1, np.float32)}
    return open_session(model).run(None, feeds)[0][0]


def per_channel(model) -> list:
    return [
        node
        for node in model.graph.node
        if node.op_type == 'DequantizeLinear' and node.input[0].endswith('_quantized')
        and any(a.name == 'axis' for a in node.attribute)
    ]


def test_float16_halves_the_file(exported):
    half = to_float16(exported)
    weights = sum(len(t.raw_data) for t in exported.graph.initializer)
    halved = sum(len(t.raw_data) for t in half.graph.initializer)
    assert halved / weights == pytest.approx(0.5, abs=0.1)
    assert contract(half) == contract(exported)
    assert best_box(half)[:4] == pytest.approx(best_box(exported)[:4], abs=2.0)


def test_int8_is_qdq_and_keeps_the_contract(exported, toy):
    done = to_int8(exported, read_coco(toy), 4)
    assert contract(done) == contract(exported)
    kinds = [node.op_type for node in done.graph.node]
    assert {'QuantizeLinear', 'DequantizeLinear'} <= set(kinds)
    assert len(per_channel(done)) > 20
    assert best_box(done)[4] == pytest.approx(best_box(exported)[4], abs=0.01)


def test_int8_has_no_operator_between_two_convolutions(exported, toy):
    """What follows a convolution is its range alone: Relu is that it begins at zero."""
    done = to_int8(exported, read_coco(toy), 4)
    after = {i: n.op_type for n in done.graph.node for i in n.input}
    convs = [n for n in done.graph.node if n.op_type == 'Conv']
    inner = [n for n in convs if not n.name.startswith('/stem/stem.0/') and '_out/' not in n.name]
    assert len(inner) > 30
    follows = {n.name: after[n.output[0]] for n in inner}
    assert set(follows.values()) == {'QuantizeLinear'}, follows
    relus = [n.name for n in done.graph.node if n.op_type == 'Relu']
    assert relus == ['/stem/stem.0/stem.0.2/Relu']


def test_what_is_joined_has_one_scale(exported, toy):
    """A concatenation then copies its inputs instead of computing them anew."""
    done = to_int8(exported, read_coco(toy), 4)
    scales = {t.name: float(numpy_helper.to_array(t)) for t in done.graph.initializer
              if t.name.endswith('_scale') and not t.dims}
    pairs = {n.output[0]: n for n in done.graph.node}
    after = {i: n for n in done.graph.node for i in n.input}
    joins = 0
    for node in done.graph.node:
        following = after.get(node.output[0])
        if node.op_type == 'Concat' and following and following.op_type == 'QuantizeLinear':
            wanted = scales[following.input[1]]
            assert [scales[pairs[i].input[1]] for i in node.input] == [wanted] * len(node.input)
            joins += 1
    assert joins == 10  # of seven blocks, the pool, and the two ways down


def test_outputs_and_named_parts_stay_in_float(exported, toy):
    parts = parts_of(exported)
    assert parts[0] == 'stem' and 'head8' in parts
    kept = float_nodes(exported, ['head16'])
    assert any('head8/map_out' in name for name in kept)
    assert any(name.startswith('/stem/stem.0/') for name in kept)
    assert not any(name.startswith('/stem/stem.1/') for name in kept)
    assert any('head16/stem' in name for name in kept)
    assert not any('head8/stem' in name for name in kept)
    less = to_int8(exported, read_coco(toy), 4, keep=parts)
    assert len(per_channel(less)) == 0


def test_a_budget_that_nothing_meets_leaves_all_in_float(exported, toy, monkeypatch):
    monkeypatch.setattr('training.quantize.parts_of', lambda model: ['stem', 'head8'])
    images = read_coco(toy)
    _, keep = int8_within(exported, images, images, 2, -2.0, [])
    assert sorted(keep) == ['head8', 'stem']


def test_another_model_is_refused():
    graph = onnx.helper.make_graph([], 'none', [], [])
    with pytest.raises(UserError, match='no output convolutions'):
        float_nodes(onnx.helper.make_model(graph), [])
