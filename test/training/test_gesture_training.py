"""Training, judging and exporting networks for gestures and points."""

# ruff: noqa: E402 (what is missing skips the file before the imports fail)

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
import json
import sys
import threading
from urllib.error import URLError

import numpy as np
import pytest

torch = pytest.importorskip('torch')
if find_spec('torchvision') is None:
    pytest.skip('no torchvision', allow_module_level=True)
pytest.importorskip('matplotlib')

from edge_vision.core.errors import UserError
from gesture_sets import CLASSES, make_classes, make_points, QUICK
import onnx
import onnxruntime
from sklearn import metrics as oracle
from training import train_gesture
from training.gesture.augment import make_flips
from training.gesture.checkpoint import averaged_model, load_checkpoint, save_checkpoint
from training.gesture.dataset import GestureSet, read_classes, read_points
from training.gesture.evaluate import class_metrics, outputs_of, pixel_errors, point_metrics
from training.gesture.export import write_model
from training.gesture.feed import Pictures
from training.gesture.fit import train
from training.gesture.loss import class_weights, point_loss
from training.gesture.network import GestureNet, make_network, to_input
from training.gesture.settings import Settings
from training.gesture.start import init_weights, read_model_weights
from training.gesture.state import better, worn_out
from training.gesture.vision import torchvision


@pytest.fixture
def classes(tmp_path) -> GestureSet:
    return read_classes(make_classes(tmp_path / 'classes', 8))


@pytest.fixture
def points(tmp_path) -> GestureSet:
    return read_points(make_points(tmp_path / 'points', 24))


def pictures_of(images: GestureSet, vertical: str = '') -> Pictures:
    return Pictures(images, 64, make_flips(images.labels, '', vertical), quiet=True)


def fit(images: GestureSet, out, settings: Settings = QUICK, val=None, **more):
    return train(images, val, settings, out, pictures=pictures_of(images), quiet=True, **more)


# ------------------------------------------------------------------------------ the network


def test_it_is_torchvisions_resnet18_but_for_the_last_layer(tmp_path):
    torch.manual_seed(1)
    theirs = torchvision.models.resnet18(num_classes=1000)
    torch.save(theirs.state_dict(), tmp_path / 'theirs.pt')
    model = make_network('classification', 3, tmp_path / 'theirs.pt').eval()
    assert model.pretrained
    theirs.fc = model.fc
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(x), theirs.eval()(x))


def test_points_are_the_weighed_mean_of_the_cells_guesses():
    torch.manual_seed(0)
    model = GestureNet('regression', 2, 8).eval()
    torch.nn.init.normal_(model.fc.weight)
    with torch.no_grad():
        features = model.features(torch.rand(1, 3, 96, 128))
        raw = model.fc(features).numpy().reshape(3, 2, 3, 4)
        said = model.head(features)[0].numpy()
    for point in range(2):
        share = np.exp(raw[0, point]) / np.exp(raw[0, point]).sum()
        y, x = np.mgrid[:3, :4]
        assert np.isclose(said[point, 0], (share * (x + raw[1, point])).sum() / 4, atol=1e-5)
        assert np.isclose(said[point, 1], (share * (y + raw[2, point])).sum() / 3, atol=1e-5)


def test_without_a_network_there_is_a_notice_and_random_weights(monkeypatch, capsys):
    def no_network(*args, **kwargs):
        raise URLError('no route')

    monkeypatch.setattr(torchvision.models.ResNet18_Weights, 'get_state_dict', no_network)
    model = make_network('classification', 2, 'imagenet')
    assert not model.pretrained
    notice = capsys.readouterr().out
    assert 'cannot be had here (no route)' in notice
    assert notice.count('\n') == 1


def test_imagenet_weights_come_through_torchvision(monkeypatch):
    theirs = torchvision.models.resnet18().state_dict()
    monkeypatch.setattr(
        torchvision.models.ResNet18_Weights, 'get_state_dict', lambda *a, **k: theirs
    )
    model = make_network('regression', 1, 'imagenet')
    assert model.pretrained
    assert torch.equal(model.layer4[1].conv2.weight, theirs['layer4.1.conv2.weight'])


def test_other_weights_end_in_a_sentence(tmp_path):
    torch.save({'a': torch.zeros(1)}, tmp_path / 'other.pt')
    with pytest.raises(UserError, match='no weights of a ResNet'):
        make_network('classification', 2, tmp_path / 'other.pt')
    with pytest.raises(UserError, match='neither imagenet, none, nor a file'):
        make_network('classification', 2, 'imagnet')
    torch.save(GestureNet('classification', 2, 8).state_dict(), tmp_path / 'narrow.pt')
    with pytest.raises(UserError, match='do not fit ResNet-18, conv1'):
        make_network('classification', 2, tmp_path / 'narrow.pt')


