"""The detector's training, from pictures to checkpoints."""

# ruff: noqa: E402 (what is missing skips the file before the imports fail)

from __future__ import annotations

import json
from pathlib import Path
import subprocess
import sys

from conftest import make_set, REPOSITORY
import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('pycocotools')
pytest.importorskip('matplotlib')

from edge_vision.core.errors import UserError
from small_detectors import NARROW, QUICK
from training import train_detector
from training.average import Average, settle_batch_norm
from training.checkpoint import averaged_model, load_checkpoint
from training.coco import read_coco
from training.fused import fused, interleaved
from training.loss import assign, complete_iou, detection_loss, LossSettings
from training.network import BASE_WIDTHS, cells, Conv, decode_xyxy, Detector, widths_of
from training.schedule import learning_rate, parse_shares, picture_size, Settings, share_done


def test_the_table_makes_the_network():
    widths = {name: [8 * (i + 1) for i in range(len(row))] for name, row in BASE_WIDTHS.items()}
    model = Detector(widths, 3)
    assert widths_of(model) == widths
    raw = model.eval()(torch.zeros(2, 3, 64, 64))
    assert raw.shape == (2, 8 * 8 + 4 * 4 + 2 * 2, 7)
    assert widths_of(Detector(BASE_WIDTHS, 1)) == BASE_WIDTHS
    assert all(width % 8 == 0 for row in BASE_WIDTHS.values() for width in row)


def test_fusing_changes_nothing_but_the_number_of_operators():
    torch.manual_seed(0)
    model = Detector(NARROW, 2)
    model.train()(torch.rand(4, 3, 64, 64))
    for head in (model.head8, model.head16, model.head32):
        torch.nn.init.normal_(head.class_out.weight)
        torch.nn.init.normal_(head.box_out.weight)
    x = torch.rand(1, 3, 64, 64)
    few = fused(model.eval())
    assert torch.allclose(few(x), model(x), atol=1e-4)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in few.modules())
    assert len(convs_in(few)) == len(convs_in(model)) - 2 * 3 + 2  # heads, joins


def convs_in(model: torch.nn.Module) -> list[torch.nn.Module]:
    return [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]


def test_the_first_convolution_reads_a_picture_as_it_lies_in_memory():
    torch.manual_seed(0)
    first = torch.nn.Conv2d(3, 5, 3, 2, 1)
    bgr = torch.rand(2, 8, 12, 3)  # rows, columns, channels
    same = interleaved(first)(bgr.reshape(2, 1, 8, 36))
    assert torch.allclose(same, first(bgr.permute(0, 3, 1, 2)), atol=1e-6)


def test_decoding():
    centres, strides = cells(64)
    assert centres[0].tolist() == [4, 4]
    assert strides.tolist() == [8] * 64 + [16] * 16 + [32] * 4
    raw = torch.zeros(84, 5)
    raw[-1, :4] = torch.tensor([0.5, -0.5, np.log(2), 0])
    assert decode_xyxy(raw, centres, strides)[-1].tolist() == [32, 16, 96, 48]


def test_a_perfect_box_is_assigned_and_costs_nothing():
    centres, strides = cells(64)
    label = torch.tensor([[8.0, 8.0, 40.0, 56.0]])
    xyxy = label.repeat(84, 1)
    scores = torch.full((84, 2), 0.5)
    cell, owner, target, counts = assign(
        scores, xyxy, centres, strides, label, torch.tensor([1]), torch.ones(1), LossSettings()
    )
    assert len(cell) == LossSettings().positives
    assert set(owner.tolist()) == {0}
    assert target.tolist() == pytest.approx([1.0] * len(cell), abs=1e-4)
    assert counts.all()
    assert complete_iou(label, label).tolist() == pytest.approx([1.0], abs=1e-5)


def test_cells_in_doubt_are_left_out():
    centres, strides = cells(64)
    box = torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    scores, xyxy = torch.full((84, 1), 0.5), torch.zeros(84, 4)
    cell, _, _, counts = assign(
        scores, xyxy, centres, strides, box, torch.tensor([0]), torch.zeros(1), LossSettings()
    )
    assert len(cell) == 0
    assert int((~counts).sum()) == 4 + 1  # at stride 8 and 16; the middle of stride 32 is outside


