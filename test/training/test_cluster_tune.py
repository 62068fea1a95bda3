"""Weight sharing, the training of shared values."""

# ruff: noqa: E402 (what is missing skips the file before the imports fail)

from __future__ import annotations

from dataclasses import asdict
import json
import sys

import cv2
from edge_vision.core.errors import UserError
import numpy as np
import pytest

torch = pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')
pytest.importorskip('sklearn')

from torch import nn
from training.average import settle_batch_norm
from training.checkpoint import save_checkpoint as save_detector
from training.cluster import main, share_layers
from training.export_onnx import build_onnx
from training.gesture.checkpoint import save_checkpoint
from training.gesture.export import write_model
from training.gesture.network import make_network
from training.gesture.settings import Settings
from training.network import BASE_WIDTHS, Detector
from training.schedule import Settings as DetectorSettings
from training.sharing.graph import unpacked_weights, with_shared
from training.sharing.layers import read_model
from training.sharing.modules import ascending, attach, detach
from training.sharing.shared import share, Shared
from training.sharing.tasks import read_task
from training.sharing.tune import fine_tune, TuneSettings
from training.sharing.tuned import tuned

SIDE, WIDTH = 64, 8
COLOURS = {'blue': (200, 40, 40), 'red': (40, 40, 200)}


@pytest.fixture(scope='module')
def gesture(tmp_path_factory):
    """Write pictures of two colours, an untrained small network's checkpoint, and its export."""
    folder = tmp_path_factory.mktemp('tune')
    rng = np.random.default_rng(0)
    for name, bgr in COLOURS.items():
        (folder / 'data' / name).mkdir(parents=True)
        for i in range(8):
            noise = rng.integers(-30, 30, (SIDE, SIDE, 3))
            picture = np.clip(noise + bgr, 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / 'data' / name / f'{i}.png'), picture)
    torch.manual_seed(0)
    network = make_network('classification', 2, width=WIDTH)
    settle_batch_norm(network, [torch.randn(8, 3, SIDE, SIDE)])
    settings = Settings(size=SIDE, width=WIDTH, repeat=2, precision='float32')
    state = {'task': 'classification', 'labels': ['blue', 'red'], 'settings': asdict(settings)}
    save_checkpoint(folder / 'best.pt', {**state, 'average': network.state_dict()})
    write_model(folder / 'best.pt', folder / 'model.onnx')
    return folder


def test_gradients_are_summed_by_cluster():
    torch.manual_seed(0)
    plain, tabled = nn.Conv2d(3, 6, 3), nn.Conv2d(3, 6, 3)
    shared = share(plain.weight.detach().numpy(), 5)
    plain.weight.data = torch.from_numpy(shared.weight)
    tabled.bias.data = plain.bias.data.clone()
    attach(tabled, {'': shared})
    x = torch.randn(2, 3, 8, 8)
    for module in (plain, tabled):
        module(x).square().sum().backward()
    table = tabled.parametrizations.weight.original
    wanted = [plain.weight.grad.numpy()[shared.index == i].sum() for i in range(5)]
    assert table.grad.numpy()[0] == pytest.approx(np.array(wanted), rel=1e-4, abs=1e-3)


def test_rows_have_their_own_gradients_and_zeros_stay():
    weight = np.random.default_rng(0).standard_normal((4, 30)).astype(np.float32)
    shared = share(weight, 3, by_row=True, zero=True)
    layer = nn.Linear(30, 4)
    attach(layer, {'': shared})
    optimizer = torch.optim.SGD(layer.parameters(), 0.1)
    layer(torch.randn(5, 30)).square().sum().backward()
    optimizer.step()
    after = detach(layer, [''])['']
    assert layer.weight.detach().numpy() == pytest.approx(after.weight)
    assert np.array_equal(after.weight == 0, shared.weight == 0) and shared.sparsity > 0
    assert (after.table != shared.table).sum() == 8  # two of each of the four rows


def test_a_table_out_of_order_is_sorted_and_the_weights_stay():
    table = np.float32([[3, 1, 2], [0, -1, 5]])
    index = np.random.default_rng(0).integers(0, 3, (2, 4, 3)).astype(np.uint8)
    before = Shared(table, index)
    after = ascending(before)
    assert np.array_equal(after.table, np.sort(table, 1))
    assert np.array_equal(after.weight, before.weight)


def mean_loss(task, network, head_only: bool) -> float:
    with torch.no_grad():
        return float(np.mean([task.loss(network, b) for b in task.batches(0, head_only)]))