# ------------------------------------------------------------------------------ figures


def test_class_figures_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    chances, truth = rng.dirichlet(np.ones(3), 50), rng.integers(0, 3, 50)
    figures, said = class_metrics(chances, truth, CLASSES), chances.argmax(1)
    assert figures['accuracy'] == pytest.approx(oracle.accuracy_score(truth, said))
    assert figures['confusion'] == oracle.confusion_matrix(truth, said).tolist()
    recall = oracle.recall_score(truth, said, average=None)
    assert list(figures['recall'].values()) == pytest.approx(recall.tolist())
    assert figures['log_loss'] == pytest.approx(oracle.log_loss(truth, chances))


def test_errors_are_pixels_of_a_640_x_480_picture():
    truth = np.array([[[0.5, 0.5], [np.nan, np.nan]], [[0.1, 0.1], [0.2, 0.2]]])
    guess = truth + np.array([0.03, 0.04])
    guess[0, 1] = 0.3
    expected = np.hypot(0.03 * 640, 0.04 * 480)
    errors = pixel_errors(truth, guess)
    assert np.isnan(errors[0, 1])
    assert np.allclose(errors[[0, 1, 1], [0, 0, 1]], expected)
    figures = point_metrics(guess, truth, ('thumb', 'index'))
    assert figures['error_px'] == pytest.approx(expected)
    assert figures['within_20_px'] == 0
    assert figures['points']['index']['median_px'] == pytest.approx(expected)


def test_scarce_classes_weigh_more(classes):
    uneven = classes.part(np.r_[0:8, 8:10, 16:18])
    weights = class_weights(uneven)
    assert weights.tolist() == pytest.approx([12 / 3 / 8, 2.0, 2.0])
    assert float((weights * torch.tensor(uneven.counts)).sum() / 12) == pytest.approx(1)


def test_unknown_points_cost_nothing():
    model = GestureNet('regression', 2, 8)
    features = torch.rand(2, 64, 2, 2)
    known = torch.tensor([[[0.5, 0.5], [0.2, 0.2]], [[0.1, 0.9], [0.3, 0.3]]])
    partly = known.clone()
    partly[1] = torch.nan
    with torch.no_grad():
        half = point_loss(model, features[:1], known[:1], 0.1)
        assert float(point_loss(model, features, partly, 0.1)) == pytest.approx(float(half))
        assert float(point_loss(model, features, known * torch.nan, 0.1)) == 0


# ------------------------------------------------------------------------------ training


def test_classes_are_learned(classes, tmp_path):
    settings = replace(QUICK, epochs=8, repeat=4, lr=4e-3, average_decay=0.9)
    best = fit(classes, tmp_path / 'run', settings, val=classes)
    state = load_checkpoint(best)
    assert max(row['accuracy'] for row in state['history']) >= 0.9
    outputs = outputs_of(averaged_model(state), 'classification', pictures_of(classes), 64)
    assert outputs.shape == (24, 3)
    assert (tmp_path / 'run' / 'curves.png').is_file()
    assert len((tmp_path / 'run' / 'curves.csv').read_text().splitlines()) == 9


def test_points_are_learned(points, tmp_path):
    settings = replace(QUICK, epochs=12, repeat=4, lr=4e-3, average_decay=0.9)
    state = load_checkpoint(fit(points, tmp_path / 'run', settings, val=points))
    guess_nothing = pixel_errors(
        np.stack([item.points for item in points.items]), np.full((24, 2, 2), 0.5)
    ).mean()
    assert min(row['error_px'] for row in state['history']) < 0.5 * guess_nothing


class StopAfter:
    """Set once so many epochs are done."""

    def __init__(self, epochs: int) -> None:
        self.epochs, self.event = epochs, threading.Event()

    def is_set(self) -> bool:
        return self.event.is_set()

    def __call__(self, row: dict) -> None:
        if row['epoch'] == self.epochs:
            self.event.set()


@pytest.mark.parametrize('freeze', [False, True], ids=['whole', 'head'])
def test_a_stopped_run_goes_on_as_if_nothing_had_been(classes, tmp_path, freeze):
    save_random_start(tmp_path / 'start.pt')
    more = {'init': tmp_path / 'start.pt', 'freeze': freeze}
    fit(classes, tmp_path / 'whole', **more)
    stop = StopAfter(1)
    fit(classes, tmp_path / 'parts', on_epoch=stop, stop=stop, **more)
    assert load_checkpoint(tmp_path / 'parts' / 'last.pt')['epoch'] == 1
    fit(classes, tmp_path / 'parts', **more)
    one, two = (load_checkpoint(tmp_path / name / 'last.pt') for name in ('whole', 'parts'))
    assert one['epoch'] == two['epoch'] == QUICK.epochs
    for kind in ('model', 'average'):
        assert all(torch.equal(one[kind][k], two[kind][k]) for k in one[kind])


