"""Trainings in a process of their own: curves, stop, go on, kill -9, check, compress, deploy."""

from __future__ import annotations

import os
import signal
import time

from conftest import COLOURS, jpeg_of, LIMIT_S, picture_of, read, running_studio, tree_of
import cv2
from edge_vision.core.gesture import GestureModel
import numpy as np
import pytest
from support import wait_for

pytest.importorskip('torch')
pytest.importorskip('sklearn')
onnx = pytest.importorskip('onnx')

SMALL = {'epochs': 3, 'size': 32, 'width': 8}
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def quiet_after(studio):
    """Let no test find the work of another one."""
    yield
    studio.end_work()


@pytest.fixture(scope='module')
def trained(studio):
    """Give the path of a project with one finished training of the whole (small) net."""
    path = studio.make('colours', categories=list(COLOURS))
    studio.fill(path, 8)
    run = studio.train(path, **SMALL)
    assert studio.refuses(f'{path}/runs', {'sets': ['A'], 'start': 'none'}).startswith(
        "The training of project 'colours' is at work")
    studio.finished(path, run)
    studio.idle()
    return path


def test_a_training_leaves_curves_a_model_and_a_check(studio, trained):
    state = studio.ask(f'{trained}/runs/1')
    rows = state['train']['rows']
    assert [row['epoch'] for row in rows] == [1, 2, 3]
    assert all(row['loss'] > 0 and 0 <= row['accuracy'] <= 1 for row in rows)
    assert state['train']['counts'] == dict.fromkeys(sorted(COLOURS), 8)
    assert state['model'] and state['evaluate']['status'] == 'done'
    folder = studio.projects / 'colours' / '.studio' / 'runs' / '1'
    model = GestureModel(str(folder / 'model.onnx'))
    assert (model.labels, model.input_wh) == (tuple(sorted(COLOURS)), (32, 32))
    held = read(folder / 'held.json')
    assert 3 <= len(held) <= 8


def test_the_check_counts_what_the_model_says(studio, trained):
    """The confusion matrix against the model run here, picture by picture."""
    check = studio.ask(f'{trained}/runs/1/check')
    folder = studio.projects / 'colours'
    model = GestureModel(str(folder / '.studio' / 'runs' / '1' / 'model.onnx'))
    expected, mine = np.zeros((3, 3), int), {}
    for i, label in enumerate(check['labels']):
        for file in (folder / 'A' / label).iterdir():
            numbers = model.infer(model.prepare(cv2.imread(str(file))))
            expected[i, int(numbers.argmax())] += 1
            mine[f'{label}/{file.name}'] = float(numbers[model.labels.index(label)])
    assert check['confusion']['all'] == expected.tolist()
    assert check['figures']['all'] == {
        'pictures': 24, 'accuracy': pytest.approx(np.trace(expected) / 24)}
    shown = [mine[row['file']] for row in check['worst']]  # what its own label got: least first
    assert len(shown) == 24 and np.all(np.diff(shown) > -1e-3)


def test_a_picture_that_was_relabelled_or_deleted_counts_as_it_is_now(studio, trained):
    before = studio.ask(f'{trained}/runs/1/check')
    row = before['worst'][0]
    other = next(name for name in COLOURS if name != row['label'])
    change = f'{trained}/change'
    studio.ask(change, {'do': 'relabel', 'set': 'A', 'files': [row['file']], 'label': other})
    now = studio.ask(f'{trained}/runs/1/check')
    moved = next(r for r in now['worst'] if r['file'].split('/')[1] == row['file'].split('/')[1])
    assert moved['label'] == other and moved['guess'] == row['guess']
    assert np.sum(now['confusion']['all']) == 24
    studio.ask(change, {'do': 'delete', 'set': 'A', 'files': [moved['file']]})
    assert np.sum(studio.ask(f'{trained}/runs/1/check')['confusion']['all']) == 23
    for _ in range(2):
        studio.ask(change, {'do': 'undo'})
    assert studio.ask(f'{trained}/runs/1/check') == before


def test_the_head_alone_learns_from_kept_features(studio, trained):
    run = studio.train(trained, start='run/colours/1', head_only=True, epochs=30)
    state = studio.finished(trained, run)
    assert len(state['train']['rows']) == 30
    losses = [row['loss'] for row in state['train']['rows']]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    kept = list((studio.projects / 'colours' / '.studio' / 'features').glob('*/*.npz'))
    assert len(kept) == 24
    stamps = {file: file.stat().st_mtime_ns for file in kept}
    studio.idle()
    # the backbone is frozen: only the last layer differs
    runs = studio.projects / 'colours' / '.studio' / 'runs'
    weights = [{t.name: onnx.numpy_helper.to_array(t)
                for t in onnx.load(runs / number / 'model.onnx').graph.initializer}
               for number in ('1', run)]
    different = {name for name in weights[0] if name in weights[1]
                 and not np.array_equal(weights[0][name], weights[1][name])}
    assert different == {'fc.weight', 'fc.bias'}
    studio.finished(trained, studio.train(trained, start='run/colours/1', head_only=True))
    assert {file: file.stat().st_mtime_ns for file in kept} == stamps  # nothing computed again
    studio.idle()


