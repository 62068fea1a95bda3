"""What the page knows of the system."""

from __future__ import annotations

import json

from edge_vision.core.detections import Detections
from edge_vision.core.gesture import Fingertip, Gestures
from edge_vision.web.board import Board, FRESH_S
import numpy as np
import pytest

# the figures as the nodes say them: all text
CAMERA = {'enabled': 'true', 'fps': '29.97', 'width': '640', 'height': '480', 'dropped': '3',
          'level': 'ok', 'message': 'demo portrait'}
DETECTOR = {'fps': '12.00', 'latency_ms_p50': '20.50', 'latency_ms_p95': '31.00',
            'inference_ms': '18.25', 'provider': 'cpu', 'model': 'person.onnx', 'dropped': '7',
            'level': 'ok', 'message': 'on cpu'}


class Clock:
    """A clock that the test winds."""

    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def board(clock):
    return Board(clock)


def person(score=0.5, track=None) -> Detections:
    return Detections(np.zeros((1, 4), np.float32), np.array([score], np.float32),
                      np.zeros(1, np.int64), ('person',),
                      None if track is None else np.array([track], np.int64))


def test_all_of_the_contract_is_there_from_the_start(board):
    status = board.status(clients=2)
    json.dumps(status, allow_nan=False)
    assert {'uptime_s', 'camera', 'detector', 'gesture', 'clients'} <= set(status)
    assert {'enabled', 'fps', 'width', 'height', 'dropped'} <= set(status['camera'])
    assert {'fps', 'latency_ms', 'inference_ms', 'provider', 'model', 'count'} <= set(
        status['detector'])
    assert set(status['detector']['latency_ms']) == {'p50', 'p95'}
    assert set(status['gesture']) == {'label', 'score'}
    assert status['clients'] == 2
    assert status['camera']['message'] == 'the camera node is not there'
    assert status['detector']['message'] == 'the detector node is not there'


def test_figures_become_numbers(board):
    board.node_says('camera', CAMERA)
    board.node_says('detector', DETECTOR)
    board.found(person(0.87654, track=4))
    board.frame_passed()
    status = board.status(0)
    camera, detector = status['camera'], status['detector']
    assert (camera['fps'], camera['width'], camera['height'], camera['dropped']) == (
        29.97, 640, 480, 3)
    assert camera['enabled'] is True and camera['level'] == 'ok'
    assert detector['latency_ms'] == {'p50': 20.5, 'p95': 31.0}
    assert (detector['fps'], detector['inference_ms'], detector['count']) == (12.0, 18.25, 1)
    assert detector['detections'] == [{'class': 'person', 'score': 0.877, 'track': 4}]


def test_what_was_found_is_forgotten_when_the_flow_has_ended(board, clock):
    board.node_says('detector', DETECTOR)
    board.found(person(0.9))
    board.frame_passed()
    assert board.status(0)['detector']['count'] == 1
    clock.now_s += 4
    board.node_says('detector', DETECTOR)
    assert board.status(0)['detector']['detections'] == []


@pytest.mark.parametrize('text', ['nan', 'inf', '-inf', '', 'fast', '1e999'])
def test_figures_that_are_no_numbers_do_not_break_the_json(board, text):
    board.node_says('camera', dict(CAMERA, fps=text, width=text))
    board.node_says('detector', dict(DETECTOR, inference_ms=text))
    status = board.status(0)
    json.dumps(status, allow_nan=False)
    assert status['camera']['fps'] == 0 and status['detector']['inference_ms'] is None


def test_a_silent_node_is_taken_for_gone(board, clock):
    board.node_says('camera', CAMERA)
    board.node_says('detector', DETECTOR)
    board.found(person())
    clock.now_s += FRESH_S + 0.1
    status = board.status(0)
    assert not status['camera']['alive'] and not status['camera']['enabled']
    assert (status['camera']['fps'], status['camera']['level']) == (0, 'error')
    assert status['detector']['count'] == 0 and status['detector']['detections'] == []


