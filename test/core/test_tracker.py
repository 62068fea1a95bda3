"""Tracks: steady numbers on boxes that are made here, and on a real video of six people."""

import time

from edge_vision.core.detections import Detections, NO_TRACK
from edge_vision.core.motion import Motion, to_centres, to_corners
from edge_vision.core.tracker import FIRST_HITS, iou, LOST_S, pair_up, Tracker
import numpy as np
import pytest

LABELS = ('person', 'dog')
THRESHOLD = 0.4
STEP_S = 0.1
PERSON = (100, 100, 150, 220)


def found(*boxes, labels=LABELS) -> Detections:
    """Boxes (x0, y0, x1, y1, score, class)."""
    rows = np.array(boxes, np.float32).reshape(-1, 6)
    return Detections(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64), labels)


def box(x=0.0, score=0.9, kind=0, y=0.0):
    x0, y0, x1, y1 = PERSON
    return (x0 + x, y0 + y, x1 + x, y1 + y, score, kind)


def ids(tracker, frames, start_s=0.0, step_s=STEP_S):
    """Give the ids of each frame in turn."""
    return [tracker.update(found(*boxes), start_s + n * step_s, THRESHOLD).track_ids.tolist()
            for n, boxes in enumerate(frames)]


def test_nothing_found_is_an_ordinary_frame():
    answer = Tracker().update(Detections.empty(LABELS), 0.0, THRESHOLD)
    assert len(answer) == 0 and answer.track_ids.shape == (0,)


def test_a_track_counts_from_its_third_frame():
    assert ids(Tracker(), [[box()]] * 5) == [[NO_TRACK]] * (FIRST_HITS - 1) + [[1]] * 3


def test_a_flicker_is_no_track():
    assert ids(Tracker(), [[box()], [], [box()], [box()], [], [box()]])[-1] == [NO_TRACK]


@pytest.mark.parametrize('speed', [0, 8, -8, 25])
def test_the_number_stays_with_who_walks(speed):
    answers = ids(Tracker(), [[box(x=speed * n)] for n in range(30)])
    assert answers[FIRST_HITS:] == [[1]] * (30 - FIRST_HITS)


@pytest.mark.parametrize('missing', [1, 5, 8])
def test_who_walks_behind_a_pillar_comes_out_with_the_same_number(missing):
    frames = [[box(x=10 * n)] for n in range(30)]
    frames[12:12 + missing] = [[]] * missing
    assert ids(Tracker(), frames)[-1] == [1]


def test_who_is_away_for_long_is_somebody_new():
    away = int(LOST_S / STEP_S) + 1
    assert ids(Tracker(), [[box()]] * 5 + [[]] * away + [[box()]] * 5)[-1] == [2]


def test_weak_boxes_carry_a_track_on_and_are_not_given():
    tracker = Tracker()
    answers = ids(tracker, [[box()]] * 5 + [[box(score=0.15)]] * 30 + [[box()]])
    assert answers[5:35] == [[]] * 30 and answers[-1] == [1]


@pytest.mark.parametrize('score', [0.15, 0.45])
def test_weak_and_nearly_weak_boxes_start_none(score):
    assert all(not any(frame) for frame in ids(Tracker(), [[box(score=score)]] * 9))


def test_two_who_pass_each_other_keep_their_numbers():
    frames = [[box(x=10 * n), box(x=300 - 10 * n, y=25)] for n in range(31)]
    answers = ids(Tracker(), frames)
    assert sorted(answers[5]) == [1, 2] and answers[-1] == answers[5]


def test_classes_are_tracked_apart():
    assert sorted(ids(Tracker(), [[box(), box(kind=1)]] * 5)[-1]) == [1, 2]
    swapped = ids(Tracker(), [[box()]] * 5 + [[box(kind=1)]] * 2)
    assert swapped[-1] == [NO_TRACK]


@pytest.mark.parametrize('jump_s', [-50.0, 60.0])
def test_a_jump_in_time_starts_anew_but_no_number_comes_twice(jump_s):
    tracker = Tracker()
    ids(tracker, [[box()]] * 5, start_s=100.0)
    assert ids(tracker, [[box()]] * 5, start_s=100.0 + jump_s)[-1] == [2]


def test_another_model_starts_anew():
    tracker = Tracker()
    ids(tracker, [[box()]] * 5)
    answer = tracker.update(found(box(), labels=('cat',)), 0.5, THRESHOLD)
    assert answer.track_ids.tolist() == [NO_TRACK]


def test_the_input_is_left_as_it_is_and_strong_boxes_are_given_in_order():
    frame = found(box(score=0.9), box(x=200, score=0.6), box(x=400, score=0.2))
    answer = Tracker().update(frame, 0.0, THRESHOLD)
    assert frame.track_ids is None and len(frame) == 3
    assert answer.scores.tolist() == pytest.approx([0.9, 0.6])


def test_iou_against_boxes_counted_by_hand():
    a = np.array([(0, 0, 10, 10), (0, 0, 0, 0)], float)
    b = np.array([(0, 0, 10, 10), (5, 0, 15, 10), (20, 20, 30, 30)], float)
    assert iou(a, b) == pytest.approx(np.array([[1, 1 / 3, 0], [0, 0, 0]]))


def test_pairs_are_taken_best_first_and_each_once():
    likeness = np.array([[0.9, 0.8], [0.85, 0.1], [0.3, 0.3]])
    rows, columns = pair_up(likeness, 0.2)
    assert list(zip(rows.tolist(), columns.tolist())) == [(0, 0), (2, 1)]
    assert pair_up(np.zeros((0, 3)), 0.2)[0].shape == (0,)


def test_motion_learns_a_speed():
    motion = Motion()
    start = np.array([PERSON], float)
    motion.add(to_centres(start))
    for n in range(1, 30):
        motion.predict(STEP_S)
        motion.correct(np.array([0]), to_centres(start + [10 * n, 0, 10 * n, 0]))
    assert motion.velocity[0] == pytest.approx([100, 0, 0, 0], abs=3)
    motion.predict(0.5)
    assert to_corners(motion.at)[0] == pytest.approx(start[0] + [340, 0, 340, 0], abs=4)


def test_fifty_boxes_cost_less_than_a_millisecond():
    """Processor time, as the machine may be busy; bench/tracks.py gives the figures."""
    tracker, times = Tracker(), []
    for n in range(60):
        frame = found(*(box(x=80 * (k % 10) + n, y=150 * (k // 10)) for k in range(50)))
        start_s = time.thread_time()
        tracker.update(frame, n * STEP_S, THRESHOLD)
        times.append(time.thread_time() - start_s)
    assert 1000 * np.median(times) < 1.0