@pytest.mark.parametrize('wish, part', [
    ({'sets': []}, 'at least one data set'), ({'sets': ['Z']}, 'no data set'),
    ({'sets': ['A'], 'epochs': 0}, "'epochs' is 0"), ({'sets': ['A'], 'rate': 'x'}, 'a number'),
    ({'sets': ['A'], 'epochs': 1e9}, "'epochs'"), ({'sets': ['A'], 'check': 'A'}, 'trained on'),
    ({'sets': ['A'], 'start': 'run/colours/99'}, 'not there any more'),
    ({'sets': ['A'], 'start': '../../etc/passwd'}, 'not there any more'),
    ({'sets': ['A'], 'head_only': True}, 'the whole net has to learn')])
def test_trainings_that_cannot_be(studio, trained, wish, part):
    before = len(studio.ask(trained)['runs'])
    assert part in studio.refuses(f'{trained}/runs', {'start': 'none', **wish})
    assert len(studio.ask(trained)['runs']) == before


def test_too_few_pictures(studio):
    path = studio.make('few', categories=list(COLOURS))
    runs, wish = f'{path}/runs', {'sets': ['A']}
    assert 'at least two categories (none so far)' in studio.refuses(runs, wish)
    studio.fill(path, 1, ['up'])
    assert 'at least two categories (up' in studio.refuses(runs, wish)
    studio.fill(path, 4, ['down'])
    assert "'up' has 1 picture;" in studio.refuses(runs, wish)


def test_imagenet_weights_that_cannot_be_had_are_one_sentence(studio, trained, monkeypatch):
    run = studio.train(trained, start='imagenet', width=4)
    state = studio.finished(trained, run, status='failed')
    sentence = state['train']['sentence']
    # the weights do not fit a narrow net where they can be had
    assert 'ImageNet' in sentence and sentence.endswith('.') and '\n' not in sentence
    studio.idle()


def answer_s(studio, path: str) -> float:
    """Median time of an answer, seconds."""
    spent = []
    for _ in range(10):
        start_s = time.perf_counter()
        studio.ask(path)
        spent.append(time.perf_counter() - start_s)
    return float(np.median(spent))


def test_stop_and_go_on_and_the_page_answers_meanwhile(studio, trained):
    run = studio.train(trained, **{**SMALL, 'epochs': 7})
    wait_for(lambda: studio.ask(f'{trained}/runs/{run}')['train']['rows'], 'an epoch', LIMIT_S)
    assert answer_s(studio, trained) < 0.2
    studio.ask(f'{trained}/runs/{run}', {'do': 'stop'})
    state = studio.finished(trained, run, status='stopped')
    done = len(state['train']['rows'])
    assert 0 < done < 7 and not state['model']
    studio.idle()
    studio.ask(f'{trained}/runs/{run}', {'do': 'train'})
    rows = studio.finished(trained, run)['train']['rows']
    assert [row['epoch'] for row in rows] == list(range(1, 8))
    assert rows[:done] == state['train']['rows']
    studio.idle()
    studio.ask(f'{trained}/runs/{run}', {'do': 'drop'})
    studio.refuses(f'{trained}/runs/{run}')


