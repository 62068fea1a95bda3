"""All nodes in one process: hand-over, the end in order, and nodes that run elsewhere."""

from __future__ import annotations

from contextlib import ExitStack
import os
from pathlib import Path
import signal
import threading
import time
from urllib.request import urlopen

import cv2
from edge_vision.nodes import qos
from gesture_files import coloured, LABELS, save_classifier, save_pointer
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import String
from support import children_of, http, left_behind, MjpegCamera, parts_of, running, wait_for
from vision_msgs.msg import Detection2DArray

LIGHT = {'camera__fps': 10.0, 'camera__width': 160, 'camera__height': 120,
         'detector__model': 'hog', 'overlay__port': 0}


@pytest.fixture(scope='module')
def thumbs(tmp_path_factory):
    """Give the parameters with which the camera shows thumbs, up and down in turn."""
    folder = tmp_path_factory.mktemp('thumbs')
    for number in range(60):
        name = 'thumb_up' if number < 30 else 'thumb_down'
        cv2.imwrite(str(folder / f'{number:02}.png'), coloured(name, (160, 120)))
    return dict(LIGHT, camera__source=str(folder), camera__fps=20.0, gesture__rate_hz=20.0,
                gesture__model=save_classifier(folder / 'gesture.onnx'),
                gesture__fingertip_model=save_pointer(folder / 'fingertip.onnx'))


def test_the_gesture_node_can_be_left_out(thumbs, ears):
    # before all others: the system that they share tells of its gesture node on /diagnostics
    with running('nano', '--without', 'gesture', **thumbs) as program:
        wait_for(lambda: http(program.url + '/api/status').json['detector']['fps'], 'detections')
        state = http(program.url + '/api/status').json
        assert not state['gestures']['alive'] and state['gesture']['label'] == ''
        assert 'gesture' not in ears.node.get_node_names()


@pytest.fixture(scope='module')
def nano():
    """Run everything with the baseline detector, small and slow to keep the machine free."""
    with running('nano', **LIGHT) as program:
        program.says('the page is at')
        yield program


def test_detections_come_for_the_frames_of_the_camera(nano, ears):
    with ears.hearing(Detection2DArray, '/detections', qos.RESULT) as found:
        ears.until(lambda: len(found) > 3, 'detections')
        # image_raw is a message only from now on, and frames keep their stamps in it
        with ears.hearing(Image, '/image_raw', qos.SENSOR) as images:
            def pair():
                stamps = {(m.header.stamp.sec, m.header.stamp.nanosec) for m in images}
                return next((m for m in found if (
                    m.header.stamp.sec, m.header.stamp.nanosec) in stamps), None)
            assert ears.until(pair, 'an image with its detections').header.frame_id == 'camera'


def test_frames_are_handed_over_without_a_subscription(nano, ears):
    """The detector and, while somebody watches, the overlay get frames, yet nobody subscribes."""
    with urlopen(nano.url + '/stream', timeout=20) as response:
        next(parts_of(response))
        ears.until(lambda: ears.node.count_publishers('/image_raw') == 1, 'the camera')
        assert ears.node.count_subscribers('/image_raw') == 0
        assert ears.node.count_subscribers('/detections') == 0


def test_all_three_speak_on_diagnostics_and_the_page_hears_them(nano, ears):
    for node in ('/camera', '/detector', '/overlay'):
        ears.health(node, lambda s: s['level'] == 'ok' and float(s['fps']) > 0)
    status = http(nano.url + '/api/status').json
    assert status['camera']['alive'] and status['detector']['alive']
    assert status['detector']['model'] == 'hog' and status['detector']['fps'] > 0


def test_parameters_reach_their_own_node_only(nano, ears):
    assert ears.set('camera', 'fps', 12.0).successful
    assert not ears.set('detector', 'fps', 12.0).successful


def test_a_part_may_run_elsewhere(ears):
    """`--without camera`: the page sees and stops the camera of another process."""
    with ExitStack() as stack:
        ns = ['-r', '__ns:=/split']
        rest = {k: v for k, v in LIGHT.items() if not k.startswith('camera')}
        nano = stack.enter_context(
            running('nano', '--without', 'camera', '--ros-args', *ns, **rest))
        camera = stack.enter_context(
            running('camera_node', '--ros-args', *ns, width=160, height=120, fps=10.0))
        url = nano.url

        def status():
            return http(url + '/api/status').json
        wait_for(lambda: status()['camera']['fps'] > 0 and status()['detector']['fps'] > 0,
                 'both are seen', detail=lambda: f'{status()}\n{nano.output}\n{camera.output}')
        answer = http(url + '/api/camera', {'enabled': False})
        assert (answer.status, answer.json['message']) == (200, 'camera is paused')
        wait_for(lambda: status()['camera']['enabled'] is False, 'the page says so')


