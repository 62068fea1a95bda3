"""Pruning: the criteria against hand-computed cases, the surgery, the rounds."""

# ruff: noqa: E402 (what is missing skips the file before the imports fail)

from __future__ import annotations

import copy
import json
import subprocess
import sys

from conftest import REPOSITORY
import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('torch_pruning')
pytest.importorskip('pycocotools')

from edge_vision.core.errors import UserError
from training.average import settle_batch_norm
from training.checkpoint import averaged_model, load_checkpoint, save_checkpoint
from training.importance import at_random, convs_of, magnitude, mean_effect, normalised, taylor
from training.network import BASE_WIDTHS, Detector, widths_of
from training.surgery import choose, group_size, parameters, remove

WIDTHS = {name: [16] * len(row) for name, row in BASE_WIDTHS.items()}


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = Detector(WIDTHS, 1)
    settle_batch_norm(model, [torch.rand(4, 3, 64, 64)])
    return model.eval()


def test_normalised_by_the_root_of_the_sum_of_squares():
    assert normalised(np.array([3.0, 4.0])).tolist() == [0.6, 0.8]
    assert normalised(np.zeros(2)).tolist() == [0, 0]


def test_magnitude_is_the_l1_norm(model):
    weight = convs_of(model)['stem.0'][0].weight
    with torch.no_grad():
        weight.zero_()
        weight[2, 0, 0, 0], weight[2, 1, 1, 1], weight[5] = 3.0, -1.0, 1.0
    found = magnitude(model)['stem.0']
    assert found[2] / found[5] == pytest.approx(4 / 27)
    assert found[[0, 1, 3]].tolist() == [0, 0, 0]


def test_taylor_is_the_mean_of_activation_times_gradient():
    activation = torch.tensor([[[[1.0, 2.0]], [[1.0, 1.0]]], [[[3.0, 0.0]], [[2.0, 0.0]]]])
    gradient = torch.tensor([[[[1.0, -1.0]], [[1.0, 1.0]]], [[[-1.0, 5.0]], [[1.0, 1.0]]]])
    # channel 0: (1 - 2 - 3 + 0) / 4, absolute; channel 1: (1 + 1 + 2 + 0) / 4
    assert mean_effect(activation, gradient).tolist() == [1.0, 1.0]


def test_taylor_sees_what_does_nothing(model):
    name = 'head8.class_conv'
    with torch.no_grad():
        model.head8.class_out.weight[:, 3] = 0.0
    batch = (torch.randint(0, 255, (2, 64, 64, 3), dtype=torch.uint8), [torch.zeros(0, 6)] * 2)
    found = taylor(model, [batch])
    assert found[name][3] == 0.0
    assert (found[name] > 0).any()
    assert set(found) == set(convs_of(model))


def test_random_is_repeatable(model):
    one, two, other = (at_random(model, seed)['stem.0'] for seed in (1, 1, 2))
    assert (one == two).all() and not (one == other).all()


def test_pruned_equals_masked(model):
    channels = choose(model, at_random(model, 0), int(parameters(model) * 0.6))
    smaller = remove(model, channels)
    masked = copy.deepcopy(model)
    for name, indices in channels.items():
        norm = convs_of(masked)[name][1]
        with torch.no_grad():
            norm.weight[indices], norm.bias[indices] = 0.0, 0.0
    x = torch.rand(2, 3, 64, 64)
    assert torch.allclose(smaller(x), masked(x), atol=1e-4)
    assert parameters(smaller) <= parameters(model) * 0.6
    assert all(width % 8 == 0 for row in widths_of(smaller).values() for width in row)
    assert parameters(model) == parameters(Detector(WIDTHS, 1))


def test_the_least_important_go_first(model):
    ranks = {name: np.full(16, 1.0) for name in convs_of(model)}
    ranks['up8.out'][4:12] = 0.1
    assert choose(model, ranks, parameters(model) - 1) == {'up8.out': list(range(4, 12))}


@pytest.mark.parametrize(
    ('left', 'size'), [(8, 0), (12, 4), (16, 8), (24, 8), (32, 16), (40, 8), (48, 16), (50, 2)]
)
def test_groups_keep_to_what_processors_multiply_at_once(left, size):
    assert group_size(left) == size


def test_what_leaves_no_channel_is_refused(model):
    with pytest.raises(UserError, match='cannot be reached'):
        choose(model, magnitude(model), 10)
    with pytest.raises(UserError, match=r'No channel of pool\.out'):
        remove(model, {'pool.out': list(range(16))})


def command(*arguments) -> subprocess.CompletedProcess:
    line = [sys.executable, '-m', 'training.prune', *map(str, arguments)]
    return subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True, timeout=100)


def test_rounds_are_kept_and_go_on(model, toy, tmp_path):
    file = tmp_path / 'best.pt'
    state = {'labels': ['person'], 'widths': WIDTHS, 'size': 64, 'average': model.state_dict()}
    save_checkpoint(file, state)
    line = ['--checkpoint', file, '--data', toy, '--val', toy, '--out', tmp_path / 'run']
    line += ['--ratio', 0.4, '--iterations', 2, '--finetune-epochs', 1, '--batch', 4]
    line += ['--workers', 0, '--threads', 1]
    done = command(*line)
    assert done.returncode == 0, done.stderr
    log = tmp_path / 'run' / 'rounds.json'
    rounds = json.loads(log.read_text())
    base = rounds[0]['parameters']
    assert all(r['parameters'] <= base * share for r, share in zip(rounds, (1, 0.8, 0.6)))
    assert len(rounds) == 3
    assert all({'ap50', 'ap'} <= set(r) for r in rounds)
    smaller = averaged_model(load_checkpoint(tmp_path / 'run' / 'round2' / 'done.pt'))
    assert parameters(smaller) == rounds[2]['parameters']
    log.write_text(json.dumps(rounds[:2]))
    again = command(*line)
    assert again.returncode == 0, again.stderr
    assert [r['parameters'] for r in json.loads(log.read_text())] == [
        r['parameters'] for r in rounds
    ]


def test_a_bad_ratio_is_one_line(tmp_path):
    done = command('--checkpoint', tmp_path / 'x', '--data', tmp_path / 'y', '--ratio', 1.5)
    assert (done.returncode, done.stderr.count('\n')) == (2, 1)
    assert '--ratio is 1.5' in done.stderr
