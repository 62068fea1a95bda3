"""The compression report, on small networks: all rows, figures that agree, pages, going on."""

# ruff: noqa: E402 (what is missing skips the file before the imports fail)

from __future__ import annotations

import csv
from dataclasses import asdict
import json
import sys

import cv2
from edge_vision.core.errors import UserError
import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('onnx')
pytest.importorskip('sklearn')

from training.gesture.checkpoint import averaged_model, load_checkpoint, save_checkpoint
from training.gesture.dataset import read_set
from training.gesture.evaluate import metrics_of, outputs_of
from training.gesture.feed import Pictures
from training.gesture.network import make_network
from training.gesture.settings import Settings
from training.report_compression import main
from training.sharing import rows as timing
from training.sharing.rows import Bench, Part, Subject, Wish
from training.sharing.tune import TuneSettings

SIDE, WIDTH = 32, 8


def save_network(file, task: str, labels: list[str], seed: int) -> None:
    torch.manual_seed(seed)
    network = make_network(task, len(labels), width=WIDTH)
    settings = Settings(size=SIDE, width=WIDTH, repeat=1, precision='float32')
    state = {'task': task, 'labels': labels, 'settings': asdict(settings)}
    file.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(file, {**state, 'average': network.state_dict()})


def save_picture(file, rng) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8))


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for i in range(8):
        for name in ('no', 'yes'):
            save_picture(tmp_path / 'data' / name / f'{i:02}.png', rng)
        save_picture(tmp_path / 'tips' / f'{i}.png', rng)
    with open('tips.csv', 'w', newline='', encoding='utf-8') as text:
        rows = [[f'{i}.png', *rng.uniform(0.2, 0.8, 4).round(3)] for i in range(8)]
        csv.writer(text).writerows([['file', 'a_x', 'a_y', 'b_x', 'b_y'], *rows])
    save_network(tmp_path / 'tips.pt', 'regression', ['a', 'b'], 0)
    for fold in (1, 2):
        save_network(
            tmp_path / 'folds' / f'fold{fold}' / 'best.pt', 'classification', ['no', 'yes'], fold
        )
    return tmp_path


def report(monkeypatch, *more: str) -> None:
    options = '--fingertip tips.pt --fingertip-data tips.csv --fingertip-test tips.csv --point b'
    options += ' --gesture folds/fold1/best.pt --gesture-data data --gesture-folds folds'
    options += ' --clusters 2 --more 16 --finetune-epochs 1 --work work --docs docs'
    monkeypatch.setattr(sys, 'argv', ['report_compression', *options.split(), *more])
    main()


def test_the_report(runs, monkeypatch):
    monkeypatch.setattr(timing, 'LOADS', 2)
    monkeypatch.setattr(timing, 'ROUNDS', 3)
    report(monkeypatch)
    found = json.loads((runs / 'docs' / 'compression.json').read_text())
    for layers in ('all_layers', 'last_layer'):
        table = found[layers]
        assert {'float32', '2'} <= set(table)
        for entry in table.values():
            assert {'bytes', 'load_ms', 'ms', 'ms_ratio', 'error_px'} <= set(entry)
        assert 0 <= table['2']['accuracy'] <= 1
        tips = found['fingertip'][layers]
        assert tips['2']['error_px'] == tips['2']['tuned']['error_px']
        assert tips['2']['zeroed']['sparsity'] > 0.2 > tips['2']['plain']['sparsity']
    assert found['all_layers']['16']['variant'] == 'plain'
    sizes = [found['all_layers'][k]['bytes'] for k in ('2', '16', 'float32')]
    assert sizes == sorted(sizes)
    file = runs / 'work' / 'fingertip' / 'all_layers_2_tuned_0.onnx'
    assert file.stat().st_size == found['fingertip']['all_layers']['2']['bytes']
    # The figure of the float32 network is what train_gesture says of it.
    state, images = load_checkpoint(runs / 'tips.pt'), read_set(runs / 'tips.csv')
    outputs = outputs_of(
        averaged_model(state), images.task, Pictures.plain_only(images, SIDE), SIDE
    )
    wanted = metrics_of(images, outputs)['points']['b']['error_px']
    assert tips['float32']['error_px'] == pytest.approx(wanted, abs=0.01)
    page = (runs / 'docs' / 'compression.md').read_text()
    assert page.count('| float32 |') == 5 and 'error of the tip of the b' in page
    folds = found['gesture_cross_validated']
    assert folds['judged_on'] == 16 and folds['networks'] == 2  # each picture once
    for name in ('', '_weights', '_histogram'):
        assert 1000 < (runs / 'docs' / f'compression{name}.png').stat().st_size < 100_000


def test_it_goes_on_with_what_is_done(runs):
    data = read_set(runs / 'tips.csv')
    subject = Subject('tips', (Part(runs / 'tips.pt', data, data),), 'a')

    def bench() -> Bench:
        return Bench(subject, runs / 'work', TuneSettings(1), threads=1)

    first = bench()
    first.fill([Wish('all_layers', 2, 'plain')])
    file = first.file('all_layers_2_plain')
    before = file.stat().st_mtime_ns
    again = bench()
    assert again.rows == first.rows and set(again.rows) == {'float32', 'all_layers_2_plain'}
    again.fill([Wish('all_layers', 2, 'plain'), Wish('last_layer', 3, 'zeroed')])
    assert file.stat().st_mtime_ns == before and len(again.rows) == 3
    save_network(runs / 'tips.pt', 'regression', ['a', 'b'], 5)
    assert bench().rows == {}  # another network: nothing that is there is of it


@pytest.mark.parametrize(
    ('more', 'sentence'),
    [
        (['--point', 'c'], "no point 'c'; there are a, b"),
        (['--gesture-folds', 'data'], 'holds no fold1'),
        (['--fingertip', 'no.pt'], 'does not exist'),
        (['--gesture', 'tips.csv'], 'not a checkpoint'),
    ],
)
def test_what_cannot_be_ends_in_a_sentence(more, sentence, runs, monkeypatch):
    with pytest.raises(UserError, match=sentence):
        report(monkeypatch, *more)


def test_nothing_to_report(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['report_compression'])
    with pytest.raises(UserError, match='Give --fingertip, --gesture'):
        main()