def test_a_gesture_is_told_shown_and_spoken(thumbs, ears):
    with running('nano', **dict(thumbs, speech__cooldown_s=0.0)) as program, \
            ears.hearing(String, '/gesture/event', qos.EVENT) as events, \
            ears.hearing(String, '/spoken', qos.EVENT) as spoken:
        url = program.url
        for heard, wanted in ((events, {'thumb_up', 'thumb_down'}),
                              (spoken, {'Thumbs up.', 'Thumbs down.'})):
            ears.until(lambda heard=heard, wanted=wanted: wanted <= {m.data for m in heard},
                       f'{wanted}', detail=lambda: program.output)
        told = [event.data for event in events]
        assert all(a != b for a, b in zip(told, told[1:])), 'only changes are told'
        assert set(told) <= set(LABELS)
        status = http(url + '/api/status').json
        assert status['gesture']['label'] in LABELS and status['gesture']['score'] > 0.9
        assert {one['class'] for one in status['gestures']['scores']} == set(LABELS)
        tip = status['gestures']['fingertip']  # x is the share of blue, y that of green
        assert tip['x'] / 160 == pytest.approx(20 / 255, abs=0.01)
        assert min(abs(tip['y'] / 120 - share / 255) for share in (20, 250)) < 0.01
        ears.health('/gesture', lambda s: s['level'] == 'ok' and float(s['fps']) > 0)
        assert ears.node.count_subscribers('/image_raw') == 0, 'frames are handed over'


@pytest.mark.parametrize('program, parameters, ready, number', [
    ('camera_node', {'fps': 10.0}, 'demo', signal.SIGINT),
    ('detector_node', {'model': 'hog'}, 'model hog', signal.SIGTERM),
    ('overlay_node', {'port': 0}, 'the page is at', signal.SIGINT),
    ('nano', LIGHT, 'the page is at', signal.SIGINT),
    ('nano', LIGHT, 'the page is at', signal.SIGTERM)],
    ids=lambda value: value if isinstance(value, str) and '_' in value else '')
def test_a_signal_ends_it_in_order(program, parameters, ready, number):
    before = set(os.listdir('/dev/shm'))  # others' files, which a killed process may have left
    with running(program, **parameters) as ended:
        ended.says(ready)
        viewers = []
        if 'page' in ready:  # with somebody who looks
            viewers = [urlopen(ended.url + path, timeout=20)
                       for path in ('/stream', '/api/events')]
        mine = {ended.process.pid, *children_of(ended.process.pid)}
        files = ended.shared_memory
        assert files, 'Fast DDS works without shared memory: the profile is not read'
        start_s = time.monotonic()
        assert ended.stop(number) == 0
        assert time.monotonic() - start_s < 5
        for viewer in viewers:
            viewer.close()
    assert 'Traceback' not in ended.output and 'rror' not in ended.stderr, ended.output
    assert not [pid for pid in mine if Path(f'/proc/{pid}').exists()]
    assert not left_behind(files - before)


def test_a_camera_that_fell_silent_does_not_hold_up_the_end():
    silent = MjpegCamera(rate_hz=0.001)
    try:
        with running('nano', **dict(LIGHT, camera__source=silent.url)) as ended:
            ended.says('the page is at')
            wait_for(lambda: silent.viewers, 'the camera is opened')
            start_s = time.monotonic()
            assert ended.stop(signal.SIGINT) == 0
            assert time.monotonic() - start_s < 5
        assert 'Traceback' not in ended.output
    finally:
        silent.close()


def test_signals_during_the_start_end_it_too():
    for delay_s in (0.5, 1.0):
        with running('nano', **LIGHT) as ended:
            threading.Event().wait(delay_s)
            code = ended.stop(signal.SIGTERM, 15)
        # before Python has come to our first line, the signal ends it as it ends any program
        assert code in (0, -signal.SIGTERM), ended.output
        assert 'Traceback' not in ended.output


@pytest.mark.parametrize(('word', 'is_right'), [
    ('camera:fps:=5.0', True), ('source:=demo', True), ('image_raw:=/front/image_raw', True),
    ('/**:use_sim_time:=true', True), ('detecto:score_threshold:=0.5', False)])
def test_a_parameter_for_a_node_that_is_not_there_is_refused(word, is_right):
    from edge_vision.core.errors import UserError
    from edge_vision.nodes.nano import refuse_unknown_nodes
    if is_right:
        refuse_unknown_nodes(['nano', '--ros-args', '-p', word])
        return
    with pytest.raises(UserError, match="names the node 'detecto', but the nodes are camera"):
        refuse_unknown_nodes(['nano', '--ros-args', '-p', word])