def test_a_picture_without_labels_has_a_loss():
    raw = torch.zeros(2, 84, 5, requires_grad=True)
    loss, parts = detection_loss(raw, *cells(64), [torch.zeros(0, 6)] * 2, LossSettings())
    loss.backward()
    assert parts['box'] == 0
    assert np.isfinite(float(loss.detach())) and raw.grad is not None


def test_batch_norm_of_the_average_is_measured():
    torch.manual_seed(0)
    model = Detector(NARROW, 1)
    average = Average(model)
    batches = [torch.rand(4, 3, 64, 64) + 2 for _ in range(3)]
    settle_batch_norm(average.model, batches)
    first = next(m for m in average.model.modules() if isinstance(m, Conv))
    out = torch.cat([first[0](b) for b in batches])
    assert torch.allclose(first[1].running_mean, out.mean((0, 2, 3)), atol=1e-4)
    assert not average.model.training


def test_the_schedule():
    settings = Settings(epochs=100, warmup_steps=10)
    assert learning_rate(settings, 0.0, 0) == pytest.approx(settings.lr / 10)
    assert learning_rate(settings, settings.flat, 10) == settings.lr
    assert learning_rate(settings, 1.0, 10**5) == pytest.approx(0.0, abs=1e-9)
    assert picture_size(settings, 0.0)[0] == settings.start_size
    assert picture_size(settings, 1.0)[:2] == (settings.size, 0)
    assert share_done(settings, 25, 0.0) == 0.25
    assert share_done(Settings(minutes=2), 25, 30.0) == 0.25


def test_two_steps_make_a_checkpoint(toy, tmp_path):
    images = read_coco(toy)
    best = train_detector.train(images, images, QUICK, NARROW, tmp_path / 'run')
    state = load_checkpoint(best)
    assert state['labels'] == ['person']
    assert state['settings']['epochs'] == 2
    assert widths_of(averaged_model(state)) == NARROW
    rows = (tmp_path / 'run' / 'curves.csv').read_text().splitlines()
    assert len(rows) == 3 and 'ap50' in rows[0]
    assert (tmp_path / 'run' / 'curves.png').stat().st_size > 1000


def test_resumed_equals_uninterrupted(toy, tmp_path):
    images = read_coco(toy)
    train_detector.train(images, None, QUICK, NARROW, tmp_path / 'whole')

    class KilledError(Exception):
        pass

    def kill(row, done, left_s):
        raise KilledError

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(train_detector, 'report', kill)
        train_detector.train(images, None, QUICK, NARROW, tmp_path / 'parts')
    assert load_checkpoint(tmp_path / 'parts' / 'last.pt')['epoch'] == 1
    train_detector.train(images, None, QUICK, NARROW, tmp_path / 'parts')
    whole, parts = (load_checkpoint(tmp_path / run / 'last.pt') for run in ('whole', 'parts'))
    assert parts['step'] == whole['step']
    for name in ('model', 'average'):
        for key, value in whole[name].items():
            assert torch.equal(value, parts[name][key]), key


def test_three_classes_start_from_one(toy, tmp_path):
    images = read_coco(toy)
    best = train_detector.train(images, None, QUICK, NARROW, tmp_path / 'one')
    three = read_coco(make_set(tmp_path / 'mine', ('cup', 'plate', 'spoon'), 8, seed=1))
    settings = Settings(**{**QUICK.__dict__, 'epochs': 1})
    own = train_detector.train(three, three, settings, NARROW, tmp_path / 'three', init=best)
    state = load_checkpoint(own)
    assert state['labels'] == ['cup', 'plate', 'spoon']
    assert state['model']['head8.class_out.weight'].shape[0] == 3


def test_another_network_is_refused(toy, tmp_path):
    images = read_coco(toy)
    best = train_detector.train(images, None, QUICK, NARROW, tmp_path / 'run')
    wider = {name: [16] * len(row) for name, row in BASE_WIDTHS.items()}
    with pytest.raises(UserError, match='another network'):
        train_detector.train(images, None, QUICK, wider, tmp_path / 'new', init=best)
    with pytest.raises(UserError, match='another network'):
        train_detector.train(images, None, QUICK, wider, tmp_path / 'run')