def save_random_start(file, labels=('a', 'b')) -> GestureNet:
    torch.manual_seed(3)
    model = GestureNet('classification', len(labels), 8).eval()
    for norm in (m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.uniform_(norm.running_mean, -0.2, 0.2)
    state = {'task': 'classification', 'labels': list(labels), 'average': model.state_dict()}
    save_checkpoint(file, {**state, 'settings': {'width': 8, 'size': 64}})
    return model


def test_a_frozen_backbone_stays_what_it_is(classes, tmp_path):
    start = save_random_start(tmp_path / 'start.pt')
    best = fit(classes, tmp_path / 'run', init=tmp_path / 'start.pt', freeze=True)
    done = load_checkpoint(best)['average']
    backbone = [k for k in done if not k.startswith('fc.')]
    assert all(torch.equal(done[k], start.state_dict()[k]) for k in backbone)
    losses = [row['loss'] for row in load_checkpoint(best)['history']]
    assert losses[-1] < losses[0]


def test_an_untrained_backbone_is_not_frozen(classes, tmp_path, capsys):
    settings = replace(QUICK, epochs=1)
    train(classes, None, settings, tmp_path / 'run', pictures=pictures_of(classes), freeze=True)
    assert 'the whole network is trained' in capsys.readouterr().out


def test_a_loss_that_is_not_finite_ends_in_a_sentence(classes, tmp_path):
    with pytest.raises(UserError, match=r'The loss is (nan|inf) in epoch \d+, batch \d+'):
        fit(
            classes, tmp_path / 'run', replace(QUICK, lr=1e30, warmup_steps=0, clip=1e30, epochs=9)
        )


def test_the_best_is_at_the_largest_side_and_patience_ends():
    row = {'judged': True, 'side': 64, 'accuracy': 0.9, 'log_loss': 0.2}
    assert better({**row, 'side': 96, 'accuracy': 0.5}, row)
    assert not better({**row, 'accuracy': 0.8}, row)
    assert better({**row, 'log_loss': 0.1}, row)
    assert better({'side': 64, 'error_px': 3}, {'side': 64, 'error_px': 4})
    settings = replace(QUICK, patience=2)
    worse = {**row, 'accuracy': 0.7}
    assert not worn_out([row, worse], settings)
    assert worn_out([row, worse, worse], settings)
    assert not worn_out([row, worse, worse], QUICK)


def test_another_run_is_not_gone_on_with(classes, tmp_path):
    fit(classes, tmp_path / 'run', replace(QUICK, epochs=1))
    two = classes.part(np.arange(16))
    two = replace(two, labels=('down', 'none'))
    with pytest.raises(UserError, match=r'other labels \(down, none, up\)'):
        fit(two, tmp_path / 'run')


# ------------------------------------------------------------------------------ model files


@pytest.mark.parametrize(('task', 'count'), [('classification', 3), ('regression', 2)])
def test_a_model_file_gives_what_torch_gives(tmp_path, task, count):
    torch.manual_seed(0)
    model = GestureNet(task, count, 8)
    model.train()(torch.rand(8, 3, 64, 64))
    torch.nn.init.normal_(model.fc.weight, std=0.3)
    labels = ('a', 'b', 'c')[:count]
    file = tmp_path / 'model.onnx'
    assert write_model(model, file, labels, 64) <= 1e-4
    done = onnx.load(file)
    assert (done.opset_import[0].version, done.ir_version) == (13, 8)
    said = {entry.key: entry.value for entry in done.metadata_props}
    assert (said['task'], json.loads(said['labels'])) == (task, list(labels))
    session = onnxruntime.InferenceSession(file, providers=['CPUExecutionProvider'])
    (image,), (output,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.type, image.shape) == ('image', 'tensor(uint8)', [1, 64, 64, 3])
    assert output.name == {'classification': 'probabilities'}.get(task, 'points')
    bgr = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    with torch.no_grad():
        raw = model.eval()(to_input(torch.from_numpy(bgr)))
    wanted = raw.softmax(1) if task == 'classification' else raw.clamp(0, 1)
    assert np.abs(session.run(None, {'image': bgr})[0] - wanted.numpy()).max() < 1e-4


def test_a_training_begins_with_a_model_file(tmp_path):
    start = save_random_start(tmp_path / 'start.pt', ('a', 'b'))
    file = tmp_path / 'start.onnx'
    write_model(tmp_path / 'start.pt', file)
    assert set(read_model_weights(file)) >= {
        k for k in start.state_dict() if not k.endswith('num_batches_tracked')
    }
    same, other = (GestureNet('classification', 2, 8).eval() for _ in range(2))
    assert init_weights(same, ('a', 'b'), file)
    x = torch.rand(1, 3, 64, 64)
    assert torch.allclose(same(x), start(x), atol=1e-6)
    assert not init_weights(other, ('a', 'c'), file)
    assert torch.equal(other.features(x), same.features(x))
    assert not torch.equal(other.fc.weight, same.fc.weight)


def test_what_is_no_start_ends_in_a_sentence(tmp_path):
    model = GestureNet('classification', 2, 8)
    (tmp_path / 'bad.onnx').write_bytes(b'no model')
    with pytest.raises(UserError, match='not a model file that onnx can read'):
        init_weights(model, ('a', 'b'), tmp_path / 'bad.onnx')
    (tmp_path / 'bad.pt').write_bytes(b'no checkpoint')
    with pytest.raises(UserError, match='not a checkpoint that torch can read'):
        init_weights(model, ('a', 'b'), tmp_path / 'bad.pt')
    torch.save({'kind': 'edge_vision detector'}, tmp_path / 'other.pt')
    with pytest.raises(UserError, match='not a checkpoint of train_gesture'):
        init_weights(model, ('a', 'b'), tmp_path / 'other.pt')


# ------------------------------------------------------------------------------ the command


def command(monkeypatch, *arguments) -> None:
    sizes = '--size 64 --start-size 64 --width 8 --batch 8 --warmup-steps 2 --precision float32'
    every = [str(a) for a in arguments]
    monkeypatch.setattr(sys, 'argv', ['train_gesture', *every, *sizes.split(), '--threads', '1'])
    train_gesture.main()


def test_the_command_trains_judges_and_exports(tmp_path, monkeypatch, capsys):
    data, out = make_points(tmp_path / 'data', 12, box=True), tmp_path / 'run'
    test = make_points(tmp_path / 'test', 4, seed=1)
    arguments = ['--data', data, '--test', test, '--weights', 'none', '--out', out]
    more = ['--export', out / 'm.onnx', '--epochs', 1, '--horizontal-pairs', 'left=right']
    command(monkeypatch, *arguments, *more, '--val-share', 0.3, '--burst', 2, '--json')
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures == json.loads((out / 'figures.json').read_text())
    assert figures['labels'] == ['left', 'right']
    assert (figures['val']['pictures'], figures['test']['pictures']) == (4, 4)
    assert figures['parity'] <= 1e-4
    for name in ('points.png', 'points_test.png', 'm.onnx', 'best.pt', 'last.pt'):
        assert (out / name).stat().st_size > 1000
    command(monkeypatch, '--checkpoint', out / 'best.pt', '--out', out, '--test', test, '--json')
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert again['test'] == figures['test']


def test_folds_judge_every_picture_once_and_go_on(tmp_path, monkeypatch, capsys):
    data, out = make_classes(tmp_path / 'data', 6), tmp_path / 'run'
    arguments = ['--data', data, '--weights', 'none', '--out', out, '--epochs', 1]
    extra = ['--extra', f'none={data / "none"}=2', '--vertical-pairs', 'up=down']
    command(monkeypatch, *arguments, *extra, '--folds', 2, '--burst', 3, '--json')
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])['folds']
    assert np.array(figures['confusion']).sum(1).tolist() == [6, 6, 6]
    assert figures['mean_accuracy'] == pytest.approx(np.mean(figures['folds']))
    assert (out / 'confusion_folds.png').is_file()
    monkeypatch.setattr(train_gesture, 'train', None)  # nothing is trained twice
    command(monkeypatch, *arguments, *extra, '--folds', 2, '--burst', 3, '--json')
    assert json.loads(capsys.readouterr().out.splitlines()[-1])['folds'] == figures


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        ([], 'Give either --data'),
        (['--data', 'set'], 'of one burst cannot be divided'),
        (['--data', 'nowhere.csv'], 'nowhere.csv is not a file'),
        (['--data', 'set', '--val-share', '0', '--extra', 'none'], "--extra is 'none'"),
        (['--data', 'set', '--epochs', '0'], '--epochs is 0'),
        (['--checkpoint', 'nothing.pt'], 'nothing.pt does not exist'),
    ],
    ids=['nothing', 'burst', 'missing', 'extra', 'epochs', 'checkpoint'],
)
def test_wrong_commands_end_in_a_sentence(tmp_path, monkeypatch, arguments, sentence):
    make_classes(tmp_path / 'set', 4)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=sentence):
        command(monkeypatch, *arguments)