def test_pictures_of_another_node_are_no_fault(board, clock):
    board.frame_passed()
    camera = board.status(0)['camera']
    assert (camera['alive'], camera['enabled'], camera['level']) == (False, False, 'ok')
    assert camera['message'] == 'the pictures come from another node'


def test_the_last_picture_of_a_camera_that_died_is_not_of_another_node(board, clock):
    board.node_says('camera', CAMERA)
    clock.now_s += 0.9  # pictures come more often than words
    board.frame_passed()
    clock.now_s += FRESH_S - 0.5
    assert board.status(0)['camera']['message'] == 'the camera node is not there'


def test_the_newest_detections_count_and_may_be_none(board):
    board.node_says('detector', DETECTOR)
    board.found(person())
    board.found(Detections.empty())
    assert board.status(0)['detector']['count'] == 0


def test_a_gesture_fades(board, clock):
    board.gesture(Gestures(1, 'eye', ('thumb_up', 'none'), (0.75, 0.25)))
    assert board.status(0)['gesture'] == {'label': 'thumb_up', 'score': 0.75}
    clock.now_s += FRESH_S + 0.1
    assert board.status(0)['gesture'] == {'label': '', 'score': 0.0}


GESTURE = {'enabled': 'true', 'fps': '5.00', 'inference_ms': '16.00', 'model': 'mine.onnx',
           'settled': 'thumb_up', 'level': 'ok', 'message': 'on cpu'}


def test_what_there_is_beside_the_gesture(board, clock):
    def now():
        return board.status(0)['gestures']
    json.dumps(now(), allow_nan=False)
    assert (now()['alive'], now()['settled'], now()['fingertip'], now()['scores']) == (
        False, 'none', None, [])
    board.node_says('gesture', GESTURE)  # a page that starts later learns it from there
    assert now()['alive'] and now()['settled'] == 'thumb_up' and now()['fps'] == 5.0
    board.settled('thumb_down')
    board.gesture(Gestures(1, 'eye', tuple('abcdefghij'), (0.5,) * 10))
    board.fingertip(Fingertip(1, 'eye', (12.34, 56.0)))
    assert now()['settled'] == 'thumb_down' and now()['fingertip']['x'] == 12.3
    assert [one['class'] for one in now()['scores']] == list('abcdefgh'), 'the best are enough'
    clock.now_s += FRESH_S + 0.1
    assert (now()['alive'], now()['settled'], now()['fingertip'], now()['scores']) == (
        False, 'none', None, [])


def test_a_foreign_gesture_node_settles_too(board):
    board.gesture(Gestures(1, 'eye', ('thumb_up',), (0.9,)))
    board.settled('thumb_up')
    assert board.status(0)['gestures']['settled'] == 'thumb_up'


def test_only_the_last_lines_are_kept(board):
    for number in range(100):
        board.spoken(f'line {number}')
    lines = board.status(0)['spoken']
    assert lines[-1] == 'line 99' and len(lines) < 20


def test_uptime(board, clock):
    clock.now_s += 12.34
    assert board.status(0)['uptime_s'] == 12.3


def says(**changes):
    return lambda board, clock: board.node_says('camera', dict(CAMERA, **changes))


def flow(board, clock):
    board.frame_passed()


def old_flow(board, clock):
    board.frame_passed()
    clock.now_s += FRESH_S + 0.1


@pytest.mark.parametrize('events, reason', [
    ([], 'the camera node is not there'),
    ([flow], ''),
    ([old_flow], 'the camera node is not there'),
    ([says()], ''),
    ([flow, says(enabled='false', fps='0.00')], 'the camera is paused'),
    ([old_flow, says(fps='0.00', level='error', message='camera unplugged')], 'camera unplugged'),
    ([old_flow, says(fps='0.00')], 'no frames arrive'),
], ids=['nothing', 'flow', 'flow ended', 'camera well', 'paused', 'lost', 'silent'])
def test_healthz_has_a_reason(board, clock, events, reason):
    for event in events:
        event(board, clock)
    assert board.problem() == reason
