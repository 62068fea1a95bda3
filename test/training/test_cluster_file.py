"""Weight sharing, the file: small, the same network, unpacked once at load; and bad input."""

# ruff: noqa: E402 (what is missing skips the file before the imports fail)

from __future__ import annotations

import json
from pathlib import Path
import sys

from edge_vision.core.errors import UserError
import numpy as np
import pytest

torch = pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')
pytest.importorskip('sklearn')

import onnxruntime
from training.average import settle_batch_norm
from training.cluster import main, share_layers
from training.export_onnx import build_onnx
from training.gesture.export import build_onnx as build_gesture
from training.gesture.network import make_network
from training.network import BASE_WIDTHS, Detector
from training.sharing.graph import unpack_model, unpacked_weights, with_shared
from training.sharing.layers import choose, layer_names, weights_of
from training.sharing.shared import Shared

NARROW = {name: [16] * len(row) for name, row in BASE_WIDTHS.items()}
SIDE = 64  # pixels


def set_norms(model: torch.nn.Module) -> torch.nn.Module:
    """Give batch norm statistics of real activations, so that outputs are no mere constants."""
    torch.manual_seed(1)
    settle_batch_norm(model, [torch.randn(4, 3, SIDE, SIDE)])
    return model.eval()


@pytest.fixture(scope='module')
def gesture():
    torch.manual_seed(0)
    network = set_norms(make_network('classification', 3, width=8))
    return build_gesture(network, ('a', 'b', 'c'), SIDE)


@pytest.fixture(scope='module')
def detector():
    torch.manual_seed(0)
    return build_onnx(set_norms(Detector(NARROW, 1)), (SIDE, SIDE), ['person'])


def run(model, level=onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level, options.log_severity_level = level, 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=['CPUExecutionProvider']
    )
    bgr = np.random.default_rng(0).integers(0, 255, (1, SIDE, SIDE, 3), dtype=np.uint8)
    return session.run(None, {'image': bgr})


def with_weights(model, weights):
    """Replace initializers the plain way."""
    done = onnx.ModelProto()
    done.CopyFrom(model)
    for tensor in done.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(onnx.numpy_helper.from_array(weights[tensor.name], tensor.name))
    return done


@pytest.mark.parametrize('clusters', [2, 3, 4, 8, 16, 32, 64, 256])
@pytest.mark.parametrize('by_row', [False, True])
def test_the_file_is_the_network_with_shared_weights(gesture, clusters, by_row):
    if by_row and clusters > 16:
        pytest.skip('rows of the small network have fewer weights')
    wanted = ['layer3.1', 'fc'] if by_row else ['all']
    layers = share_layers(gesture, wanted, clusters, by_row=by_row, quiet=True)
    done = with_shared(gesture, layers)
    plain = with_weights(gesture, {name: shared.weight for name, shared in layers.items()})
    assert np.array_equal(run(done)[0], run(plain)[0])
    disabled = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    assert run(done, disabled)[0] == pytest.approx(run(done)[0], abs=1e-5)
    back = unpack_model(done)
    assert np.array_equal(run(back)[0], run(plain)[0])
    assert {t.name for t in back.graph.initializer} == {t.name for t in gesture.graph.initializer}
    assert [n.op_type for n in back.graph.node] == [n.op_type for n in gesture.graph.node]


def test_the_detector_too(detector):
    layers = share_layers(detector, ['all'], 8, zero=True, quiet=True)
    done = with_shared(detector, layers)
    plain = with_weights(detector, {name: shared.weight for name, shared in layers.items()})
    assert np.array_equal(run(done)[0], run(plain)[0])


def test_format_and_metadata_are_kept(gesture):
    done = with_shared(gesture, share_layers(gesture, ['all'], 16, quiet=True))
    assert done.ir_version == gesture.ir_version == 8
    assert [(o.domain, o.version) for o in done.opset_import] == [('', 13)]
    assert done.metadata_props == gesture.metadata_props
    assert done.graph.input == gesture.graph.input and done.graph.output == gesture.graph.output
    assert {n.domain for n in done.graph.node} == {''}
    kinds = {n.op_type for n in done.graph.node} - {n.op_type for n in gesture.graph.node}
    assert kinds <= {'Cast', 'Gather', 'Reshape', 'Slice', 'Add'}
    onnx.checker.check_model(done, full_check=True)


@pytest.mark.parametrize('clusters', [3, 8, 16, 32])
def test_unpacked_once_at_load(gesture, clusters, tmp_path):
    done = with_shared(gesture, share_layers(gesture, ['all'], clusters, quiet=True))
    kinds = []
    for name, model in (('plain', gesture), ('shared', done)):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / f'{name}.onnx')
        onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=['CPUExecutionProvider']
        )
        optimized = onnx.load(tmp_path / f'{name}.onnx')
        kinds.append([n.op_type for n in optimized.graph.node])
    assert kinds[0] == kinds[1]


def test_resnet18_gets_so_much_smaller():
    model = build_gesture(make_network('regression', 2), ('thumb', 'index'), 224)
    rng, weights = np.random.default_rng(0), weights_of(model)
    for clusters, smaller in ((2, 28), (3, 15), (8, 10), (16, 7.5), (32, 6), (256, 3.9)):
        table = np.sort(rng.standard_normal((1, clusters))).astype(np.float32)
        layers = {
            name: Shared(table, rng.integers(0, clusters, weights[name].shape, np.uint8))
            for name in choose(model, ['all'])
        }
        assert model.ByteSize() / with_shared(model, layers).ByteSize() >= smaller