def test_kill_9_of_the_training_then_of_the_studio(tmp_path):
    """Both end in the middle; the page opened again tells it, and go on finishes the training."""
    with running_studio(tmp_path) as first:
        path = first.make('killed', categories=list(COLOURS))
        first.fill(path, 5)
        before = tree_of(first.projects / 'killed')
        run = first.train(path, **{**SMALL, 'epochs': 6})
        wait_for(lambda: first.ask(f'{path}/runs/{run}')['train']['rows'], 'an epoch', LIMIT_S)
        os.kill(first.worker(), signal.SIGKILL)
        state = first.finished(path, run, status='failed')
        assert 'signal 9' in state['train']['sentence']
        done = len(state['train']['rows'])
        first.ask(f'{path}/runs/{run}', {'do': 'train'})
        wait_for(lambda: len(first.ask(f'{path}/runs/{run}')['train']['rows']) > done, 'one more',
                 LIMIT_S)
        first.kill()
        worker = first.worker()
        assert worker is not None  # it does not end with the studio
        with running_studio(tmp_path) as second:
            state = second.ask(f'{path}/runs/{run}')
            assert state['train']['status'] in ('running', 'done')
            if state['train']['status'] == 'running':
                assert 'is at work' in second.refuses(f'{path}/runs', {'sets': ['A']})
            state = second.finished(path, run)
            assert [row['epoch'] for row in state['train']['rows']] == list(range(1, 7))
            second.idle()
            assert tree_of(second.projects / 'killed') == before
            # killed with no studio there to see it: told by the lock that the kernel freed
            run = second.train(path, **{**SMALL, 'epochs': 50})
            wait_for(lambda: second.ask(f'{path}/runs/{run}')['train']['rows'], 'an epoch',
                     LIMIT_S)
            worker = second.worker()
            second.kill()
            os.kill(worker, signal.SIGKILL)
        with running_studio(tmp_path) as third:
            state = third.finished(path, run, status='failed')
            assert 'go on takes it up' in state['train']['sentence']
            # and a crash is one sentence
            (third.projects / 'killed' / '.studio' / 'runs' / run / 'last.pt').write_bytes(b'x')
            third.ask(f'{path}/runs/{run}', {'do': 'train'})
            sentence = third.finished(path, run, status='failed')['train']['sentence']
            assert sentence.endswith('is not a checkpoint that torch can read.')
            third.idle()
            third.ask(f'{path}/runs/{run}', {'do': 'drop'})
            assert tree_of(third.projects / 'killed') == before


def test_two_data_sets_one_to_check_on(studio):
    path = studio.make('days', categories=list(COLOURS))
    studio.ask(f'{path}/change', {'do': 'add set', 'name': 'B'})
    studio.fill(path, 3)
    studio.fill(path, 2, set_name='B')
    state = studio.finished(path, studio.train(path, check='B'))
    assert state['train']['score']['pictures'] == 6
    check = wait_for(lambda: studio.ask(f'{path}/runs/1')['evaluate'].get('figures'), 'the check',
                     LIMIT_S)
    assert check['held back']['pictures'] == 6 and check['all']['pictures'] == 15
    studio.idle()


def test_points_are_learned_and_checked(studio):
    path = studio.make('tips', 'points', points=['index'])
    rng = np.random.default_rng(0)
    for _ in range(12):
        x, y = rng.uniform(0.2, 0.8, 2)
        bgr = np.full((48, 64, 3), 30, np.uint8)
        cv2.circle(bgr, (round(64 * x), round(48 * y)), 5, (255, 255, 255), -1)
        studio.ask(f'{path}/pictures', jpeg_of(bgr), set='A', index=f'{x:.4f},{y:.4f}')
    studio.ask(f'{path}/pictures', jpeg_of(picture_of('up')), set='A')  # not labelled yet
    run = studio.train(path, **{**SMALL, 'size': 64})
    state = studio.finished(path, run)
    assert state['train']['counts'] == {'index': 12} and state['train']['score']['error_px'] > 0
    studio.idle()
    check = studio.ask(f'{path}/runs/{run}/check')
    errors = [row['error_px'] for row in check['worst']]
    assert errors == sorted(errors, reverse=True) and len(errors) == 12
    row = check['worst'][0]
    (gx, gy), (tx, ty) = row['guess']['index'], row['points']['index']
    assert row['error_px'] == pytest.approx(np.hypot(640 * (gx - tx), 480 * (gy - ty)), abs=0.01)
    head = studio.train(path, start=f'run/tips/{run}', head_only=True, epochs=5)
    studio.finished(path, head)
    studio.idle()


def test_compressed_models_are_smaller_and_still_load(studio, trained):
    studio.ask(f'{trained}/runs/1', {'do': 'compress', 'tune': 0})
    state = studio.finished(trained, '1', 'compress')
    sizes = {row['k']: row for row in state['compress']['sizes']}
    assert set(sizes) == {0, 16, 8, 3, 2}
    assert sizes[0]['bytes'] > sizes[16]['bytes'] > sizes[2]['bytes']
    folder = studio.projects / 'colours' / '.studio' / 'runs' / '1'
    for k in (16, 8, 3, 2):
        model = GestureModel(str(folder / f'model_{k}.onnx'))
        assert model.labels == tuple(sorted(COLOURS))
        assert sizes[k]['bytes'] == (folder / f'model_{k}.onnx').stat().st_size
        assert 0 <= sizes[k]['accuracy'] <= 1
    studio.idle()
