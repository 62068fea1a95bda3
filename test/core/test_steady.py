"""When a gesture settles, and which frames are looked at; all times are made up."""

from edge_vision.core.pace import Pace
from edge_vision.core.steady import is_gesture, silence_s_at, Steady
import pytest

STABLE_S = 0.5
UP, DOWN, NO = 'thumb_up', 'thumb_down', 'none'


def looks(*labels, start_s=100.0, step_s=0.2):
    """Give (time, label, is sure) of looks in a row; `label?` is below the threshold."""
    return [(start_s + n * step_s, label.rstrip('?'), not label.endswith('?'))
            for n, label in enumerate(labels)]


@pytest.mark.parametrize(('seen', 'events'), [
    ([], []),
    (looks(NO, NO, NO, NO, NO), []),
    (looks(UP, UP, UP), []),
    (looks(UP, UP, UP, UP), [(100.6, UP)]),
    (looks(*[UP] * 20), [(100.6, UP)]),
    (looks(UP, UP, UP, NO, UP, UP, UP), []),
    (looks(UP, UP, UP, DOWN, UP, UP, UP), []),
    (looks(UP, UP, UP, f'{UP}?', UP, UP, UP), []),
    (looks(*[f'{UP}?'] * 9), []),
    (looks(*[UP] * 4, NO, *[UP] * 9), [(100.6, UP)]),
    (looks(*[UP] * 4, *[NO] * 3, *[UP] * 9), [(100.6, UP)]),
    (looks(*[UP] * 4, *[NO] * 4), [(100.6, UP), (101.4, NO)]),
    (looks(*[UP] * 4, *[f'{UP}?'] * 4), [(100.6, UP), (101.4, NO)]),
    (looks(*[UP] * 4, NO, f'{DOWN}?', NO, f'{UP}?'), [(100.6, UP), (101.4, NO)]),
    (looks(*[UP] * 4, *[DOWN] * 4), [(100.6, UP), (101.4, DOWN)]),
    (looks(*[UP] * 4, *[NO] * 4, *[UP] * 4), [(100.6, UP), (101.4, NO), (102.2, UP)]),
    (looks(*['No_Gesture', ''] * 5), []),
    (looks(*[UP] * 4, *['no_gesture'] * 4), [(100.6, UP), (101.4, NO)]),
    (looks(UP, UP, step_s=0.5), [(100.5, UP)]),
    (looks(UP, UP, NO, step_s=30), [(130, UP)]),
    (looks(UP, UP, UP) + looks(UP, UP, UP, UP, start_s=50), [(50.6, UP)]),
    (looks(*[UP] * 4) + looks(*[UP] * 9, start_s=50), [(100.6, UP)]),
    (looks(*[UP] * 9, step_s=0.0), []),
], ids=['nothing', 'no gesture', 'too short', 'just long enough', 'only once', 'broken off',
        'another between', 'doubt between', 'never sure', 'one bad look', 'three bad looks',
        'over', 'in doubt', 'over in several ways', 'from one to the other', 'again',
        'names of none', 'over by another name', 'slow looks', 'rare looks',
        'time goes back', 'stays when time goes back', 'time stands'])
def test_events(seen, events):
    steady, told = Steady(), []
    for now_s, label, is_sure in seen:
        settled = steady.update(label, is_sure, now_s, STABLE_S)
        if settled is not None:
            told.append((pytest.approx(now_s), settled))
            assert steady.settled == settled
    assert [(pytest.approx(s), label) for s, label in events] == [
        (s.expected, label) for s, label in told]


def test_with_no_time_to_stay_each_change_is_told():
    steady = Steady()
    told = [steady.update(label, True, 1.0, 0.0) for label in (UP, UP, DOWN, NO, UP)]
    assert told == [UP, None, DOWN, NO, UP]


def test_when_pictures_end_the_gesture_does_too_and_has_to_stay_anew():
    steady = Steady()
    for now_s, label, is_sure in looks(*[UP] * 4):
        steady.update(label, is_sure, now_s, STABLE_S)
    assert steady.forget() == NO and steady.settled == NO
    assert steady.forget() is None
    later = [steady.update(UP, True, s, STABLE_S) for s in (100.8, 101.0, 101.2, 101.4)]
    assert later == [None, None, None, UP]


@pytest.mark.parametrize(('rate_hz', 'silence_s'), [(5, 2), (60, 2), (0.5, 5), (0.1, 25)])
def test_where_looks_are_rare_a_silence_is_long(rate_hz, silence_s):
    assert silence_s_at(rate_hz) == silence_s


@pytest.mark.parametrize(('label', 'answer'), [
    ('thumb_up', True), ('none of it', True), ('', False), ('None', False),
    (' no_gesture ', False)])
def test_is_gesture(label, answer):
    assert is_gesture(label) is answer


def frames(rate_hz, seconds, jitter_s=0.0):
    """Give the times of a camera's frames, every other one early and late."""
    return [n / rate_hz + (jitter_s if n % 2 else -jitter_s) + 50
            for n in range(int(rate_hz * seconds))]


@pytest.mark.parametrize(('camera_hz', 'rate_hz', 'jitter_s', 'wanted_hz'), [
    (30, 5, 0.0, 5), (30, 5, 0.01, 5), (30, 30, 0.002, 30), (5, 5, 0.015, 5), (7.5, 5, 0, 5),
    (3, 5, 0, 3), (30, 0.5, 0, 0.5), (30, 60, 0, 30), (25, 10, 0.004, 10), (29.97, 7, 0, 7)])
def test_the_rate_is_kept_and_the_pauses_are_even(camera_hz, rate_hz, jitter_s, wanted_hz):
    pace, seconds = Pace(), 20
    taken = [s for s in frames(camera_hz, seconds, jitter_s) if pace.due(s, rate_hz)]
    assert len(taken) == pytest.approx(wanted_hz * seconds, rel=0.03, abs=1)
    pauses = [b - a for a, b in zip(taken, taken[1:])]
    assert max(pauses) <= 1 / wanted_hz + 1 / camera_hz + 2 * jitter_s + 1e-6
    assert min(pauses) >= 0.75 * (1 / wanted_hz - 1 / camera_hz) - 2 * jitter_s


def test_after_a_silence_nothing_is_made_up_for():
    pace = Pace()
    assert pace.due(10.0, 5)
    late = [s for s in frames(30, 1) if pace.due(s, 5)]
    assert len(late) <= 6 and min(b - a for a, b in zip(late, late[1:])) > 0.15


def test_a_new_rate_counts_at_once():
    pace = Pace()
    assert pace.due(10.0, 0.1)
    assert not pace.due(10.5, 0.1)
    assert pace.due(10.6, 5)
    assert not pace.due(10.7, 5)