@pytest.mark.parametrize(('layers', 'lr'), [('all', 0.05), ('last', 0.3)])
def test_fine_tuning_lowers_the_loss(gesture, layers, lr):
    model = read_model(gesture / 'model.onnx')
    task = read_task(gesture / 'best.pt', gesture / 'data')
    weights = share_layers(model, [layers], 3, zero=True, quiet=True)
    shared = {name.removesuffix('.weight'): value for name, value in weights.items()}
    before, _, _ = fine_tune(task, shared, TuneSettings(epochs=1, lr=0.0), quiet=True)
    after, _, losses = fine_tune(task, shared, TuneSettings(epochs=5, lr=lr), quiet=True)
    assert len(losses) == 5
    head_only = layers == 'last'
    assert mean_loss(task, after, head_only) < 0.95 * mean_loss(task, before, head_only)


def test_what_the_file_holds_then(gesture):
    model = read_model(gesture / 'model.onnx')
    task = read_task(gesture / 'best.pt', gesture / 'data')
    shared = share_layers(model, ['all'], 3, zero=True, quiet=True)
    done, after, _ = tuned(model, shared, task, TuneSettings(epochs=1, lr=0.03), quiet=True)
    for name, values in unpacked_weights(done).items():
        assert np.array_equal(values, after[name].weight)
        assert np.array_equal(values == 0, shared[name].weight == 0)
        assert (np.diff(after[name].table) >= 0).all()
        assert not np.array_equal(after[name].table, shared[name].table)
    assert done.metadata_props == model.metadata_props
    names = {tensor.name for tensor in with_shared(model, shared).graph.initializer}
    assert {tensor.name for tensor in done.graph.initializer} == names


def test_the_file_gives_what_the_tuned_network_gives(gesture):
    """What `tuned` checks is a real check: another network's file fails it."""
    model = read_model(gesture / 'model.onnx')
    task = read_task(gesture / 'best.pt', gesture / 'data')
    shared = {'fc': share(task.network.fc.weight.detach().numpy(), 2)}
    network, after, _ = fine_tune(task, shared, TuneSettings(epochs=1, lr=0.3), quiet=True)
    assert not np.array_equal(after['fc'].table, shared['fc'].table)
    with pytest.raises(UserError, match='differs from torch'):
        task.check(model, network)


def test_the_command_with_fine_tuning(gesture, tmp_path, monkeypatch, capsys):
    out = tmp_path / 'k4.onnx'
    options = f'--clusters 4 --layers last --finetune-epochs 1 --data {gesture / "data"}'
    files = ['--model', gesture / 'model.onnx', '--checkpoint', gesture / 'best.pt', '--out', out]
    monkeypatch.setattr(sys, 'argv', ['cluster', *map(str, files), *options.split()])
    main()
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert len(result['losses']) == 1 and result['layers'] == 1
    assert len(np.unique(unpacked_weights(onnx.load(out))['fc.weight'])) == 4


def test_a_foreign_checkpoint_is_refused(gesture, tmp_path):
    model = read_model(gesture / 'model.onnx')
    state = torch.load(gesture / 'best.pt')
    state['average']['layer2.0.conv1.weight'] *= -1
    torch.save(state, tmp_path / 'other.pt')
    task = read_task(tmp_path / 'other.pt', gesture / 'data')
    shared = share_layers(model, ['layer2.0'], 4, quiet=True)
    with pytest.raises(UserError, match=r'weights layer2\.0\.conv1\.weight differ'):
        tuned(model, shared, task, TuneSettings(1), quiet=True)
    torch.save({'kind': 'another'}, tmp_path / 'other.pt')
    with pytest.raises(UserError, match='neither train_gesture nor train_detector'):
        read_task(tmp_path / 'other.pt', gesture / 'data')


def test_the_detector_too(toy, tmp_path):
    pytest.importorskip('pycocotools')
    torch.manual_seed(0)
    detector = Detector({name: [16] * len(row) for name, row in BASE_WIDTHS.items()}, 1)
    settle_batch_norm(detector, [torch.rand(4, 3, 96, 96)])
    settings = asdict(DetectorSettings(size=96, precision='float32'))
    state = {'settings': settings, 'labels': ['person'], 'widths': detector.widths, 'size': 96}
    save_detector(tmp_path / 'best.pt', {**state, 'average': detector.state_dict()})
    model = build_onnx(detector.eval(), (96, 96), ['person'])
    task = read_task(tmp_path / 'best.pt', toy)
    shared = share_layers(model, ['last'], 4, quiet=True)
    _, after, losses = tuned(model, shared, task, TuneSettings(4, 0.02), quiet=True)
    assert losses[-1] < losses[0]
    assert any(not np.array_equal(after[k].table, shared[k].table) for k in shared)