def test_a_loss_that_is_not_finite_stops(toy, tmp_path, monkeypatch):
    images = read_coco(toy)
    train_detector.train(images, None, QUICK, NARROW, tmp_path / 'run')
    before = (tmp_path / 'run' / 'last.pt').read_bytes()

    def broken(*args):
        return torch.tensor(float('nan'), requires_grad=True), {'class': 0.0, 'box': 0.0}

    monkeypatch.setattr(train_detector, 'detection_loss', broken)
    longer = Settings(**{**QUICK.__dict__, 'epochs': 3})
    with pytest.raises(UserError, match='nan in epoch 3, batch 1'):
        train_detector.train(images, None, longer, NARROW, tmp_path / 'run')
    assert (tmp_path / 'run' / 'last.pt').read_bytes() == before


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    file = tmp_path / 'x.pt'
    file.write_text('no')
    with pytest.raises(UserError, match='not a checkpoint that torch can read'):
        load_checkpoint(file)
    torch.save({'a': 1}, file)
    with pytest.raises(UserError, match='not a checkpoint of train_detector'):
        load_checkpoint(file)


def test_bad_input_is_one_line(tmp_path):
    command = [sys.executable, '-m', 'training.train_detector']
    command += ['--data', str(tmp_path / 'no.json')]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [f'error: {tmp_path / "no.json"} is not a file.']


def test_the_same_seed_gives_the_same_pictures(toy):
    from training.feed import batches_of, epoch_loader, Pictures

    pictures = Pictures(read_coco(toy).items, 96)
    keys = batches_of(pictures.shares, 4, 0, 0, 64, 32)
    shown = [index for batch in keys for index, _, _ in batch]
    assert len(shown) == len(set(shown)) == 8
    strength = picture_size(QUICK, 0.0)[2]
    one, two = (
        next(iter(epoch_loader(pictures, keys, 0, 0, strength, workers))) for workers in (0, 1)
    )
    assert torch.equal(one[0], two[0])
    assert all(torch.equal(a, b) for a, b in zip(one[1], two[1]))
    boxes = torch.cat(one[1])
    assert ((boxes[:, :4] >= 0) & (boxes[:, :4] <= one[0].shape[1])).all()


def test_shares_say_how_often_a_picture_is_shown(toy):
    from training.feed import batches_of, Pictures

    assert parse_shares('') == {}
    shares = parse_shares('1=0,3=2')
    pictures = Pictures(read_coco(toy).items, 96, shares)
    keys = batches_of(pictures.shares, 1, 0, 0, 64, 0)
    shown = [index for batch in keys for index, _, _ in batch]
    assert sorted(shown) == [1, 2, 2, 3, 4, 5, 6, 7, 8]  # 1.png and 10.png never, 3.png twice
    rng = np.random.default_rng(0)
    assert {pictures.any(rng) for _ in range(300)} == {1, 2, 3, 4, 5, 6, 7, 8}
    with pytest.raises(UserError, match='something like'):
        parse_shares('a')


def test_the_shipped_set_reads(shared):
    folder = shared / 'data' / 'person'
    assert len(read_coco(folder / 'val.json').items) == 128
    assert json.loads((folder / 'val.json').read_text())['categories'][0]['name'] == 'person'
    assert isinstance(folder, Path)


def test_own_classes_start_from_the_shipped_weights(tmp_path):
    shipped = REPOSITORY / 'training' / 'person.pt'
    state = load_checkpoint(shipped)
    card = (REPOSITORY / 'edge_vision' / 'models' / 'person.md').read_text(encoding='utf-8')
    assert f'{parameters_of(averaged_model(state)):,} parameters' in card
    images = read_coco(make_set(tmp_path / 'mine', ('cup', 'plate', 'spoon'), 4))
    settings = Settings(**{**QUICK.__dict__, 'epochs': 1})
    widths = state['widths']
    best = train_detector.train(images, None, settings, widths, tmp_path / 'run', init=shipped)
    assert load_checkpoint(best)['average']['head8.class_out.weight'].shape[0] == 3


def parameters_of(model) -> int:
    return sum(p.numel() for p in model.parameters())