def test_which_layers(gesture, detector):
    names = layer_names(gesture)
    assert names['layer1.0.conv1.weight'] == 'layer1.0.conv1'
    assert choose(gesture, ['last']) == ['fc.weight']
    assert set(choose(gesture, ['all'])) == set(weights_of(gesture)) - {'conv1.weight'}
    assert choose(gesture, ['fc', 'layer4.1']) == [
        'layer4.1.conv1.weight',
        'layer4.1.conv2.weight',
        'fc.weight',
    ]
    last = choose(detector, ['last'])
    assert len(last) == 3 and all('map_out' in name for name in last)
    assert len(weights_of(detector)) - len(choose(detector, ['all'])) == 1


def test_names_of_an_exporter_that_folds(tmp_path):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = torch.nn.Sequential(
                torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Conv2d(4, 4, 3)
            )

        def forward(self, image):
            return self.body(image)

    torch.onnx.export(
        Net().eval(), (torch.zeros(1, 3, 16, 16),), tmp_path / 'net.onnx', dynamo=False
    )
    model = onnx.load(tmp_path / 'net.onnx')
    assert list(layer_names(model).values()) == ['body.0', 'body.2']


def test_small_layers_stay_in_float_unless_named(gesture):
    layers = share_layers(gesture, ['all'], 256, quiet=True)
    assert 'fc.weight' not in layers and 'layer4.1.conv2.weight' in layers
    with pytest.raises(UserError, match='Layer fc: 256 clusters cannot be made of 192 distinct'):
        share_layers(gesture, ['fc'], 256, quiet=True)


def cluster(monkeypatch, *arguments) -> None:
    monkeypatch.setattr(sys, 'argv', ['cluster', *map(str, arguments)])
    main()


def test_the_command(gesture, tmp_path, monkeypatch, capsys):
    source, out = tmp_path / 'g.onnx', tmp_path / 'small' / 'g2.onnx'
    onnx.save(gesture, source)
    arguments = ['--model', source, '--out', out, '--clusters', 3, '--zero-smallest']
    cluster(monkeypatch, *arguments)
    lines = capsys.readouterr().out.splitlines()
    result = json.loads(lines[-1])
    assert result['bytes'] == out.stat().st_size < result['bytes_before'] / 5
    assert result['clusters'] == 3 and result['layers'] == 20 and result['bits'] == 1.6
    weights = np.concatenate([w.ravel() for w in unpacked_weights(onnx.load(out)).values()])
    assert result['sparsity'] == pytest.approx((weights == 0).mean(), abs=1e-4)
    assert result['sparsity'] > 0.2
    assert any(line.startswith('layer4.1.conv2') for line in lines)


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        ({'--clusters': 1}, 'can be 2 to 256'),
        ({'--clusters': 257}, 'can be 2 to 256'),
        ({'--layers': 'fc,layer9'}, "no layer 'layer9'; there are conv1, layer1.0.conv1"),
        ({'--layers': ','}, 'names no layer'),
        ({'--layers': 'fc', '--clusters': 200}, '192 distinct'),
        ({'--model': 'none.onnx'}, 'none.onnx is not a file'),
        ({'--model': __file__}, 'no ONNX model'),
        ({'--finetune-epochs': 1}, 'needs --checkpoint and --data'),
        (
            {'--finetune-epochs': 1, '--checkpoint': 'no.pt', '--data': '.'},
            'no.pt does not exist',
        ),
    ],
)
def test_what_cannot_be_ends_in_a_sentence(
    options, sentence, gesture, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    onnx.save(gesture, 'g.onnx')
    given = {'--model': 'g.onnx', '--clusters': 4, '--out': 'out.onnx', **options}
    with pytest.raises(UserError, match=sentence) as caught:
        cluster(monkeypatch, *[part for pair in given.items() for part in pair])
    assert '\n' not in str(caught.value)
    assert not Path('out.onnx').exists()


def test_models_that_are_not_plain_are_refused(gesture, tmp_path, monkeypatch):
    def refused(model, sentence):
        onnx.save(model, tmp_path / 'm.onnx')
        with pytest.raises(UserError, match=sentence):
            files = ['--model', tmp_path / 'm.onnx', '--out', tmp_path / 'out.onnx']
            cluster(monkeypatch, '--clusters', 4, *files)

    refused(with_shared(gesture, share_layers(gesture, ['last'], 4, quiet=True)), 'already')
    half = with_weights(gesture, {k: v.astype(np.float16) for k, v in weights_of(gesture).items()})
    refused(half, 'float16')
    quantized = onnx.ModelProto()
    quantized.CopyFrom(gesture)
    quantized.graph.node.add(
        op_type='DequantizeLinear', input=['fc.bias', 'fc.bias'], output=['unused']
    )
    refused(quantized, 'is a quantized model')
    tensor = onnx.helper.make_tensor_value_info('x', 1, [1])
    node = onnx.helper.make_node('Relu', ['x'], ['y'])
    output = onnx.helper.make_tensor_value_info('y', 1, [1])
    refused(
        onnx.helper.make_model(onnx.helper.make_graph([node], 'relu', [tensor], [output])),
        'no layer with float32 weights',
    )


@pytest.mark.parametrize('name', ['fingertip', 'gesture'])
def test_the_shipped_models_share_sixteen_values(name):
    file = Path(__file__).parents[2] / 'edge_vision' / 'models' / f'{name}.onnx'
    if not file.is_file():
        pytest.skip(f'{name}.onnx is not shipped')
    model = onnx.load(file)
    weights = unpacked_weights(model)
    assert len(weights) == 20 and file.stat().st_size < 6e6
    assert all(len(np.unique(weight)) <= 16 for weight in weights.values())
    assert (model.ir_version, model.opset_import[0].version) == (8, 13)
    assert {'task', 'labels'} <= {entry.key for entry in model.metadata_props}
