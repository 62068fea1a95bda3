"""Each frame meets its own detections, in whatever order the two come."""

from edge_vision.core.detections import Detections
from edge_vision.core.found import Found
from edge_vision.core.frame import Frame
from edge_vision.core.matcher import Matcher, MOST_WAITING, PATIENCE_S
import numpy as np
import pytest

PICTURE = np.zeros((4, 4, 3), np.uint8)


def frame(stamp):
    return Frame(PICTURE, stamp)


def found(stamp):
    return Found(stamp, 'camera', Detections.empty((f'of {stamp}',)))


def play(events, matcher=None):
    """
    Give the matcher what `events` say and list what comes out, as (stamp, has detections).

    f5 is the frame of stamp 5, d5 its detections, w0.5 half a second without either.
    """
    matcher, now_s, out = matcher or Matcher(), 0.0, []
    for event in events.split():
        kind, number = event[0], float(event[1:])
        if kind == 'w':
            now_s += number
            continue
        pair = (matcher.add_frame(frame(int(number)), now_s) if kind == 'f'
                else matcher.add_found(found(int(number)), now_s))
        if pair is not None:
            shown, detections = pair
            if detections is not None:  # never those of another frame
                assert detections.labels == (f'of {shown.stamp_ns}',)
            out.append((shown.stamp_ns, detections is not None))
    return out


@pytest.mark.parametrize(('events', 'expected'), [
    pytest.param('', [], id='nothing'),
    pytest.param('f1', [], id='a frame waits'),
    pytest.param('d1', [], id='detections wait'),
    pytest.param('f1 d1 f2 d2', [(1, True), (2, True)], id='frame first'),
    pytest.param('d1 f1 d2 f2', [(1, True), (2, True)], id='detections first'),
    pytest.param('f1 f2 f3 d2', [(2, True)], id='the detector is two behind'),
    pytest.param('f1 f2 f3 d2 d1', [(2, True)], id='no way back to an older frame'),
    pytest.param('f1 f2 f3 d2 d3', [(2, True), (3, True)], id='newer ones go on waiting'),
    pytest.param('d1 d2 f2 f1', [(2, True), (1, True)], id='frames in another order'),
    pytest.param('f1 d1 d1', [(1, True)], id='detections twice'),
    pytest.param('f1 w0.9 f2', [], id='patience'),
    pytest.param('f1 w1.1 f2 f3', [(2, False), (3, False)], id='nobody detects: bare frames'),
    pytest.param('f1 w1.1 f2 d1', [(2, False)], id='what is too late is not drawn'),
    pytest.param('f1 w1.1 f2 d2 f3 d3', [(2, False), (3, True)],
                 id='a shown frame is not shown again, but the detector is back'),
    pytest.param('f1 w1.1 f2 d3 f3 f4 d4', [(2, False), (3, True), (4, True)],
                 id='the detector comes back'),
    pytest.param('f1 d1 w0.9 f2 w0.2 f3', [(1, True), (3, False)], id='the detector goes away'),
])
def test_order(events, expected):
    assert play(events) == expected


def test_patience_is_what_the_tests_above_think():
    assert 0.9 < PATIENCE_S < 1.1


def test_memory_is_bounded():
    matcher = Matcher()
    for number in range(10 * MOST_WAITING):
        matcher.add_frame(frame(number), 0.0)
        matcher.add_found(found(-1 - number), 0.0)
    assert len(matcher._frames) == len(matcher._found) == MOST_WAITING


def test_a_camera_too_fast_for_the_detector_is_shown_bare():
    # more than MOST_WAITING frames come while the detector looks at one: none finds its partner,
    # and all the same the picture does not stand still
    matcher, shown = Matcher(), []
    for number in range(400):
        pair = matcher.add_frame(frame(number), number / 100)
        shown += [] if pair is None else [pair]
        if number % 50 == 49:
            assert matcher.add_found(found(number - 49), number / 100) is None
    assert [pair[0].stamp_ns for pair in shown] == list(range(400 - MOST_WAITING))
    assert all(detections is None for _, detections in shown)


def test_clear_forgets():
    matcher = Matcher()
    play('f1 d2', matcher)
    matcher.clear()
    assert play('d1 f2', matcher) == []
